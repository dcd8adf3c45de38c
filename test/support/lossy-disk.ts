import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lackOf } from "./lack-of.ts";
import { commandOutput } from "./run-command.ts";
import { smallDisk } from "./small-disk.ts";

export interface LossyDisk extends AsyncDisposable {
  readonly path: string;
}

/**
 * A file system whose disk takes only so much and fails at the rest, which is told to who waits for it, not to who writes. Needs the right
 * to mount, and a loop device.
 */
export async function lossyDisk(megabytes: number): Promise<LossyDisk> {
  const below = await smallDisk(megabytes);
  const image = join(below.path, "image");
  const path = join(below.path, "mounted");
  try {
    writeFileSync(image, "");
    truncateSync(image, megabytes * (8 << 20));
    mkdirSync(path);
    await commandOutput("mkfs.ext4", ["-q", "-F", "-O", "^has_journal", image]);
    await commandOutput("mount", ["-o", "loop,errors=continue", image, path]);
  } catch (error) {
    await below[Symbol.asyncDispose]();
    throw error;
  }
  return {
    path,
    async [Symbol.asyncDispose]() {
      await commandOutput("umount", [path]);
      await below[Symbol.asyncDispose]();
    },
  };
}

/** Why there can be none here. */
export function lossyDiskLacks(): Promise<string | undefined> {
  return lackOf("no file system can be made", () => lossyDisk(2));
}
