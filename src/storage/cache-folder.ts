import { createHash, hash, randomBytes } from "node:crypto";
import { constants } from "node:fs";
import {
  lstat,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  stat,
  unlink,
  utimes,
  writeFile,
  type FileHandle,
} from "node:fs/promises";
import { join } from "node:path";
import { hasSystemCode } from "../lib/system-code.ts";
import type { ByteRange, StoredFile } from "./storage.ts";
import { Latest } from "../lib/latest.ts";

export interface CacheFolderOptions {
  /** Of all repositories together; made when it is first written to, 0700. */
  readonly folder: string;
  /** Tells repositories apart; only in its hash. */
  readonly location: string;
  /** What all caches in `folder` together may hold; the least recently used goes first. */
  readonly maxBytes: number;
  readonly now: () => Date;
}

/** Bytes written after which the size of everything is looked at. */
const lookEveryBytes = 32 << 20;
/** How much of the bound is left full when it was exceeded, so that not every write has to look. */
const keptShare = 0.8;
/** When an entry was last used is noted this exactly. */
const usedExactMs = 3_600_000;
const sumBytes = 32;
/** No more files are removed while one is read. */
const mostOnTheirWay = 10_000;

/**
 * Copies of stored files on local disk, and of parts of packs. Nothing that goes wrong here is an error: what cannot be
 * read, is not what it was, or was deleted by anybody at any moment, is not there; what cannot be written is left.
 *
 * One file an entry: `KIND/NAME` for a whole file, whose name is its SHA-256, and `data/AB/NAME-OFFSET` for a part of
 * a pack, which ends with the SHA-256 of the rest; `salt`, which ends so too, is what scrypt is told. Written under another name and renamed, so that processes that
 * share the folder see whole entries; not flushed, since a torn one is found by its sum.
 */
export class CacheFolder {
  readonly #options: CacheFolderOptions;
  readonly #home: string;
  /** Parts of packs that were in the folder when it was first looked at, or came since: by pack, offset to length. */
  readonly #parts = new Map<string, Promise<Map<string, Map<number, number>>>>();
  /** Removed from the repository by this process, lately: whatever is on its way is not kept. */
  readonly #gone = new Latest<true>(mostOnTheirWay);
  /** A folder that others may write to is not used. */
  readonly #safe: Promise<boolean>;
  #usable = true;
  #written = 0;
  #trimming: Promise<void> = Promise.resolve();

  constructor(options: CacheFolderOptions) {
    this.#options = options;
    this.#home = join(options.folder, hash("sha256", options.location, "hex").slice(0, 32));
    this.#safe = isOurs(options.folder);
  }

