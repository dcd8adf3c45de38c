import type { Lock } from "./repository.ts";

/**
 * For long rows of removals, each of which needs the lock: makes sure of it, the storage being asked once a second at most. By
 * the wall clock, which goes on while a machine sleeps, so that the first removal after that asks.
 */
export function checksOf(lock: Lock, now: () => Date, signal: AbortSignal): () => Promise<void> {
  let checkedMs = -Infinity;
  return async () => {
    const ms = now().getTime();
    if (Math.abs(ms - checkedMs) < betweenMs) return;
    await lock.check(signal);
    checkedMs = ms;
  };
}

const betweenMs = 1000;
