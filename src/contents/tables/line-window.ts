import type { RowBatch } from "../../database/database.ts";

/** A stream of batches as one stretch of whole lines that can be looked at and consumed. Memory: two batches. */
export class LineWindow {
  readonly #batches: AsyncIterator<RowBatch>;
  #ended = false;
  bytes: Buffer = Buffer.alloc(0);
  start = 0;
  rows = 0;
  readBytes = 0;

  constructor(batches: AsyncIterable<RowBatch>) {
    this.#batches = batches[Symbol.asyncIterator]();
  }

  get length(): number {
    return this.bytes.length - this.start;
  }

  /** Reads on until at least so many bytes are there, or all. */
  async need(size: number): Promise<void> {
    while (!this.#ended && this.length < size) {
      const next = await this.#batches.next();
      if (next.done === true) {
        this.#ended = true;
        return;
      }
      const { lines, rows } = next.value;
      this.rows += rows;
      this.readBytes += lines.length;
      // Never in place: others may still look at lines of the old stretch.
      this.bytes = this.length === 0 ? lines : Buffer.concat([this.bytes.subarray(this.start), lines]);
      this.start = 0;
    }
  }

  /** Ends the reading early. */
  async close(): Promise<void> {
    await this.#batches.return?.();
  }
}
