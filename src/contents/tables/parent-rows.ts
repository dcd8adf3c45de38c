import type { RowKey } from "../../database/database.ts";
import type { KeysFile } from "./keys-file.ts";
import { Overlay } from "./overlay.ts";
import { keyAt, lineEnd, lowerBound } from "./row-order.ts";
import type { BaseChunk, StoredBase } from "./stored-base.ts";
import { loadChunk, type TableFolder } from "./stored-parts.ts";

/** Rows of a base and runs by their keys, asked for in key order: each chunk is loaded once, and only if needed. */
export class ParentRows {
  readonly #folder: TableFolder;
  readonly #chunks: AsyncGenerator<BaseChunk, void>;
  readonly #overlay: Overlay;
  #chunk: BaseChunk | undefined;
  #lines: Buffer | undefined;

  private constructor(folder: TableFolder, chunks: AsyncGenerator<BaseChunk, void>, overlay: Overlay) {
    this.#folder = folder;
    this.#chunks = chunks;
    this.#overlay = overlay;
  }

  static async open(
    folder: TableFolder,
    { base, runFiles }: { readonly base: StoredBase; readonly runFiles: readonly KeysFile[] },
  ): Promise<ParentRows> {
    return new ParentRows(folder, base.chunks(), await Overlay.open(folder, runFiles));
  }

  async at(key: RowKey): Promise<Buffer | undefined> {
    const { order } = this.#folder;
    const overlay = this.#overlay;
    while (overlay.key !== undefined && order.compare(overlay.key, key) < 0) await overlay.advance();
    if (overlay.key === key) return overlay.line;
    while (!this.#chunk || (this.#chunk.nextKey !== undefined && order.compare(this.#chunk.nextKey, key) <= 0)) {
      const step = await this.#chunks.next();
      if (step.done) return undefined;
      this.#chunk = step.value;
      this.#lines = undefined;
    }
    const lines = (this.#lines ??= await loadChunk(this.#folder, this.#chunk));
    const at = lowerBound(order, lines, 0, lines.length, key);
    if (at >= lines.length) return undefined;
    const end = lineEnd(lines, at, lines.length);
    return keyAt(order, lines, at, end) === key ? lines.subarray(at, end) : undefined;
  }
}
