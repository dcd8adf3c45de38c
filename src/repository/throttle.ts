import { setTimeout as delay } from "node:timers/promises";

/** What a throttle needs of memory. */
export const throttleBytes = 16;

/**
 * Holds all threads together to so many bytes a second. Its state, in shared memory, is when the next byte is due, and
 * whether nobody is held any more; who takes bytes moves the first on and sleeps until his own are due. After a pause up
 * to a quarter of a second is caught up.
 */
export class Throttle {
  readonly #nextDue: BigInt64Array;
  readonly #released: Int32Array;
  readonly #nanosecondsPerByte: number;

  /** `memory`: `throttleBytes`, zero at first, shared by all that are to be held together. */
  constructor(memory: SharedArrayBuffer, bytesPerSecond: number | undefined) {
    this.#nextDue = new BigInt64Array(memory, 0, 1);
    this.#released = new Int32Array(memory, 8, 1);
    this.#nanosecondsPerByte = bytesPerSecond === undefined ? 0 : 1e9 / bytesPerSecond;
  }

  /** For worker threads: blocks. */
  takeSync(bytes: number): void {
    const waitMs = this.#reserve(bytes);
    if (waitMs > 0) Atomics.wait(this.#released, 0, 0, waitMs);
  }

  /** From now on holds no thread, nor those that it holds: for work that is given up and only has to end. */
  release(): void {
    Atomics.store(this.#released, 0, 1);
    Atomics.notify(this.#released, 0);
  }

  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const waitMs = this.#reserve(bytes);
    if (waitMs > 0) await delay(waitMs, undefined, { signal });
  }

  #reserve(bytes: number): number {
    if (this.#nanosecondsPerByte === 0) return 0;
    const now = process.hrtime.bigint();
    const cost = BigInt(Math.ceil(bytes * this.#nanosecondsPerByte));
    for (;;) {
      const due = Atomics.load(this.#nextDue, 0);
      const start = due > now - catchUpNs ? due : now - catchUpNs;
      if (Atomics.compareExchange(this.#nextDue, 0, due, start + cost) !== due) continue;
      return Number(start + cost - now) / 1e6;
    }
  }
}

const catchUpNs = 250_000_000n;
