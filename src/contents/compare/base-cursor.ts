import type { RowKey } from "../../database/database.ts";
import { damaged } from "../checked.ts";
import { keyAt, lineEnd } from "../tables/row-order.ts";
import type { BaseChunk, StoredBase } from "../tables/stored-base.ts";
import { loadChunk, type TableFolder } from "../tables/stored-parts.ts";

/** Walks the rows of a base, and knows where a chunk begins before it is loaded: so that two bases need not be read where they are the same. */
export class BaseCursor {
  readonly #folder: TableFolder;
  readonly #chunks: AsyncGenerator<BaseChunk, void>;
  #chunk: BaseChunk | undefined;
  #lines: Buffer | undefined;
  #at = 0;
  #end = 0;
  /** Of the row at which it stands, known once it is loaded; `undefined` at the end. */
  key: RowKey | undefined;

  private constructor(folder: TableFolder, chunks: AsyncGenerator<BaseChunk, void>) {
    this.#folder = folder;
    this.#chunks = chunks;
  }

  static async open(folder: TableFolder, base: StoredBase): Promise<BaseCursor> {
    const cursor = new BaseCursor(folder, base.chunks());
    await cursor.skipChunk();
    return cursor;
  }

  /** The row without its LF. */
  get line(): Buffer | undefined {
    return this.#lines?.subarray(this.#at, this.#end);
  }

  /** Where the rows of the next chunk begin. */
  get chunkEnd(): RowKey | undefined {
    return this.#chunk?.nextKey;
  }

  /** Whether both stand before the same rows, of which none has been looked at. */
  startsSameChunk(other: BaseCursor): boolean {
    const [mine, theirs] = [this.#chunk, other.#chunk];
    if (!mine || !theirs || this.#at > 0 || other.#at > 0 || mine.blobs.length !== theirs.blobs.length) return false;
    return mine.blobs.every(({ id }, index) => id === theirs.blobs[index]?.id);
  }

  /** As all steps here, a promise only where something has to be read. */
  async skipChunk(): Promise<void> {
    const step = await this.#chunks.next();
    this.#chunk = step.done === true ? undefined : step.value;
    this.#lines = undefined;
    this.#at = 0;
    this.key = undefined;
  }

  load(): Promise<void> | undefined {
    return this.#lines === undefined && this.#chunk ? this.#load(this.#chunk) : undefined;
  }

  advance(): Promise<void> | undefined {
    if (this.#lines === undefined) return undefined;
    this.#at = this.#end + 1;
    if (this.#at >= this.#lines.length) return this.skipChunk();
    this.#step();
    return undefined;
  }

  async #load(chunk: BaseChunk): Promise<void> {
    this.#lines = await loadChunk(this.#folder, chunk);
    this.#step();
    if (this.key !== chunk.firstKey) throw damaged(this.#folder.subject, "first key");
  }

  #step(): void {
    const { order, subject } = this.#folder;
    const lines = this.#lines ?? Buffer.alloc(0);
    this.#end = lineEnd(lines, this.#at, lines.length);
    if (this.#end < 0) throw damaged(subject, "chunk");
    const key = keyAt(order, lines, this.#at, this.#end);
    const step = this.key === undefined ? -1 : order.compare(this.key, key);
    if (step > 0 || (step === 0 && order.keyLength > 0)) throw damaged(subject, "order of rows");
    this.key = key;
  }
}
