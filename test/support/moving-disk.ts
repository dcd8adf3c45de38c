import { mkdirSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lackOf } from "./lack-of.ts";
import { commandOutput } from "./run-command.ts";
import { smallDisk } from "./small-disk.ts";

export interface MovingDisk extends AsyncDisposable {
  readonly path: string;
  /** Mounts it once more, as another device: as a machine that is started anew may find it. */
  move(): Promise<void>;
}

/** A file system on a loop device. Needs the right to mount. */
export async function movingDisk(megabytes: number): Promise<MovingDisk> {
  const below = await smallDisk(megabytes);
  const image = join(below.path, "image");
  const path = join(below.path, "mounted");
  let device: string | undefined;
  const attach = async (): Promise<string> => (await commandOutput("losetup", ["--find", "--show", image])).trim();
  const detach = async (): Promise<void> => {
    if (device !== undefined) await commandOutput("losetup", ["--detach", device]);
  };
  try {
    writeFileSync(image, "");
    truncateSync(image, megabytes * (1 << 20));
    mkdirSync(path);
    await commandOutput("mkfs.ext4", ["-q", "-F", image]);
    device = await attach();
    await commandOutput("mount", [device, path]);
  } catch (error) {
    await detach();
    await below[Symbol.asyncDispose]();
    throw error;
  }
  return {
    path,
    async move() {
      const { dev } = statSync(path);
      await commandOutput("umount", [path]);
      const other = await attach();
      await detach();
      device = other;
      await commandOutput("mount", [other, path]);
      if (statSync(path).dev === dev) throw new Error(`${path} is the same device as before`);
    },
    async [Symbol.asyncDispose]() {
      await commandOutput("umount", [path]);
      await detach();
      await below[Symbol.asyncDispose]();
    },
  };
}

/** Why there can be none here. */
export function movingDiskLacks(): Promise<string | undefined> {
  return lackOf("no file system can be made", () => movingDisk(4));
}
