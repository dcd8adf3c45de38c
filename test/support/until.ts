import { setTimeout as delay } from "node:timers/promises";

/** Waits for what is sure to come, but nobody knows when; fails when it has not after so long that it never will. */
export async function until(isSo: () => boolean | Promise<boolean>, timeoutMs = 180_000): Promise<void> {
  for (const end = performance.now() + timeoutMs; !(await isSo()); await delay(2)) {
    if (performance.now() > end) throw new Error(`not in ${timeoutMs / 1000} s: ${String(isSo)}`);
  }
}
