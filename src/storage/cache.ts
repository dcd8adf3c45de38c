import type { CacheFolder } from "./cache-folder.ts";
import type { FileKind, Storage } from "./storage.ts";

export interface CacheOptions {
  readonly cache: CacheFolder;
  /** `past`: everything is read from the storage itself, for who looks whether it is sound. */
  readonly reading: "through" | "past";
}

/** Whole files of a kind whose names are their hashes, that are read at every start, and that are small. */
const keptKinds: ReadonlySet<FileKind> = new Set(["index", "snapshot"]);

/**
 * The same storage, with a cache on local disk of what is read again and again: indexes, snapshots, and the parts of
 * packs that a reader says it will want again (trees and other small blobs).
 *
 * It is never asked whether something exists: lists and sizes come from the storage. Before anything is removed, it
 * leaves the cache. Locks, keys and the config are not cached. What it gives is checked, and may be gone at any
 * moment: then it is read from the storage.
 */
export function withCache(storage: Storage, { cache, reading }: CacheOptions): Storage {
  const through = reading === "through";

  return {
    location: storage.location,
    traits: storage.traits,
    create: (signal) => storage.create(signal),

    async save(file, bytes, signal) {
      // A copy is taken first: the caller may use the memory again, and so may the storage.
      const kept = keptKinds.has(file.kind) ? Buffer.from(bytes) : undefined;
      await storage.save(file, bytes, signal);
      if (kept !== undefined) await cache.keepFile(file, kept);
    },

    async load(file, range, signal) {
      signal.throwIfAborted();
      if (through && range === undefined && keptKinds.has(file.kind)) {
        const known = await cache.file(file);
        if (known !== undefined) return known;
        const bytes = await storage.load(file, undefined, signal);
        await cache.keepFile(file, bytes);
        return bytes;
      }
      if (through && range?.again === "likely" && file.kind === "data" && range.length > 0) {
        const known = await cache.part(file.name, range);
        if (known !== undefined) return known;
        const bytes = await storage.load(file, range, signal);
        await cache.keepPart(file.name, range.offset, bytes);
        return bytes;
      }
      return await storage.load(file, range, signal);
    },

    stat: (file, signal) => storage.stat(file, signal),
    list: (kind, signal) => storage.list(kind, signal),

    async remove(file, signal) {
      signal.throwIfAborted();
      if (file.kind === "data" || keptKinds.has(file.kind)) await cache.forget(file);
      await storage.remove(file, signal);
    },

    ...(storage.retention && { retention: storage.retention }),
    ...(storage.thaw && { thaw: storage.thaw }),

    async [Symbol.asyncDispose]() {
      await cache.close();
      await storage[Symbol.asyncDispose]();
    },
  };
}
