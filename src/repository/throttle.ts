import { setTimeout as delay } from "node:timers/promises";

/**
 * Holds all threads together to so many bytes a second. The only state is when the next byte is due, in shared memory;
 * who takes bytes moves it on and sleeps until his own are due. After a pause up to a quarter of a second is caught up.
 */
export class Throttle {
  readonly #nextDue: BigInt64Array;
  readonly #nanosecondsPerByte: number;

  /** `memory`: 8 bytes, zero at first, shared by all that are to be held together. */
  constructor(memory: SharedArrayBuffer, bytesPerSecond: number | undefined) {
    this.#nextDue = new BigInt64Array(memory);
    this.#nanosecondsPerByte = bytesPerSecond === undefined ? 0 : 1e9 / bytesPerSecond;
  }

  /** For worker threads: blocks. */
  takeSync(bytes: number): void {
    const waitMs = this.#reserve(bytes);
    if (waitMs > 0) Atomics.wait(never, 0, 0, waitMs);
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
/** Something to wait on that is never notified. */
const never = new Int32Array(new SharedArrayBuffer(4));
