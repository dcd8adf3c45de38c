import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { link, lstat, mkdir, open, readdir, rename, stat, statfs, unlink, type FileHandle } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { takeMemory } from "../lib/memory-pool.ts";
import { HoldfastError } from "../lib/errors.ts";
import { hasSystemCode } from "../lib/system-code.ts";
import { checkedLength, shortError } from "./checked-answer.ts";
import { DirectWriter } from "./direct-write.ts";
import { isStoredName, kindFolders, packFolders, resticFolders, storedPath } from "./layout.ts";
import { localError } from "./local-error.ts";
import type { ByteRange, Storage, StoredFile } from "./storage.ts";

/**
 * A repository in a folder of this machine (or of a network mount), laid out like restic's.
 *
 * A file is written under a temporary name in the folder it will live in, made durable (`fsync`), renamed, and the
 * folder made durable: after a crash there is the whole file or a leftover whose name no listing shows. Files are
 * read-only (0400) from the start, folders are 0700.
 */
export function localStorage(path: string): Storage {
  const root = resolve(path);
  const direct = new DirectWriter();
  const pathOf = (file: StoredFile): string => join(root, storedPath(file));

  return {
    location: root,
    // Two, as restic does: a local disk gains nothing from more, and each may hold one pack in memory.
    traits: {
      connections: 2,
      freeBytes: (signal) => freeBytes(root, signal),
      removeLeftovers: (before, signal) => removeLeftovers(root, before, signal),
      emptyFolder: () => emptyFolder(root),
      parity: "kept",
    },

    async create(signal) {
      const folders = [...resticFolders, ...packFolders.map((folder) => `data/${folder}`)];
      for (const folder of ["", ...folders]) {
        signal.throwIfAborted();
        await mkdir(join(root, folder), { recursive: true, mode: 0o700 }).catch(rethrow(join(root, folder)));
      }
      for (const folder of [dirname(root), root, join(root, "data")]) await syncFolder(folder);
    },

    async save(file, bytes, signal) {
      signal.throwIfAborted();
      const target = pathOf(file);
      try {
        if (await isThere(file, target, bytes.length)) return;
        await saveNew(file, target, bytes, direct, signal).catch(async (error: unknown) => {
          if (!hasSystemCode(error, "ENOENT")) throw error;
          await makeMissing(dirname(target), root);
          await saveNew(file, target, bytes, direct, signal);
        });
      } catch (error) {
        throw localError(error, target);
      }
    },

    async load(file, range, signal) {
      signal.throwIfAborted();
      const source = pathOf(file);
      let handle: FileHandle | undefined;
      try {
        handle = await open(source, constants.O_RDONLY);
        return await readExactly(handle, source, range, signal);
      } catch (error) {
        throw localError(error, source);
      } finally {
        await handle?.close();
      }
    },

    async stat(file, signal) {
      signal.throwIfAborted();
      return sizeOf(pathOf(file));
    },

    async *list(kind, signal) {
      if (kind === "config") {
        const size = await sizeOf(join(root, "config"));
        if (size !== undefined) yield { name: "", size };
        return;
      }
      const folder = join(root, kindFolders[kind]);
      if (kind !== "data") {
        yield* await listFolder(folder, "", signal);
        return;
      }
      const prefixes = (await namesIn(folder)).filter((prefix) => /^[0-9a-f]{2}$/.test(prefix));
      for (let start = 0; start < prefixes.length; start += foldersAtOnce) {
        const some = prefixes.slice(start, start + foldersAtOnce);
        const lists = await Promise.all(some.map((prefix) => listFolder(join(folder, prefix), prefix, signal)));
        yield* lists.flat();
      }
    },

    async remove(file, signal) {
      signal.throwIfAborted();
      const target = pathOf(file);
      try {
        await unlink(target);
      } catch (error) {
        if (!hasSystemCode(error, "ENOENT", "ENOTDIR")) throw localError(error, target);
      }
    },

    async [Symbol.asyncDispose]() {
      // Nothing is held open between calls.
    },
  };
}

/** Of the 256 that packs lie in: enough that Node's four threads are never without work. */
const foldersAtOnce = 16;

/** True when the file is stored already; throws where the contract calls it a conflict. */
async function isThere(file: StoredFile, target: string, length: number): Promise<boolean> {
  const size = await sizeOf(target);
  if (size === undefined) return false;
  if (file.kind === "config" || size !== length) throw new HoldfastError("storage-exists", { path: target });
  return true;
}

async function saveNew(
  file: StoredFile,
  target: string,
  bytes: Uint8Array,
  direct: DirectWriter,
  signal: AbortSignal,
): Promise<void> {
  const temporary = `${target}-tmp-${randomBytes(6).toString("hex")}`;
  try {
    await writeNew(temporary, bytes, direct, signal).catch(async (error: unknown) => {
      if (!direct.isRefusal(error)) throw error;
      await unlink(temporary).catch(() => undefined);
      await writeNew(temporary, bytes, direct, signal);
    });
    signal.throwIfAborted();
    if (file.kind === "config") await linkOrRename(temporary, target);
    else await rename(temporary, target);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
  await syncFolder(dirname(target));
}

async function writeNew(path: string, bytes: Uint8Array, direct: DirectWriter, signal: AbortSignal): Promise<void> {
  const flag = direct.flagFor(bytes);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW | flag;
  const handle = await open(path, flags, 0o400);
  try {
    if (flag === 0) await writeAll(handle, bytes, signal);
    else await direct.write(handle, bytes, signal);
    await syncHandle(handle);
  } finally {
    await handle.close();
  }
}

/**
 * A folder that an older program did not make, or that somebody removed while it was empty. Where all of the repository is
 * gone, its share or disk is, and what is written into the mount point would fill the disk below it.
 */
async function makeMissing(folder: string, root: string): Promise<void> {
  if ((await namesIn(root)).length === 0)
    throw new HoldfastError("storage-unreachable", { path: root, reason: "ENOENT" });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await syncFolder(dirname(folder));
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
  let offset = 0;
  while (offset < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, offset, bytes.length - offset, offset);
    signal.throwIfAborted();
    offset += bytesWritten;
  }
}

