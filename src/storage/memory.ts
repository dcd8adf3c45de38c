import { HoldfastError } from "../lib/errors.ts";
import { isStoredName, storedPath } from "./layout.ts";
import type { FileKind, Storage } from "./storage.ts";

/** A repository in this process' memory: for dry runs, measurements and tests. Gone when the process ends. */
export function memoryStorage(): Storage {
  const kinds = new Map<FileKind, Map<string, Buffer>>();
  const filesOf = (kind: FileKind): Map<string, Buffer> => {
    const found = kinds.get(kind) ?? new Map<string, Buffer>();
    kinds.set(kind, found);
    return found;
  };

  return {
    location: "memory:",
    traits: { connections: 2, parity: "kept" },

    async create(signal) {
      signal.throwIfAborted();
    },

    async save(file, bytes, signal) {
      signal.throwIfAborted();
      const files = filesOf(file.kind);
      const stored = files.get(file.name);
      if (stored !== undefined) {
        if (file.kind !== "config" && stored.length === bytes.length) return;
        throw new HoldfastError("storage-exists", { path: storedPath(file) });
      }
      files.set(file.name, Buffer.from(bytes));
    },

    async load(file, range, signal) {
      signal.throwIfAborted();
      const path = storedPath(file);
      const stored = filesOf(file.kind).get(file.name);
      if (stored === undefined) throw new HoldfastError("storage-not-found", { path });
      const offset = range?.offset ?? 0;
      const length = range?.length ?? stored.length;
      if (offset < 0 || length < 0 || offset + length > stored.length) {
        throw new HoldfastError("storage-failed", { path, reason: "shorter than asked for" });
      }
      return Buffer.from(stored.subarray(offset, offset + length));
    },

    async stat(file, signal) {
      signal.throwIfAborted();
      return filesOf(file.kind).get(file.name)?.length;
    },

    async *list(kind, signal) {
      for (const [name, bytes] of [...filesOf(kind)]) {
        signal.throwIfAborted();
        if (kind === "config" || isStoredName(name)) yield { name, size: bytes.length };
      }
    },

    async remove(file, signal) {
      signal.throwIfAborted();
      filesOf(file.kind).delete(file.name);
    },

    async [Symbol.asyncDispose]() {
      kinds.clear();
    },
  };
}
