import type { Run } from "../lib/run.ts";
import type { UnlockReport } from "../repository/repository.ts";
import { openFor } from "./access.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";

export interface UnlockInput {
  readonly repository: RepositoryAccess;
  /** `dead`: locks that nobody can hold any more. `all`: those of live runs too, which then stop. */
  readonly what: "dead" | "all";
}

export type UnlockAnswer = UnlockReport & { readonly type: "unlock" };

/** Removes locks that were left behind, and says who holds the others. Takes none itself. */
export async function unlock(
  engine: Engine,
  { repository: access, what }: UnlockInput,
  run: Run,
): Promise<UnlockAnswer> {
  await using repository = await openFor(engine, access, run, "stand-in");
  return { type: "unlock", ...(await repository.unlock({ signal: run.signal, now: run.now, what })) };
}
