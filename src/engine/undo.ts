import { nameText, type ByteName } from "../lib/byte-name.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import type { CrmDescription } from "../crm/platform.ts";
import { addressesFor } from "./database-address.ts";
import type { Engine } from "./engine.ts";
import { applyRows } from "./records-undo.ts";
import { dropStaging, isHalfMade, loadRecords, swapBack, type RestoreRecord } from "./restore-record.ts";
import { refuseIfHeld } from "./restore-target.ts";
import { isDatabaseKept, type SwapPlace } from "./swap-database.ts";
import { isKept } from "./swap.ts";

export interface UndoInput {
  /** Absent: the newest that can be undone. */
  readonly id?: string;
  /** What the CRMs' configuration here knows: for passwords of databases. */
  readonly crms?: readonly CrmDescription[];
  /** Of the repository: needed where rows were changed one by one, which are kept there. */
  readonly password?: string;
}

export interface UndoReport {
  readonly type: "undo";
  readonly id: string;
  readonly crm: string;
  /** Paths put back. */
  readonly restored: readonly string[];
  /** How many rows were put back one by one. */
  readonly rows: number;
  /** Rows that stay as they are, since somebody changed them after the restore. */
  readonly failed: readonly { readonly path: string; readonly reason: string }[];
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
  /** An undo was cut off: only another one goes on. */
  readonly undoing?: true;
  /** What `undo` needs besides the record: the repository, where it is kept what rows were. */
  readonly needs: "nothing" | "repository";
}

/**
 * Swaps what the restore replaced back into place; what the restore had made is moved aside in turn. A restore that
 * was cut off before it touched anything is dropped, one that was cut off later is taken back. What was replaced need
 * not be readable: it is only renamed.
 */
export async function undoRestore(engine: Engine, input: UndoInput, run: Run): Promise<UndoReport> {
  const record = await findRecord(engine, input.id);
  run.report({ type: "phase", phase: "undo", subject: record.crm });
  const restored = pathsOf(record);
  const addressOf = await addressesFor(engine, input.crms, record.crm, run.signal);
  const place: SwapPlace = { engine, addressOf, signal: run.signal };
  if (record.state === "staging") {
    await dropStaging(place, record);
    return { type: "undo", id: record.id, crm: record.crm, restored: [], rows: 0, failed: [] };
  }
  const lost = record.steps.find((step) => !isKept(step));
  if (lost) throw new HoldfastError("undo-lost", { id: record.id, path: nameText(lost.slot as ByteName) });
  for (const step of record.databases) {
    if (!(await isDatabaseKept(step, place))) throw new HoldfastError("undo-lost", { id: record.id, path: step.aside });
  }
  await refuseIfHeld(place, record);
  if (record.rows && input.password === undefined) throw new HoldfastError("password-empty", {});
  // Rows first, and files after them: a row's file is there as long as the row is.
  const { rows, failed } = await applyRows(engine, record, input.password ?? "", "back", addressOf, run);
  await swapBack(place, record);
  return { type: "undo", id: record.id, crm: record.crm, restored, rows, failed };
}

/** Newest first; without those whose replaced files somebody has removed since (a server is asked only by the undo). */
export async function listUndoable(engine: Engine): Promise<readonly UndoableRestore[]> {
  const records = await undoable(engine);
  return records.map((record) => ({
    id: record.id,
    crm: record.crm,
    location: record.location,
    time: record.time,
    paths: pathsOf(record),
    state: isHalfMade(record) ? "half-made" : "done",
    plan: record.plan,
    ...(record.state === "undoing" && { undoing: true }),
    needs: record.rows ? "repository" : "nothing",
  }));
}

function pathsOf({ databases, steps, rows }: RestoreRecord): readonly string[] {
  return [
    ...(rows ? [rows.target] : []),
    ...databases.map(({ target }) => target),
    // Beside a database there may be nothing.
    ...steps.filter(({ made, old }) => (made ?? old) !== undefined).map(({ target }) => nameText(target as ByteName)),
  ];
}

async function findRecord(engine: Engine, id: string | undefined): Promise<RestoreRecord> {
  const records = id === undefined ? await undoable(engine) : await loadRecords(engine);
  const found = records.find((record) => record.state !== "undone" && record.id.startsWith(id ?? ""));
  if (!found) throw new HoldfastError("undo-none", id === undefined ? {} : { id });
  return found;
}

/** Without those of drills, which may be going on. */
async function undoable(engine: Engine): Promise<readonly RestoreRecord[]> {
  const records = (await loadRecords(engine)).filter(({ place }) => place !== "scratch");
  return records.filter((record) => record.state !== "undone" && (isHalfMade(record) || record.steps.every(isKept)));
}
