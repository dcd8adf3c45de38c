import { setTimeout as delay } from "node:timers/promises";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";

/** What became of a transaction. `open`: the server has not noticed yet that nobody waits for it any more. */
export type CommitFate = "committed" | "undone" | "open" | "unknown";

/** How often the database is asked, a second apart: a server that was restarted needs some. */
const attempts = 30;
const pauseMs = 1000;

/**
 * Commits. When the answer is lost on its way, the transaction may stay or not, so `fateOf` asks the database on a new
 * connection. Fails with the first failure when nothing was changed, and with `commit-unknown` when nobody could say.
 */
export async function commitForSure(
  commit: () => Promise<void>,
  fateOf: (attempt: number) => Promise<CommitFate>,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    return await commit();
  } catch (error) {
    // The server answered: it took all back.
    if (!signal.aborted && !isHoldfastError(error, "database-unreachable")) throw error;
    const fate = signal.aborted ? "unknown" : await settledFate(fateOf, signal);
    if (fate === "committed") return;
    if (fate === "undone") throw error;
    throw new HoldfastError("commit-unknown", { path }, error);
  }
}

async function settledFate(
  fateOf: (attempt: number) => Promise<CommitFate>,
  signal: AbortSignal,
): Promise<Exclude<CommitFate, "open">> {
  for (let attempt = 1; attempt <= attempts; attempt++) {
    try {
      const fate = await fateOf(attempt);
      if (fate !== "open") return fate;
    } catch (error) {
      if (signal.aborted) return "unknown";
      if (!isHoldfastError(error, "database-unreachable") && !isHoldfastError(error, "database-busy")) throw error;
    }
    await delay(pauseMs, undefined, { signal }).catch(() => {});
  }
  return "unknown";
}
