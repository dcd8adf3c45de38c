import { isHoldfastError } from "../lib/errors.ts";

/** How often it is told that nothing can be written. */
const tellEveryMs = 60_000;

/**
 * Writes down what the service knows, and outlives a state folder that is full: what runs goes on, and what cannot be written now is
 * written later, in the same order.
 */
export class StateWriter {
  readonly #onTrouble: (error: unknown) => void;
  readonly #waiting: (() => void)[] = [];
  #toldAt = -Infinity;

  constructor(onTrouble: (error: unknown) => void) {
    this.#onTrouble = onTrouble;
  }

  /** Only now; what cannot be written is left. */
  now(write: () => void): "written" | "unwritable" {
    try {
      write();
      return "written";
    } catch (error) {
      if (!isHoldfastError(error, "state-unwritable")) throw error;
      const at = performance.now();
      if (at - this.#toldAt >= tellEveryMs) {
        this.#toldAt = at;
        this.#onTrouble(error);
      }
      return "unwritable";
    }
  }

  /** Now, or with the first `goOn` that can. */
  soon(write: () => void): void {
    if (this.#waiting.length > 0 || this.now(write) === "unwritable") this.#waiting.push(write);
  }

  /** Writes what waits; fails with `state-unwritable` where it still cannot. */
  goOn(): void {
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      next();
      this.#waiting.shift();
    }
  }
}
