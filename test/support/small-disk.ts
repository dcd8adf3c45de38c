import { mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commandOutput } from "./run-command.ts";

/** A file system of its own, in memory: it is full when so much is on it, whoever writes. */
export interface SmallDisk extends AsyncDisposable {
  readonly path: string;
  /** Fills it up but for so many bytes. */
  fill(freeBytes: number): void;
  /** Gives back what `fill` took. */
  free(): void;
}

/** Needs to be root, as whoever mounts must. */
export async function smallDisk(megabytes: number): Promise<SmallDisk> {
  const path = mkdtempSync(join(tmpdir(), "hf-disk-"));
  // Servers run as users of their own.
  await commandOutput("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m,mode=777`, "tmpfs", path]);
  const filler = join(path, "filler");
  return {
    path,
    fill: (freeBytes) => {
      const { bavail, bsize } = statfsSync(path);
      writeFileSync(filler, Buffer.alloc(Math.max(0, bavail * bsize - freeBytes)));
    },
    free: () => rmSync(filler, { force: true }),
    async [Symbol.asyncDispose]() {
      await commandOutput("umount", [path]);
      rmSync(path, { recursive: true, force: true });
    },
  };
}
