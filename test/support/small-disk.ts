import { mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lackOf } from "./lack-of.ts";
import { commandOutput } from "./run-command.ts";

/** A file system of its own, in memory: it is full when so much is on it, whoever writes. */
export interface SmallDisk extends AsyncDisposable {
  readonly path: string;
  /** Fills it up but for so many bytes. */
  fill(freeBytes: number): void;
  /** Gives back what `fill` took. */
  free(): void;
}

/** Why there can be none here: in a container, root may have no right to mount anything. */
export function diskLacks(): Promise<string | undefined> {
  return lackOf("no file system can be mounted", () => smallDisk(1));
}

/** Needs the right to mount. `files`: for so many it has room, with folders and itself. */
export async function smallDisk(megabytes: number, files?: number): Promise<SmallDisk> {
  const path = mkdtempSync(join(tmpdir(), "hf-disk-"));
  // Servers run as users of their own.
  try {
    await commandOutput("mount", [
      "-t",
      "tmpfs",
      "-o",
      `size=${megabytes}m,mode=777${files === undefined ? "" : `,nr_inodes=${files}`}`,
      "tmpfs",
      path,
    ]);
  } catch (error) {
    rmSync(path, { recursive: true });
    throw error;
  }
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
