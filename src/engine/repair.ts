import { hash } from "node:crypto";
import { HoldfastError } from "../lib/errors.ts";
import type { Limits } from "../lib/limits.ts";
import type { Run } from "../lib/run.ts";
import { needsRepair, type RepairSummary } from "../repository/repair-plan.ts";
import { openFor } from "./access.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";
import { planSnapshotRepair, type SnapshotRepairSummary } from "./repair-snapshots.ts";
import { recallVerified, rememberVerified, withRead } from "./verify-memory.ts";

export interface RepairInput {
  readonly repository: RepositoryAccess;
  /** `index`, then `packs`, then `snapshots`: each counts on the one before. */
  readonly what: "index" | "packs" | "snapshots";
  /** With `snapshots`: bring back recovery points that no snapshot names any more, forgotten ones among them. */
  readonly lost: "leave" | "bring back";
  /** The plan to be applied, by its id; absent: only look. */
  readonly plan?: string;
  readonly limits: Limits;
}

export interface RepairReport {
  readonly type: "repair";
  readonly what: RepairInput["what"];
  /** Of the plan: the same as long as the repository is. */
  readonly id: string;
  readonly applied: boolean;
  readonly needed: boolean;
  readonly files?: RepairSummary;
  readonly snapshots?: SnapshotRepairSummary;
}

/**
 * Plans a repair, and applies it when it is still the plan that was asked for (`plan-outdated` else). Planning changes
 * nothing; both hold the repository alone, so that what is seen stays so.
 */
export async function repair(engine: Engine, input: RepairInput, run: Run): Promise<RepairReport> {
  const { what, plan: wanted, limits } = input;
  await using repository = await openFor(engine, input.repository, run, "stand-in");
  const mode = wanted === undefined ? "shared" : "exclusive";
  await using lock = await repository.lock(mode, { signal: run.signal, now: run.now, waitMs: 0 });
  const signal = AbortSignal.any([run.signal, lock.lost]);
  run.report({ type: "phase", phase: "repair", subject: repository.location });
  const onProgress = (doneBytes: number, totalBytes: number): void =>
    run.report({ type: "progress", phase: "repair", doneBytes, totalBytes, doneItems: 0 });
  const memory = await recallVerified(engine, repository.id);
  const files = await repository.planRepair({
    what: what === "packs" ? "packs" : "index",
    suspects: new Set(memory.damaged.keys()),
    signal,
    limits,
    onProgress,
  });
  // What was seen here is known to the next repair, whatever becomes of this plan, and to `verify`.
  await rememberVerified(engine, repository.id, withRead(memory, files.read, run.now().toISOString()));
  if (what !== "snapshots") {
    const id = idOf({ what, files: files.summary });
    const needed = needsRepair(files.summary);
    check(id, wanted);
    if (wanted !== undefined) await files.apply(lock);
    return { type: "repair", what, id, applied: wanted !== undefined, needed, files: files.summary };
  }
  // Mending goes by the index: what it does not name would be given up.
  if (files.summary.left.length > 0) throw new HoldfastError("repair-first", { what: "packs" });
  if (needsRepair(files.summary)) throw new HoldfastError("repair-first", { what: "index" });
  const plan = await planSnapshotRepair(engine, repository, { lost: input.lost, limits, signal, now: run.now });
  const id = idOf({ what, snapshots: plan.summary });
  check(id, wanted);
  if (wanted !== undefined) await plan.apply(lock);
  return { type: "repair", what, id, applied: wanted !== undefined, needed: plan.needed, snapshots: plan.summary };
}

function idOf(plan: object): string {
  return hash("sha256", JSON.stringify(plan), "hex").slice(0, 12);
}

function check(id: string, wanted: string | undefined): void {
  if (wanted !== undefined && wanted !== id) throw new HoldfastError("plan-outdated", { reason: wanted });
}
