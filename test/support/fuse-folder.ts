import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lackOf } from "./lack-of.ts";
import { commandOutput } from "./run-command.ts";

/**
 * The same folder, from now on by way of a program (bindfs): a file system that, as NFS and many others, neither exchanges two names nor
 * refuses to replace one. Needs `/dev/fuse` and the right to mount.
 */
export async function throughFuse(folder: string): Promise<AsyncDisposable> {
  await commandOutput("bindfs", ["-o", "nonempty", folder, folder]);
  return {
    async [Symbol.asyncDispose]() {
      await commandOutput("umount", ["--lazy", folder]);
    },
  };
}

/** Why there can be none here: in a container there is often no `/dev/fuse`. */
export async function fuseLacks(): Promise<string | undefined> {
  await commandOutput("bindfs", ["--version"]);
  const folder = mkdtempSync(join(tmpdir(), "hf-fuse-"));
  try {
    return await lackOf("no file system can be mounted by a program", () => throughFuse(folder));
  } finally {
    rmdirSync(folder);
  }
}
