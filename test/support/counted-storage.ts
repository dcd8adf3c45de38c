import type { FileKind, Storage } from "../../src/storage/storage.ts";

export interface CountedStorage extends Storage {
  /** Files that were sent, and reads, by kind. */
  saved(): ReadonlyMap<FileKind, number>;
  loaded(): ReadonlyMap<FileKind, number>;
}

/** The same storage; what is sent to it and read from it is counted. */
export function countedStorage(storage: Storage): CountedStorage {
  const [saves, loads] = [new Map<FileKind, number>(), new Map<FileKind, number>()];
  const add = (counts: Map<FileKind, number>, kind: FileKind): void =>
    void counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return {
    ...storage,
    save: (file, bytes, signal) => {
      add(saves, file.kind);
      return storage.save(file, bytes, signal);
    },
    load: (file, range, signal) => {
      add(loads, file.kind);
      return storage.load(file, range, signal);
    },
    saved: () => saves,
    loaded: () => loads,
  };
}
