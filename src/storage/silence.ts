import { HoldfastError } from "../lib/errors.ts";
import { SilenceTimer } from "../lib/silence-timer.ts";

export interface Silence {
  readonly silentMs: number;
  /** For the error. */
  readonly facts: Readonly<Record<string, string>>;
}

/**
 * Runs a request that ends with `storage-unreachable` when nothing was heard of it for `silentMs`, and with the signal's
 * reason when that stops it.
 */
export async function unlessSilent<T>(
  { silentMs, facts }: Silence,
  signal: AbortSignal,
  request: (stopping: AbortSignal, heard: () => void) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const stopping = new AbortController();
  const stop = (): void => stopping.abort(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  const ring = (): void =>
    stopping.abort(new HoldfastError("storage-unreachable", { ...facts, reason: "TimeoutError" }));
  using silence = new SilenceTimer(silentMs, ring);
  try {
    return await request(stopping.signal, () => silence.heard());
  } catch (error) {
    stopping.signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
