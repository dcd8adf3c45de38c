/** So often is it looked whether anything was heard, in the time after which silence counts. */
const looks = 4;

/** `paused`: it is us who do not listen. */
export type Listening = "listening" | "paused";

/**
 * Rings once when nothing was heard for so long, give or take a quarter. What counts is the time in which this process ran: one that was stopped,
 * with its machine perhaps, finds when it goes on what came meanwhile, and did not hear it only because it was not listening.
 */
export class SilenceTimer implements Disposable {
  readonly #timer: NodeJS.Timeout;
  #looks = 0;
  #state: Listening = "listening";

  constructor(silentMs: number, ring: () => void) {
    this.#timer = setInterval(() => {
      if (this.#state === "listening") this.#looks++;
      if (this.#looks <= looks) return;
      clearInterval(this.#timer);
      ring();
    }, silentMs / looks);
  }

  heard(state: Listening = "listening"): void {
    this.#state = state;
    this.#looks = 0;
  }

  /** Nobody waits for it: it alone keeps no process running. */
  unref(): this {
    this.#timer.unref();
    return this;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
