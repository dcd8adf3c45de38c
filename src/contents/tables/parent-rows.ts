import type { RowKey } from "../../database/database.ts";
import { freeMemory } from "../../lib/memory-pool.ts";
import type { KeysFile, StoredChunk } from "./keys-file.ts";
import { Overlay } from "./overlay.ts";
import { keyAt, lineEnd, lowerBound } from "./row-order.ts";
import type { BaseChunk, StoredBase } from "./stored-base.ts";
import { loadChunk, readAhead, type TableFolder } from "./stored-parts.ts";

/** Rows of a base and runs by their keys, asked for in key order: each chunk is loaded once, and only if needed. */
export class ParentRows {
  readonly #folder: TableFolder;
  /** The same, for keys that are expected. */
  #near: TableFolder;
  readonly #base: StoredBase;
  readonly #chunks: AsyncGenerator<BaseChunk, void>;
  readonly #overlay: Overlay;
  #chunk: BaseChunk | undefined;
  #lines: Buffer | undefined;

  private constructor(folder: TableFolder, base: StoredBase, overlay: Overlay) {
    this.#folder = folder;
    this.#near = folder;
    this.#base = base;
    this.#chunks = base.chunks();
    this.#overlay = overlay;
  }

  static async open(
    folder: TableFolder,
    { base, runFiles }: { readonly base: StoredBase; readonly runFiles: readonly KeysFile[] },
  ): Promise<ParentRows> {
    return new ParentRows(folder, base, await Overlay.open(folder, runFiles));
  }

  /** Says which keys will be asked for next, in order: their chunks are loaded meanwhile. To be ended before other keys are expected. */
  expect(keys: readonly RowKey[]): AsyncDisposable {
    const ahead = readAhead(this.#folder, this.#chunksOf(keys));
    this.#near = ahead.folder;
    return {
      [Symbol.asyncDispose]: async () => {
        this.#near = this.#folder;
        await ahead[Symbol.asyncDispose]();
      },
    };
  }

  async *#chunksOf(keys: readonly RowKey[]): AsyncGenerator<StoredChunk, void> {
    const { order } = this.#folder;
    let next = 0;
    for await (const chunk of this.#base.chunks(keys[0])) {
      const { nextKey } = chunk;
      const first = next;
      while (next < keys.length && (nextKey === undefined || order.compare(keys[next] ?? "", nextKey) < 0)) next++;
      if (next > first) yield chunk;
      if (next === keys.length) return;
    }
  }

  /** The row's line; of a key that is expected, good until the next one is asked for. */
  async at(key: RowKey): Promise<Buffer | undefined> {
    const { order } = this.#folder;
    const overlay = this.#overlay;
    while (overlay.key !== undefined && order.compare(overlay.key, key) < 0) await overlay.advance();
    if (overlay.key === key) return overlay.line;
    while (!this.#chunk || (this.#chunk.nextKey !== undefined && order.compare(this.#chunk.nextKey, key) <= 0)) {
      const step = await this.#chunks.next();
      if (step.done) return undefined;
      this.#chunk = step.value;
      if (this.#lines && this.#near !== this.#folder) freeMemory(this.#lines);
      this.#lines = undefined;
    }
    const lines = (this.#lines ??= await loadChunk(this.#near, this.#chunk));
    const at = lowerBound(order, lines, 0, lines.length, key);
    if (at >= lines.length) return undefined;
    const end = lineEnd(lines, at, lines.length);
    return keyAt(order, lines, at, end) === key ? lines.subarray(at, end) : undefined;
  }
}
