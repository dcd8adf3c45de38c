import { randomBytes } from "node:crypto";
import { posix } from "node:path";
import { HoldfastError } from "../lib/errors.ts";
import { mapBounded } from "../lib/map-bounded.ts";
import { checkedLength, checkedSize, shortError } from "./checked-answer.ts";
import { isStoredName, kindFolders, packFolders, resticFolders, storedPath } from "./layout.ts";
import { connectSftp } from "./sftp-connect.ts";
import { sftpError } from "./sftp-error.ts";
import { parseSftpLocation } from "./sftp-location.ts";
import { openFlags } from "./sftp-packet.ts";
import { isStatus, type SftpSession } from "./sftp-session.ts";
import { readOpen, writeOpen } from "./sftp-transfer.ts";
import type { Storage, StoredFile } from "./storage.ts";

/**
 * A repository in a folder of a host that is reached by SSH, laid out like restic's.
 *
 * - `ssh` itself connects: `ssh-process.ts` says how. One connection serves all requests; when it breaks, the next one
 *   makes another.
 * - A file is written under a temporary name, flushed to the disk and renamed, in one step where the server has
 *   OpenSSH's additions for that. A folder cannot be flushed by SFTP.
 * - Many requests are on their way at once, so that a long line is kept full.
 * - It neither retries nor waits: that is `retry.ts`.
 */
export function sftpStorage(
  location: string,
  environment: NodeJS.ProcessEnv,
  silentMs: number = usualSilentMs,
): Storage {
  const place = parseSftpLocation(location);
  const pathOf = (file: StoredFile): string => posix.join(place.path, storedPath(file));
  let current: Promise<SftpSession> | undefined;

  function connect(): Promise<SftpSession> {
    const forget = (): void => {
      if (current === next) current = undefined;
    };
    const next = connectSftp({ place, location, environment, silentMs, onEnd: forget });
    next.catch(forget);
    return next;
  }

  /** Runs what needs the connection; what fails is classified. */
  async function use<T>(path: string, signal: AbortSignal, work: (session: SftpSession) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const { promise: stopped, reject } = Promise.withResolvers<never>();
    let grace: NodeJS.Timeout | undefined;
    const stop = (): void => void (grace = setTimeout(() => reject(signal.reason), graceMs));
    signal.addEventListener("abort", stop, { once: true });
    try {
      current ??= connect();
      const working = current.then(work);
      return await Promise.race([working, stopped]);
    } catch (error) {
      throw sftpError(error, path, location, signal);
    } finally {
      signal.removeEventListener("abort", stop);
      clearTimeout(grace);
    }
  }

  const sizeOf = (file: StoredFile, signal: AbortSignal): Promise<number | undefined> =>
    use(pathOf(file), signal, (session) => sizeAt(session, pathOf(file)));

  async function saveNew(
    session: SftpSession,
    file: StoredFile,
    bytes: Uint8Array,
    signal: AbortSignal,
  ): Promise<void> {
    const path = pathOf(file);
    const temporary = `${path}-tmp-${randomBytes(6).toString("hex")}`;
    // Asked together: most files are new.
    const [stored, opened] = await Promise.allSettled([sizeAt(session, path), openNew(session, temporary, place.path)]);
    let handle: "open" | "closed" = "open";
    try {
      if (stored.status === "rejected") throw stored.reason;
      if (stored.value !== undefined) {
        if (file.kind !== "config" && stored.value === bytes.length) return;
        throw new HoldfastError("storage-exists", { path });
      }
      if (opened.status === "rejected") throw opened.reason;
      handle = "closed";
      await writeAll(session, opened.value, bytes, signal);
      signal.throwIfAborted();
      await put(session, file.kind === "config" ? "never over another" : "over its like", temporary, path);
    } catch (error) {
      throw await orFull(session, error, place.path, bytes.length);
    } finally {
      if (opened.status === "fulfilled" && handle === "open") await session.close(opened.value).catch(() => undefined);
      // Gone where it was renamed.
      if (opened.status === "fulfilled") await session.remove(temporary).catch(() => undefined);
    }
  }

  return {
    location,
    traits: {
      connections,
      parity: "kept",
      freeBytes: (signal) => use(place.path, signal, (session) => freeBytes(session, place.path)),
      removeLeftovers: (before, signal) =>
        use(place.path, signal, (session) => removeLeftovers(session, place.path, before, signal)),
    },

    create: (signal) =>
      use(place.path, signal, async (session) => {
        const folders = [...resticFolders, ...packFolders.map((folder) => `data/${folder}`)];
        await makeFolders(session, place.path);
        await mapBounded(folders, foldersAtOnce, (folder) => makeFolder(session, posix.join(place.path, folder)));
      }),

    save: (file, bytes, signal) => use(pathOf(file), signal, (session) => saveNew(session, file, bytes, signal)),

    load: (file, range, signal) =>
      use(pathOf(file), signal, async (session) => {
        const path = pathOf(file);
        const handle = await session.open(path, openFlags.read);
        try {
          const offset = range?.offset ?? 0;
          if (range === undefined || range.length === 0) {
            const size = checkedSize((await session.statOpen(handle)).size, path);
            if (offset > size) throw shortError(path);
            const length = range === undefined ? checkedLength(size, path) : 0;
            return await readOpen(session, handle, { offset, length, path }, signal);
          }
          return await readOpen(session, handle, { offset, length: range.length, path }, signal);
        } finally {
          // Nobody waits for it.
          session.close(handle).catch(() => undefined);
        }
      }),

    stat: sizeOf,

    async *list(kind, signal) {
      if (kind === "config") {
        const size = await sizeOf({ kind, name: "" }, signal);
        if (size !== undefined) yield { name: "", size };
        return;
      }
      const folder = posix.join(place.path, kindFolders[kind]);
      const list = (path: string, prefix: string) => use(path, signal, (session) => listFolder(session, path, prefix));
      if (kind !== "data") {
        yield* await list(folder, "");
        return;
      }
      const prefixes = await use(folder, signal, (session) => packFoldersIn(session, folder));
      for (let start = 0; start < prefixes.length; start += foldersAtOnce) {
        const some = prefixes.slice(start, start + foldersAtOnce);
        const lists = await Promise.all(some.map((prefix) => list(posix.join(folder, prefix), prefix)));
        yield* lists.flat();
      }
    },

    remove: (file, signal) =>
      use(pathOf(file), signal, async (session) => {
        await session.remove(pathOf(file)).catch(unlessMissing);
      }),

    async [Symbol.asyncDispose]() {
      const session = await current?.catch(() => undefined);
      session?.destroy(new HoldfastError("storage-unreachable", { location, reason: "closed" }));
    },
  };
}

