import { nameText, type ByteName } from "../lib/byte-name.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import type { Engine } from "./engine.ts";
import { dropStaging, isHalfMade, loadRecords, swapBack, type RestoreRecord } from "./restore-record.ts";
import { refuseIfHeld } from "./restore-target.ts";
import { isKept } from "./swap.ts";

export interface UndoInput {
  /** Absent: the newest that can be undone. */
  readonly id?: string;
}

export interface UndoReport {
  readonly type: "undo";
  readonly id: string;
  readonly crm: string;
  /** Paths put back. */
  readonly restored: readonly string[];
}

export interface UndoableRestore {
  readonly id: string;
  readonly crm: string;
  /** Location of the repository that it came from: with the CRM's name, what the lock between processes is named by. */
  readonly location: string;
  readonly time: string;
  readonly paths: readonly string[];
  /** `half-made`: an apply was cut off; `apply` of the same plan resumes it, `undo` drops it. */
  readonly state: "done" | "half-made";
  /** The plan to apply again. */
  readonly plan: string;
}

/**
 * Swaps what the restore replaced back into place; what the restore had made is moved aside in turn. A restore that
 * was cut off before it touched anything is dropped, one that was cut off later is taken back. What was replaced need
 * not be readable: it is only renamed.
 */
export async function undoRestore(engine: Engine, input: UndoInput, run: Run): Promise<UndoReport> {
  const record = await findRecord(engine, input.id);
  run.report({ type: "phase", phase: "undo", subject: record.crm });
  const restored = record.steps.map((step) => nameText(step.target as ByteName));
  if (record.state === "staging") {
    await dropStaging(engine, record);
    return { type: "undo", id: record.id, crm: record.crm, restored: [] };
  }
  const lost = record.steps.find((step) => !isKept(step));
  if (lost) throw new HoldfastError("undo-lost", { id: record.id, path: nameText(lost.slot as ByteName) });
  await refuseIfHeld(
    engine,
    record.steps.map((step) => step.target),
  );
  await swapBack(engine, record);
  return { type: "undo", id: record.id, crm: record.crm, restored };
}

/** Newest first; without those whose replaced things somebody has removed since. */
export async function listUndoable(engine: Engine): Promise<readonly UndoableRestore[]> {
  const records = await undoable(engine);
  return records.map((record) => ({
    id: record.id,
    crm: record.crm,
    location: record.location,
    time: record.time,
    paths: record.steps.map((step) => nameText(step.target as ByteName)),
    state: isHalfMade(record) ? "half-made" : "done",
    plan: record.plan,
  }));
}

async function findRecord(engine: Engine, id: string | undefined): Promise<RestoreRecord> {
  const records = id === undefined ? await undoable(engine) : await loadRecords(engine);
  const found = records.find((record) => record.state !== "undone" && record.id.startsWith(id ?? ""));
  if (!found) throw new HoldfastError("undo-none", id === undefined ? {} : { id });
  return found;
}

async function undoable(engine: Engine): Promise<readonly RestoreRecord[]> {
  const records = await loadRecords(engine);
  return records.filter((record) => record.state !== "undone" && (isHalfMade(record) || record.steps.every(isKept)));
}
