import type { RowBatch } from "../../database/database.ts";

/**
 * A stream of batches as one stretch of whole lines that can be looked at and consumed. The stretch stands in one
 * memory: what was looked at is good until the next `need`. Memory: two batches.
 */
export class LineWindow {
  readonly #batches: AsyncIterator<RowBatch>;
  #ended = false;
  #memory: Buffer = Buffer.alloc(0);
  bytes: Buffer = this.#memory;
  start = 0;

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
      if (next.done === true) this.#ended = true;
      else {
        this.#add(next.value.lines);
        next.value.release?.();
      }
    }
  }

  /** Ends the reading early. */
  async close(): Promise<void> {
    await this.#batches.return?.();
  }

  #add(lines: Buffer): void {
    const rest = this.length;
    const all = rest + lines.length;
    const memory = all <= this.#memory.length ? this.#memory : Buffer.allocUnsafeSlow(all + (all >>> 2));
    this.bytes.copy(memory, 0, this.start);
    lines.copy(memory, rest);
    this.#memory = memory;
    this.bytes = memory.subarray(0, all);
    this.start = 0;
  }
}
