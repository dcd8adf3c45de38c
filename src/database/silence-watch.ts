import { HoldfastError } from "../lib/errors.ts";
import { type Listening, SilenceTimer } from "../lib/silence-timer.ts";

/**
 * Ends the connections of a feed whose server has not been heard of for too long. Each side of a network that is cut in the middle
 * takes the other one for idle, for a quarter of an hour or for ever.
 */
export class SilenceWatch implements Disposable {
  readonly #lost = new AbortController();
  readonly #timer: SilenceTimer;
  /** Fires when the run is cancelled, and when the server is lost. */
  readonly signal: AbortSignal;

  constructor(signal: AbortSignal, silenceMs: number, path: string) {
    this.signal = AbortSignal.any([signal, this.#lost.signal]);
    const reason = `nothing was heard for ${silenceMs / 1000} s`;
    const lost = (): void => this.#lost.abort(new HoldfastError("database-unreachable", { path, reason }));
    this.#timer = new SilenceTimer(silenceMs, lost).unref();
  }

  heard(state: Listening): void {
    this.#timer.heard(state);
  }

  /** What is to be told of a failure: if the server was lost, just that. */
  failure(error: unknown): unknown {
    return this.#lost.signal.aborted ? this.#lost.signal.reason : error;
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }
}
