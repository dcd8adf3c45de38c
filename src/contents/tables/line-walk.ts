import type { RowBatch, RowKey } from "../../database/database.ts";
import { keyAt, lineEnd, type RowOrder } from "./row-order.ts";

/** Lines in key order, each looked at until it is stepped over. Whoever stops before the end closes it: what gives the lines may hold a file. */
export class LineWalk implements AsyncDisposable {
  readonly #order: RowOrder;
  readonly #batches: AsyncIterator<RowBatch>;
  #release: (() => void) | undefined;
  #lines: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = -1;
  #state: "ahead" | "at" | "over" = "ahead";
  key: RowKey = "";

  constructor(order: RowOrder, batches: AsyncIterable<RowBatch>) {
    this.#order = order;
    this.#batches = batches[Symbol.asyncIterator]();
  }

  /** The key at hand if it is below this one (`undefined`: whatever it is); `undefined` when it is not, or there is none. */
  async below(key: RowKey | undefined): Promise<RowKey | undefined> {
    while (this.#state === "ahead") {
      if (this.#at < this.#lines.length) this.#look();
      else {
        this.#release?.();
        this.#release = undefined;
        const step = await this.#batches.next();
        if (step.done) this.#state = "over";
        else [this.#lines, this.#at, this.#release] = [step.value.lines, 0, step.value.release];
      }
    }
    if (this.#state === "over") return undefined;
    return key === undefined || this.#order.compare(this.key, key) < 0 ? this.key : undefined;
  }

  isAt(key: RowKey): boolean {
    return this.#state === "at" && this.key === key;
  }

  get line(): Buffer {
    return this.#lines.subarray(this.#at, this.#end);
  }

  copy(): Buffer {
    return Buffer.from(this.line);
  }

  step(): void {
    this.#at = this.#end + 1;
    if (this.#state === "at") this.#state = "ahead";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#batches.return?.();
  }

  #look(): void {
    const end = lineEnd(this.#lines, this.#at, this.#lines.length);
    // One that was cut off ends with the batch.
    this.#end = end < 0 ? this.#lines.length : end;
    this.key = keyAt(this.#order, this.#lines, this.#at, this.#end);
    this.#state = "at";
  }
}
