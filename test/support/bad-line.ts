import type { Storage } from "../../src/storage/storage.ts";

export interface BadLine extends Storage {
  /** From here on the first read of each file comes damaged, and each one after it as it is stored. */
  begin(): void;
  /** Reads of packs since then, and how many of them came damaged. */
  readonly counts: { reads: number; damaged: number };
}

/** The same storage behind a line that flips a bit, and on which nothing sees it. */
export function badLine(storage: Storage): BadLine {
  const counts = { reads: 0, damaged: 0 };
  let read: Set<string> | undefined;
  return {
    ...storage,
    counts,
    begin() {
      read = new Set();
      Object.assign(counts, { reads: 0, damaged: 0 });
    },
    async load(file, range, signal) {
      const bytes = await storage.load(file, range, signal);
      if (file.kind !== "data") return bytes;
      counts.reads++;
      if (read === undefined || read.has(file.name)) return bytes;
      read.add(file.name);
      counts.damaged++;
      const at = Math.min(20, bytes.length - 1);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      return bytes;
    },
  };
}
