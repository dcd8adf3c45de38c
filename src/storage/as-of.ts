import { HoldfastError } from "../lib/errors.ts";
import { shortError } from "./checked-answer.ts";
import { kindFolders, nameInKey, storedPath } from "./layout.ts";
import { memoryStorage } from "./memory.ts";
import type { ByteRange, ListedFile, Storage, StorageThaw, StoredFile } from "./storage.ts";

/** One version of a file: what the storage calls it, and its size. */
export interface OldFile {
  readonly version: string;
  readonly size: number;
  /** It has to be thawed before it can be read. */
  readonly access?: "cold";
}

/** Reads one version of a file. */
export type LoadVersion = (
  file: StoredFile,
  range: ByteRange | undefined,
  version: string,
  signal: AbortSignal,
) => Promise<Buffer>;

/** Which version of a file was there; fails where there was none. */
export type VersionOf = (file: StoredFile, signal: AbortSignal) => Promise<string>;

export interface AsOfParts {
  readonly location: string;
  readonly traits: Storage["traits"];
  /** What was there at the moment, by path (`data/ab/…`). Asked for once, when first something is wanted. */
  readonly list: (signal: AbortSignal) => Promise<ReadonlyMap<string, OldFile>>;
  readonly load: LoadVersion;
  /** Absent: old versions cannot be thawed there. */
  readonly thaw?: (versionOf: VersionOf) => StorageThaw;
  readonly close: () => Promise<void>;
}

/**
 * A storage that keeps versions, as it was at a moment: to read from. Locks of that time are nobody's any more, so there
 * are none, and those that are taken stay here.
 */
export function asOfStorage({ location, traits, list, load, thaw, close }: AsOfParts): Storage {
  const locks = memoryStorage();
  let listing: Promise<ReadonlyMap<string, OldFile>> | undefined;

  const files = (signal: AbortSignal): Promise<ReadonlyMap<string, OldFile>> => {
    listing ??= list(signal).catch((error: unknown) => {
      listing = undefined;
      throw error;
    });
    return listing;
  };

  const found = async (file: StoredFile, signal: AbortSignal): Promise<OldFile> => {
    const path = storedPath(file);
    const one = (await files(signal)).get(path);
    if (one === undefined) throw new HoldfastError("storage-not-found", { path });
    return one;
  };

  const refuse = async (file: StoredFile, signal: AbortSignal): Promise<never> => {
    signal.throwIfAborted();
    throw new HoldfastError("storage-read-only", { path: storedPath(file), location });
  };

  return {
    location,
    traits,
    create: (signal) => refuse({ kind: "config", name: "" }, signal),
    save: (file, bytes, signal) => (file.kind === "lock" ? locks.save(file, bytes, signal) : refuse(file, signal)),
    remove: (file, signal) => (file.kind === "lock" ? locks.remove(file, signal) : refuse(file, signal)),

    async load(file, range, signal) {
      signal.throwIfAborted();
      if (file.kind === "lock") return locks.load(file, range, signal);
      const { version, size } = await found(file, signal);
      if (range?.length !== 0) return load(file, range, version, signal);
      if (range.offset > size) throw shortError(storedPath(file));
      return Buffer.alloc(0);
    },

    async stat(file, signal) {
      signal.throwIfAborted();
      if (file.kind === "lock") return locks.stat(file, signal);
      return (await files(signal)).get(storedPath(file))?.size;
    },

    async *list(kind, signal): AsyncGenerator<ListedFile> {
      signal.throwIfAborted();
      if (kind === "lock") {
        yield* locks.list(kind, signal);
        return;
      }
      const known = await files(signal);
      if (kind === "config") {
        const config = known.get(storedPath({ kind, name: "" }));
        if (config !== undefined) yield { name: "", size: config.size };
        return;
      }
      for (const [path, { size, access }] of known) {
        const name = nameInKey(kind, `${kindFolders[kind]}/`, path);
        if (name !== undefined) yield { name, size, ...(access && { access }) };
      }
    },

    ...(thaw && { thaw: thaw(async (file, signal) => (await found(file, signal)).version) }),

    [Symbol.asyncDispose]: close,
  };
}
