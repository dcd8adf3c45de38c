import { open, mkdir, readdir, rename, rm, stat, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { HoldfastError } from "../lib/errors.ts";
import { hasSystemCode } from "../lib/system-code.ts";
import { type Drive, parseVolumeText, type VolumeName, volumeText } from "./drive.ts";

/** What GNU tar reads at once by itself is 10 KiB; of a file any block will do. */
const blockBytes = 64 << 10;

/**
 * A folder as a drive: each volume is a file in it, `SET-0001.tar`, of at most `volumeBytes`. A disk that is full ends a
 * volume as the end of a tape does. A volume is called `….tar.part` until it has been read back.
 */
export function folderDrive(folder: string, volumeBytes = Infinity): Drive {
  const pathOf = (volume: VolumeName): string => join(folder, `${volumeText(volume)}.tar`);
  let handle: FileHandle | undefined;
  let writing: VolumeName | undefined;
  let blocks = 0;
  let position = 0;

  const close = async (): Promise<void> => {
    await handle?.close();
    handle = undefined;
  };
  const opened = (): FileHandle => {
    if (handle === undefined) throw new HoldfastError("internal", { reason: "no volume is loaded" });
    return handle;
  };

  return {
    name: folder,
    blockBytes,

    async inventory() {
      const names = await readdir(folder).catch(rethrow(folder));
      return names
        .filter((name) => name.endsWith(".tar"))
        .map((name) => parseVolumeText(name.slice(0, -".tar".length)))
        .filter((volume) => volume !== undefined);
    },

    async load(volume, purpose) {
      await close();
      position = 0;
      blocks = 0;
      writing = undefined;
      const path = pathOf(volume);
      try {
        if (purpose === "read") {
          handle = await open(path, "r");
          return true;
        }
        await mkdir(folder, { recursive: true });
        // A volume that counts is never written over.
        if (purpose === "write" && (await exists(path))) throw new HoldfastError("storage-exists", { path });
        handle = await open(`${path}.part`, "w+", 0o600);
        writing = volume;
        return true;
      } catch (error) {
        if (purpose === "read" && hasSystemCode(error, "ENOENT")) return false;
        return rethrow(path)(error);
      }
    },

    async write(block, signal) {
      signal.throwIfAborted();
      const most = Math.max(1, Math.floor(volumeBytes / blockBytes));
      if (blocks >= most) return "end";
      try {
        await writeWhole(opened(), block, blocks * blockBytes);
      } catch (error) {
        const { code = "" } = error as NodeJS.ErrnoException;
        if (!["ENOSPC", "EDQUOT", "EFBIG"].includes(code)) return rethrow(folder)(error);
        await opened().truncate(blocks * blockBytes);
        return "end";
      }
      blocks++;
      return blocks === most ? "near" : "written";
    },

    mark: async () => {
      await opened().sync().catch(rethrow(folder));
    },

    async read(signal) {
      signal.throwIfAborted();
      const block = Buffer.alloc(blockBytes);
      const length = await readWhole(opened(), block, position * blockBytes).catch(rethrow(folder));
      position++;
      return length === 0 ? "end" : block.subarray(0, length);
    },

    async seek(block) {
      position = block;
    },

    async accept() {
      if (writing === undefined) return;
      const path = pathOf(writing);
      await rename(`${path}.part`, path).catch(rethrow(path));
      const parent = await open(folder, "r");
      try {
        await parent.sync();
      } finally {
        await parent.close();
      }
      writing = undefined;
    },

    async [Symbol.asyncDispose]() {
      await close();
      // What is not a volume now never will be.
      if (writing !== undefined) await rm(`${pathOf(writing)}.part`, { force: true }).catch(() => undefined);
    },
  };
}

async function writeWhole(handle: FileHandle, block: Uint8Array, at: number): Promise<void> {
  let done = 0;
  while (done < block.length) {
    const { bytesWritten } = await handle.write(block, done, block.length - done, at + done);
    done += bytesWritten;
  }
}

/** Less than a block only where the file ends: a share may give less at once than was asked for. */
async function readWhole(handle: FileHandle, block: Buffer, at: number): Promise<number> {
  let done = 0;
  while (done < block.length) {
    const { bytesRead } = await handle.read(block, done, block.length - done, at + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function rethrow(path: string): (error: unknown) => never {
  return (error) => {
    if (error instanceof HoldfastError) throw error;
    const { code = "" } = error as NodeJS.ErrnoException;
    const denied = ["EACCES", "EPERM", "EROFS"].includes(code);
    const known = denied ? "storage-denied" : code === "ENOENT" ? "storage-not-found" : "storage-failed";
    throw new HoldfastError(known, { path, reason: code }, error);
  };
}