/** As many as restic. */
const connections = 5;
/** Of the 256 that packs lie in. */
const foldersAtOnce = 32;
/** Without a byte from the server while something is asked of it. */
const usualSilentMs = 60_000;
/** For what is under way to end and be cleaned up after a stop. */
const graceMs = 1500;

async function sizeAt(session: SftpSession, path: string): Promise<number | undefined> {
  const found = await session.stat(path).catch(unlessMissing);
  if (found === undefined || found.kind === "folder") return undefined;
  return checkedSize(found.size, path);
}

function unlessMissing(error: unknown): undefined {
  if (!isStatus(error, "noSuchFile")) throw error;
}

/**
 * Makes the folder as well, where an older program did not, or somebody removed it while it was empty. Where all of the
 * repository is gone, the server's disk is, and what is written would land on the one below it.
 */
async function openNew(session: SftpSession, path: string, root: string): Promise<Buffer> {
  try {
    return await session.open(path, openFlags.create);
  } catch (error) {
    if (!isStatus(error, "noSuchFile")) throw error;
    const left = (await session.folder(root).catch(unlessMissing)) ?? [];
    if (left.length === 0)
      throw new HoldfastError("storage-unreachable", { path: root, reason: "no such file" }, error);
    await makeFolders(session, posix.dirname(path));
    return await session.open(path, openFlags.create);
  }
}

async function writeAll(session: SftpSession, handle: Buffer, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
  try {
    await writeOpen(session, handle, bytes, signal);
    if (session.has("fsync@openssh.com")) await session.extended("fsync@openssh.com", handle);
  } catch (error) {
    await session.close(handle).catch(() => undefined);
    throw error;
  }
  // What a server only tells here is an error like any other.
  await session.close(handle);
}