/** `config` has a fixed name, so a rename could replace another repository's: a link never replaces. */
async function linkOrRename(temporary: string, target: string): Promise<void> {
  try {
    await link(temporary, target);
  } catch (error) {
    // File systems without hard links (FAT, some network mounts).
    if (!hasSystemCode(error, "EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK")) throw error;
    await rename(temporary, target);
    return;
  }
  await unlink(temporary);
}

async function readExactly(
  handle: FileHandle,
  path: string,
  range: ByteRange | undefined,
  signal: AbortSignal,
): Promise<Buffer> {
  const { size } = await handle.stat();
  const offset = range?.offset ?? 0;
  const length = range?.length ?? size;
  if (offset < 0 || length < 0 || offset + length > size) throw shortError(path);
  const bytes = takeMemory(checkedLength(length, path));
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(bytes, filled, Math.min(length - filled, mostAtOnce), offset + filled);
    signal.throwIfAborted();
    if (bytesRead === 0) throw shortError(path);
    filled += bytesRead;
  }
  return bytes;
}

/** Node counts what is read at once by 31 bits. */
const mostAtOnce = 2 ** 30;

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const found = await stat(path);
    return found.isFile() ? found.size : undefined;
  } catch (error) {
    if (hasSystemCode(error, "ENOENT", "ENOTDIR")) return undefined;
    throw localError(error, path);
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (hasSystemCode(error, "ENOENT", "ENOTDIR")) return [];
    throw localError(error, folder);
  }
}

async function listFolder(
  folder: string,
  prefix: string,
  signal: AbortSignal,
): Promise<readonly { readonly name: string; readonly size: number }[]> {
  signal.throwIfAborted();
  const names = (await namesIn(folder)).filter((name) => isStoredName(name) && name.startsWith(prefix));
  const found: { name: string; size: number }[] = [];
  // The thread pool of Node has four threads: more at once only fills its queue.
  const step = 64;
  for (let start = 0; start < names.length; start += step) {
    signal.throwIfAborted();
    const batch = names.slice(start, start + step);
    const sizes = await Promise.all(batch.map((name) => sizeOf(join(folder, name))));
    for (const [index, name] of batch.entries()) {
      const size = sizes[index];
      if (size !== undefined) found.push({ name, size });
    }
  }
  return found;
}

/** Makes a rename durable. Some file systems cannot do that for folders and say so; there it is left to them. */
async function syncFolder(folder: string): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
    await handle.sync();
  } catch (error) {
    if (!hasSystemCode(error, "EINVAL", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "ENOENT", "EACCES", "EPERM")) {
      throw localError(error, folder);
    }
  } finally {
    await handle?.close();
  }
}

async function syncHandle(handle: FileHandle): Promise<void> {
  try {
    await handle.sync();
  } catch (error) {
    if (!hasSystemCode(error, "EINVAL", "ENOTSUP", "EOPNOTSUPP", "ENOSYS")) throw error;
  }
}

/** Temporary files of saves that were cut off: ours and restic's, in the folders where files live. */
async function removeLeftovers(root: string, before: Date, signal: AbortSignal): Promise<number> {
  const folders = ["", ...Object.values(kindFolders), ...packFolders.map((folder) => `data/${folder}`)];
  let freed = 0;
  for (const folder of folders) {
    signal.throwIfAborted();
    for (const name of await namesIn(join(root, folder))) {
      if (!/^(?:[0-9a-f]{64}|config)-tmp-[0-9a-f]+$/.test(name)) continue;
      const path = join(root, folder, name);
      try {
        const found = await lstat(path);
        if (!found.isFile() || found.mtime >= before) continue;
        await unlink(path);
        freed += found.size;
      } catch (error) {
        if (!hasSystemCode(error, "ENOENT")) throw localError(error, path);
      }
    }
  }
  return freed;
}

/** Free bytes for this user on the file system of `path`, or of the nearest folder above that exists. */
async function freeBytes(path: string, signal: AbortSignal): Promise<number> {
  signal.throwIfAborted();
  try {
    const found = await statfs(path);
    return found.bavail * found.bsize;
  } catch (error) {
    const above = dirname(path);
    if (above !== path && hasSystemCode(error, "ENOENT", "ENOTDIR")) return freeBytes(above, signal);
    throw localError(error, path);
  }
}

/** The path, or the nearest folder above that exists, if nothing is in it. */
async function emptyFolder(path: string): Promise<string | undefined> {
  try {
    return (await readdir(path)).length === 0 ? path : undefined;
  } catch (error) {
    const above = dirname(path);
    return above !== path && hasSystemCode(error, "ENOENT") ? emptyFolder(above) : undefined;
  }
}

function rethrow(path: string): (error: unknown) => never {
  return (error) => {
    throw localError(error, path);
  };
}
