import { isHoldfastError } from "../lib/errors.ts";
import type { Limits } from "../lib/limits.ts";
import type { Run } from "../lib/run.ts";
import type { ChoiceLimits } from "../repository/prune-choice.ts";
import type { PruneOptions, PruneResult, PruneSummary } from "../repository/prune-plan.ts";
import type { Lock, Repository } from "../repository/repository.ts";
import { openFor } from "./access.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";
import { awaitedPacks } from "./journal-awaited.ts";
import { updateParityOf } from "./parity.ts";
import { lockOptions } from "./lock-options.ts";

export interface PruneInput extends ChoiceLimits {
  readonly repository: RepositoryAccess;
  readonly limits: Limits;
  /** How long packs are kept after they left the index; 0: not at all. */
  readonly keepMarkedMs: number;
  /** `plan` only shows. */
  readonly mode: "plan" | "apply";
  readonly waitMs: number;
}

export interface PruneReport extends PruneSummary {
  readonly type: "prune";
  readonly mode: "plan" | "apply";
  /** What was done; absent for a plan. */
  readonly result?: PruneResult;
  readonly keepMarkedMs: number;
  readonly durationMs: number;
}

/** Plans under the same lock under which the plan is then done: nothing can come between. */
export async function prune(engine: Engine, input: PruneInput, run: Run): Promise<PruneReport> {
  const started = run.now();
  await using repository = await openFor(engine, input.repository, run);
  const options = optionsOf(input, repository, run);
  await using lock = await lockFor(repository, input, options, run);
  run.report({ type: "phase", phase: "plan", subject: repository.location });
  const plan = await repository.planPrune({ ...options, signal: AbortSignal.any([run.signal, lock.lost]) });
  let result: PruneResult | undefined;
  if (input.mode === "apply") {
    run.report({ type: "phase", phase: "prune", subject: repository.location });
    result = await plan.apply(lock);
    await updateParityOf(repository, input.repository, { ...run, signal: AbortSignal.any([run.signal, lock.lost]) });
  }
  const { mode, keepMarkedMs } = input;
  const durationMs = run.now().getTime() - started.getTime();
  return { type: "prune", mode, ...plan.summary, ...(result && { result }), keepMarkedMs, durationMs };
}

/** As `forget` does: where not even a lock can be written, and there is none, what is certainly of no use makes room. */
async function lockFor(repository: Repository, input: PruneInput, options: PruneOptions, run: Run): Promise<Lock> {
  if (input.mode === "plan") return repository.lock("shared", lockOptions(input, run));
  try {
    return await repository.lock("exclusive", lockOptions(input, run));
  } catch (error) {
    if (!isHoldfastError(error, "storage-full")) throw error;
    const plan = await repository.planPrune(options);
    if (!(await plan.makeRoom())) throw error;
    return repository.lock("exclusive", lockOptions(input, run));
  }
}

function optionsOf(input: PruneInput, repository: Repository, run: Run): PruneOptions {
  const { maxUnused, maxRepackBytes, keepMarkedMs, limits } = input;
  const report = (doneBytes: number): void => run.report({ type: "progress", phase: "prune", doneBytes, doneItems: 0 });
  return {
    signal: run.signal,
    now: run.now,
    limits,
    maxUnused,
    maxRepackBytes,
    keepMarkedMs,
    awaited: (signal) => awaitedPacks(repository, signal),
    onTrees: (doneItems) => run.report({ type: "progress", phase: "plan", doneBytes: 0, doneItems }),
    onMoved: report,
    onDeleted: report,
  };
}