async function put(
  session: SftpSession,
  how: "never over another" | "over its like",
  temporary: string,
  path: string,
): Promise<void> {
  if (how === "over its like") {
    if (session.has("posix-rename@openssh.com")) await session.extended("posix-rename@openssh.com", temporary, path);
    else await session.rename(temporary, path);
    return;
  }
  const putting = session.has("hardlink@openssh.com") ? session.link(temporary, path) : session.rename(temporary, path);
  await putting.catch(async (error: unknown) => {
    if ((await sizeAt(session, path)) !== undefined) throw new HoldfastError("storage-exists", { path }, error);
    // A file system without hard links.
    if (!isStatus(error, "failure", "unsupported")) throw error;
    await session.rename(temporary, path);
  });
}

/** Version 3 has no word for a full disk: whoever failed asks how much room there is. */
async function orFull(session: SftpSession, error: unknown, path: string, length: number): Promise<unknown> {
  if (!isStatus(error, "failure")) return error;
  const free = await freeBytes(session, path).catch(() => undefined);
  return free !== undefined && free < length + spareBytes ? new HoldfastError("storage-full", { path }, error) : error;
}

/** A file needs a little more than its bytes. */
const spareBytes = 65_536;

async function freeBytes(session: SftpSession, path: string): Promise<number | undefined> {
  if (!session.has("statvfs@openssh.com")) return undefined;
  const answer = await session.extended("statvfs@openssh.com", path);
  if (answer === undefined) return undefined;
  const [, blockBytes, , , available] = [answer.u64(), answer.u64(), answer.u64(), answer.u64(), answer.u64()];
  return blockBytes * available;
}

/** With the folders above it. */
async function makeFolders(session: SftpSession, path: string): Promise<void> {
  try {
    await makeFolder(session, path);
  } catch (error) {
    const above = posix.dirname(path);
    if (above === path || above === "." || !isStatus(error, "noSuchFile")) throw error;
    await makeFolders(session, above);
    await makeFolder(session, path);
  }
}

async function makeFolder(session: SftpSession, path: string): Promise<void> {
  await session.makeFolder(path).catch(async (error: unknown) => {
    const found = await session.stat(path).catch(() => undefined);
    if (found?.kind !== "folder") throw error;
  });
}

async function packFoldersIn(session: SftpSession, folder: string): Promise<readonly string[]> {
  const entries = (await session.folder(folder).catch(unlessMissing)) ?? [];
  return entries.map(({ name }) => name).filter((name) => /^[0-9a-f]{2}$/.test(name));
}

async function listFolder(
  session: SftpSession,
  folder: string,
  prefix: string,
): Promise<readonly { readonly name: string; readonly size: number }[]> {
  const entries = (await session.folder(folder).catch(unlessMissing)) ?? [];
  const found = new Map<string, number>();
  for (const { name, size, kind } of entries) {
    if (kind === "folder" || !isStoredName(name) || !name.startsWith(prefix)) continue;
    // A link, or a server that tells no sizes there.
    const known = kind === "other" || size === undefined ? await sizeAt(session, posix.join(folder, name)) : size;
    if (known !== undefined) found.set(name, checkedSize(known, folder));
  }
  return Array.from(found, ([name, size]) => ({ name, size }));
}

/** Temporary files of saves that were cut off: ours and restic's. */
async function removeLeftovers(session: SftpSession, root: string, before: Date, signal: AbortSignal): Promise<number> {
  const folders = ["", ...Object.values(kindFolders), ...packFolders.map((folder) => `data/${folder}`)];
  const freed = await mapBounded(folders, foldersAtOnce, async (folder) => {
    signal.throwIfAborted();
    let bytes = 0;
    const path = posix.join(root, folder);
    for (const { name, kind, size = 0, modified } of (await session.folder(path).catch(unlessMissing)) ?? []) {
      if (kind !== "file" || !/^(?:[0-9a-f]{64}|config)-(?:tmp|restic-temp)-[0-9a-f]+$/.test(name)) continue;
      if (modified === undefined || modified * 1000 >= before.getTime()) continue;
      await session.remove(posix.join(path, name)).catch(unlessMissing);
      bytes += size;
    }
    return bytes;
  });
  return freed.reduce((sum, bytes) => sum + bytes, 0);
}