  /** A whole file, if it is here and is what its name says. */
  async file({ kind, name }: StoredFile): Promise<Buffer | undefined> {
    const path = join(this.#home, kind, name);
    const bytes = await this.#read(path);
    if (bytes === undefined || hash("sha256", bytes, "hex") === name) return bytes;
    await this.#drop(path);
    return undefined;
  }

  async keepFile({ kind, name }: StoredFile, bytes: Uint8Array): Promise<void> {
    if (hash("sha256", bytes, "hex") !== name) return;
    await this.#write(join(this.#home, kind), name, name, [bytes]);
  }

  /** A part of a pack, out of any longer part that is here. */
  async part(name: string, { offset, length }: ByteRange): Promise<Buffer | undefined> {
    const known = (await this.#partsOf(name)).get(name);
    for (const [start, size] of known ?? []) {
      if (start > offset || start + size < offset + length) continue;
      const path = this.#partPath(name, start);
      const bytes = await this.#read(path);
      if (bytes !== undefined && bytes.length === size + sumBytes) {
        const content = bytes.subarray(0, size);
        if (sumOf(name, start, content).equals(bytes.subarray(size))) {
          return content.subarray(offset - start, offset - start + length);
        }
      }
      known?.delete(start);
      await this.#drop(path);
    }
    return undefined;
  }

  async keepPart(name: string, offset: number, bytes: Uint8Array): Promise<void> {
    const path = this.#partPath(name, offset);
    const sum = sumOf(name, offset, bytes);
    const entry = path.slice(path.lastIndexOf("/") + 1);
    if (!(await this.#write(join(path, ".."), entry, name, [bytes, sum]))) return;
    const parts = await this.#partsOf(name);
    const known = parts.get(name) ?? new Map<number, number>();
    parts.set(name, known.set(offset, bytes.length));
  }

  /** What scrypt is told of the key that opened the repository last. */
  async salt(): Promise<Buffer | undefined> {
    const bytes = await this.#read(this.#saltPath);
    const content = bytes?.subarray(0, -sumBytes);
    if (bytes && content && sumOf("salt", 0, content).equals(bytes.subarray(-sumBytes))) return content;
    return undefined;
  }

  async keepSalt(bytes: Uint8Array): Promise<void> {
    await this.#write(this.#home, "salt", "salt", [bytes, sumOf("salt", 0, bytes)]);
  }

  /** Before a file is removed from the repository: nothing of it is given out any more. */
  async forget({ kind, name }: StoredFile): Promise<void> {
    this.#gone.set(name, true);
    if (kind !== "data") {
      await this.#drop(join(this.#home, kind, name));
      return;
    }
    const parts = await this.#partsOf(name);
    const known = parts.get(name);
    parts.delete(name);
    // Also what other processes kept meanwhile.
    const folder = join(this.#home, "data", name.slice(0, 2));
    const entries = (await readdir(folder).catch(() => [])).filter((entry) => entry.startsWith(name));
    const all = new Set([...entries, ...[...(known ?? new Map<number, number>()).keys()].map((at) => `${name}-${at}`)]);
    for (const entry of all) await this.#drop(join(folder, entry));
  }

  /** Waits for what is being tidied up. */
  async close(): Promise<void> {
    if (this.#written > 0) this.#trimSoon();
    await this.#trimming;
  }

  get #saltPath(): string {
    return join(this.#home, "salt");
  }

  #partPath(name: string, offset: number): string {
    return join(this.#home, "data", name.slice(0, 2), `${name}-${offset}`);
  }

  async #partsOf(name: string): Promise<Map<string, Map<number, number>>> {
    const prefix = name.slice(0, 2);
    const known = this.#parts.get(prefix) ?? listParts(join(this.#home, "data", prefix));
    this.#parts.set(prefix, known);
    return await known;
  }

  async #read(path: string): Promise<Buffer | undefined> {
    let handle: FileHandle | undefined;
    if (!(await this.#safe)) return undefined;
    try {
      handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      const { mtimeMs } = await handle.stat();
      const bytes = await handle.readFile();
      const now = this.#options.now();
      if (now.getTime() - mtimeMs > usedExactMs) await utimes(path, now, now).catch(() => undefined);
      return bytes;
    } catch {
      return undefined;
    } finally {
      await handle?.close().catch(() => undefined);
    }
  }

  /** Whether it is there now. */
  async #write(folder: string, entry: string, stored: string, pieces: readonly Uint8Array[]): Promise<boolean> {
    if (!this.#usable || this.#gone.get(stored) || !(await this.#safe)) return false;
    const temporary = join(folder, `tmp-${randomBytes(8).toString("hex")}`);
    try {
      await this.#writeNew(folder, temporary, Buffer.concat(pieces));
      await rename(temporary, join(folder, entry));
    } catch {
      // A full disk, a folder of somebody else, a folder that was just deleted: this process goes on without.
      this.#usable = false;
      await this.#drop(temporary);
      return false;
    }
    if (this.#gone.get(stored)) {
      await this.#drop(join(folder, entry));
      return false;
    }
    const before = this.#written;
    for (const piece of pieces) this.#written += piece.length;
    if (Math.floor(before / lookEveryBytes) !== Math.floor(this.#written / lookEveryBytes)) this.#trimSoon();
    return true;
  }

  async #writeNew(folder: string, path: string, bytes: Uint8Array): Promise<void> {
    try {
      await writeFile(path, bytes, { flag: "wx", mode: 0o600 });
    } catch (error) {
      if (!hasSystemCode(error, "ENOENT")) throw error;
      // The first time, or somebody deleted the cache.
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeFile(path, bytes, { flag: "wx", mode: 0o600 });
    }
  }

  async #drop(path: string): Promise<void> {
    await unlink(path).catch(() => undefined);
  }

  #trimSoon(): void {
    this.#trimming = this.#trimming.then(() => trim(this.#options)).catch(() => undefined);
  }
}

/** Whether nobody else can write there; what is not there yet we make. */
async function isOurs(folder: string): Promise<boolean> {
  const found = await lstat(folder).catch(() => undefined);
  if (found === undefined) return true;
  const others = 0o022;
  return found.isDirectory() && (found.mode & others) === 0 && found.uid === process.getuid?.();
}

/** Says that these are the bytes that were put there: what they are worth, the seal of each blob says. */
function sumOf(name: string, offset: number, bytes: Uint8Array): Buffer {
  return createHash("sha256").update(`${name} ${offset} `).update(bytes).digest();
}

/** By pack, offset to length of each part in a folder. */
async function listParts(folder: string): Promise<Map<string, Map<number, number>>> {
  const found = new Map<string, Map<number, number>>();
  for (const entry of await readdir(folder).catch(() => [])) {
    const [, name, offset] = /^([0-9a-f]{64})-(\d{1,10})$/.exec(entry) ?? [];
    if (name === undefined || offset === undefined) continue;
    const size = await stat(join(folder, entry)).then(
      (one) => one.size,
      () => 0,
    );
    const parts = found.get(name) ?? new Map<number, number>();
    if (size > sumBytes) found.set(name, parts.set(Number(offset), size - sumBytes));
  }
  return found;
}

/** An entry below the folder of all caches: `HOME/KIND/NAME`, `HOME/data/AB/NAME-OFFSET`, `HOME/salt`, or one that is being written. */
const entryPath =
  /^[0-9a-f]{32}\/(?:salt|tmp-[0-9a-f]{16}|(?:index|snapshot)\/(?:[0-9a-f]{64}|tmp-[0-9a-f]{16})|data\/[0-9a-f]{2}\/(?:[0-9a-f]{64}-\d{1,10}|tmp-[0-9a-f]{16}))$/;

/**
 * Deletes what was not used for longest, of any repository, until the rest fits. Of what others keep in the same folder nothing counts, and
 * nothing is touched.
 */
async function trim({ folder, maxBytes }: CacheFolderOptions): Promise<void> {
  const entries: { readonly path: string; readonly size: number; readonly usedMs: number }[] = [];
  let total = 0;
  for (const path of await entriesIn(folder)) {
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) continue;
    total += found.size;
    entries.push({ path, size: found.size, usedMs: found.mtimeMs });
  }
  if (total <= maxBytes) return;
  entries.sort((a, b) => a.usedMs - b.usedMs);
  for (const { path, size } of entries) {
    if (total <= maxBytes * keptShare) break;
    await rm(path, { force: true });
    total -= size;
  }
}

/** Paths of all entries, of any repository. */
async function entriesIn(folder: string): Promise<readonly string[]> {
  const homes = (await readdir(folder)).filter((name) => /^[0-9a-f]{32}$/.test(name));
  const found = homes.map(async (home) => {
    const files = await readdir(join(folder, home), { recursive: true }).catch(() => []);
    return files.map((file) => `${home}/${file}`).filter((path) => entryPath.test(path));
  });
  return (await Promise.all(found)).flat().map((path) => join(folder, path));
}
