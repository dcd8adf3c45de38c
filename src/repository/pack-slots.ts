import { HoldfastError } from "../lib/errors.ts";

/**
 * How many finished packs may be on their way to the storage at once. Workers take a slot for each pack before they
 * hand it over, and block while there is none: so memory stays bounded however slow the storage is, even while a
 * worker reads one huge file and looks at no messages.
 */
export class PackSlots {
  readonly memory: SharedArrayBuffer;
  readonly #free: Int32Array;
  readonly #stopped: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.#free = new Int32Array(memory, 0, 1);
    this.#stopped = new Int32Array(memory, 4, 1);
  }

  static create(slots: number): PackSlots {
    const created = new PackSlots(new SharedArrayBuffer(8));
    Atomics.store(created.#free, 0, slots);
    return created;
  }

  /** For worker threads: blocks. Throws `cancelled` once `stop` was called. */
  take(): void {
    for (;;) {
      this.throwIfStopped();
      const free = Atomics.load(this.#free, 0);
      if (free <= 0) Atomics.wait(this.#free, 0, free, 1000);
      else if (Atomics.compareExchange(this.#free, 0, free, free - 1) === free) return;
    }
  }

  give(): void {
    Atomics.add(this.#free, 0, 1);
    Atomics.notify(this.#free, 0, 1);
  }

  /** Ends all work of the workers: the run has failed. */
  stop(): void {
    Atomics.store(this.#stopped, 0, 1);
    Atomics.notify(this.#free, 0);
  }

  throwIfStopped(): void {
    if (Atomics.load(this.#stopped, 0) !== 0) throw new HoldfastError("cancelled");
  }
}
