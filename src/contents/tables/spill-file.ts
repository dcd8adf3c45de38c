import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { RowBatch } from "../../database/database.ts";
import { largeTemporaryFolder, temporaryFailure } from "../../lib/large-temporary.ts";

/** Where lines lie in the file. */
export interface SpilledPart {
  readonly start: number;
  readonly end: number;
}

/** Lines that do not fit into memory, in one unlinked file; none is made before there is something to write. */
export class SpillFile implements Disposable {
  readonly #folder: string;
  #file: number | undefined;
  #end = 0;

  constructor(folder = largeTemporaryFolder(process.env)) {
    this.#folder = folder;
  }

  /** Fails with `temporary-full`. */
  write(batches: Iterable<RowBatch>): SpilledPart {
    try {
      return this.#write(batches);
    } catch (error) {
      throw temporaryFailure(error, this.#folder);
    }
  }

  #write(batches: Iterable<RowBatch>): SpilledPart {
    const start = this.#end;
    for (const { lines, release } of batches) {
      this.#file ??= openUnlinked(this.#folder);
      for (let written = 0; written < lines.length;) {
        written += writeSync(this.#file, lines, written, lines.length - written, this.#end + written);
      }
      this.#end += lines.length;
      release?.();
    }
    return { start, end: this.#end };
  }

  read(into: Buffer, offset: number, length: number, position: number): void {
    for (let at = 0; at < length;) {
      const read = this.#file === undefined ? 0 : readSync(this.#file, into, offset + at, length - at, position + at);
      if (read === 0) throw new Error("the file of sorted rows was cut short");
      at += read;
    }
  }

  [Symbol.dispose](): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}

function openUnlinked(parent: string): number {
  const folder = mkdtempSync(join(parent, "holdfast-sort-"));
  try {
    return openSync(join(folder, "rows"), "wx+", 0o600);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
