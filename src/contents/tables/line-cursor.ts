import type { RowKey } from "../../database/database.ts";
import { damaged } from "../checked.ts";
import type { StoredChunk } from "./keys-file.ts";
import { keyAt, lineEnd, lowerBound } from "./row-order.ts";
import { chunkOf } from "./stored-base.ts";
import { loadChunk, type TableFolder } from "./stored-parts.ts";

/**
 * Walks the lines of one file of a run, checking order and counts. `advance` gives a promise only where a chunk has to
 * be loaded, so that walking costs no turn of the event loop a line.
 */
export class LineCursor {
  readonly #folder: TableFolder;
  readonly #chunks: readonly StoredChunk[];
  #next: number;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #rowsLeft = 0;
  /** The current line's key; `undefined` at the end. */
  key: RowKey | undefined;
  /** The current line without its LF. */
  line: Buffer = this.#bytes;

  private constructor(folder: TableFolder, chunks: readonly StoredChunk[], first: number) {
    this.#folder = folder;
    this.#chunks = chunks;
    this.#next = first;
  }

  /** At the first line, or the first whose key is not below `from`. */
  static async open(folder: TableFolder, chunks: readonly StoredChunk[], from?: RowKey): Promise<LineCursor> {
    const cursor = new LineCursor(folder, chunks, from === undefined ? 0 : chunkOf(folder, chunks, from));
    await cursor.advance();
    if (from === undefined) return cursor;
    while (cursor.key !== undefined && folder.order.compare(cursor.key, from) < 0) await cursor.advance();
    return cursor;
  }

  advance(): Promise<void> | undefined {
    if (this.#at < this.#bytes.length) {
      this.#step();
      return undefined;
    }
    if (this.#rowsLeft !== 0) throw damaged(this.#folder.subject, "row count");
    const chunk = this.#chunks[this.#next];
    if (!chunk) {
      this.key = undefined;
      return undefined;
    }
    return this.#load(chunk);
  }

  async #load(chunk: StoredChunk): Promise<void> {
    this.#bytes = await loadChunk(this.#folder, chunk);
    this.#at = 0;
    this.#rowsLeft = chunk.rows;
    this.#next++;
    this.#step();
    if (this.key !== chunk.firstKey) throw damaged(this.#folder.subject, "first key");
  }

  #step(): void {
    const { order, subject } = this.#folder;
    const end = lineEnd(this.#bytes, this.#at, this.#bytes.length);
    if (end < 0 || this.#rowsLeft === 0) throw damaged(subject, "row count");
    const key = keyAt(order, this.#bytes, this.#at, end);
    if (this.key !== undefined && order.compare(this.key, key) >= 0) throw damaged(subject, "order of rows");
    this.key = key;
    this.line = this.#bytes.subarray(this.#at, end);
    this.#at = end + 1;
    this.#rowsLeft--;
  }
}

/** The line with this key, without its LF, from the one chunk that can hold it. */
export async function findLine(
  folder: TableFolder,
  chunks: readonly StoredChunk[],
  key: RowKey,
): Promise<Buffer | undefined> {
  const { order } = folder;
  const chunk = chunks[chunkOf(folder, chunks, key)];
  if (!chunk || order.compare(chunk.firstKey, key) > 0) return undefined;
  const bytes = await loadChunk(folder, chunk);
  const at = lowerBound(order, bytes, 0, bytes.length, key);
  if (at >= bytes.length) return undefined;
  const end = lineEnd(bytes, at, bytes.length);
  return keyAt(order, bytes, at, end) === key ? bytes.subarray(at, end) : undefined;
}
