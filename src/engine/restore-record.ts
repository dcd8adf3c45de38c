import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { Id } from "../format/tree.ts";
import type { Warning } from "../lib/events.ts";
import type { Run } from "../lib/run.ts";
import type { Engine } from "./engine.ts";
import type { HeldBack } from "./restore-plan.ts";
import { listState, readState, removeState, writeState } from "./state.ts";
import {
  databaseBack,
  databaseForward,
  databasesAsFound,
  dropDatabases,
  toTheEnd,
  type DatabaseStep,
  type SwapPlace,
} from "./swap-database.ts";
import {
  asFound,
  onPresentDevices,
  removeEmptyFolders,
  removeTree,
  stepBack,
  stepForward,
  syncFolders,
  type SwapStep,
} from "./swap.ts";

/**
 * What a restore has done so far, kept in the state folder from before its first write until three newer restores of
 * the same CRM are done, or twenty of records if it is one. It is what makes a restore that was cut off safe to go on with, and every restore undoable.
 *
 * - `staging`: new things are being built in the staging folders; nothing that was there is touched yet.
 * - `swapping`: the steps are being done; any prefix of them may be done.
 * - `done`, `undone`: all steps are done, or taken back; the slots keep what was replaced.
 * - `undoing`: steps are being taken back.
 */
export interface RestoreRecord {
  readonly version: 1;
  readonly id: string;
  readonly plan: string;
  readonly crm: string;
  /** Where it goes that is not where the CRM is; `scratch`: a drill's, which takes it away again. Absent: in place, or a record of an earlier release. */
  readonly place?: "elsewhere" | "scratch";
  /** The repository that it came from. */
  readonly location: string;
  readonly time: string;
  /** Counts restores up, whatever the clock does. Absent: a record of an earlier release. */
  readonly number?: number;
  readonly state: "staging" | "swapping" | "done" | "undoing" | "undone";
  /** Staging folders (byte paths), which become the folders of what was replaced. */
  readonly folders: readonly string[];
  /** Folders (byte paths) that had to be made for the staging folders, the innermost first. */
  readonly made: readonly string[];
  readonly steps: readonly SwapStep[];
  /** The same for databases on servers: swapped before the files, taken back after them. */
  readonly databases: readonly DatabaseStep[];
  /** Rows that were changed one by one: the snapshot that keeps what they were and became, and the database's URL. */
  readonly rows?: { readonly snapshot: Id; readonly target: string };
  /** For whoever finishes the swap: what could not be built is to be told by him. Absent: a record of an earlier release. */
  readonly built?: Built;
}

/** What was built, and what could not be. */
export interface Built {
  readonly files: number;
  readonly rows: number;
  readonly bytes: number;
  readonly failed: readonly { readonly path: string; readonly reason: string }[];
  readonly warnings: readonly Warning[];
  readonly heldBack?: HeldBack | undefined;
}

export const nothingBuilt: Built = { files: 0, rows: 0, bytes: 0, failed: [], warnings: [] };

const keptRestores = 3;
/** So many of a CRM's last restores of records can be taken back, however old: they keep rows, in the repository, and little else. */
export const keptOfRecords = 20;
const recordName = (id: string) => `restores/${id}.json`;

export async function saveRecord(engine: Engine, record: RestoreRecord): Promise<void> {
  await writeState(engine, recordName(record.id), record);
}

/** All records, newest first. */
export async function loadRecords(engine: Engine): Promise<readonly RestoreRecord[]> {
  const ids = await listState(engine, "restores");
  const records = await Promise.all(ids.map((id) => readState(engine, recordName(id))));
  return records.flatMap(asRecord).toSorted((a, b) => numberOf(b) - numberOf(a) || (a.time < b.time ? 1 : -1));
}

const numberOf = ({ number = 0 }: RestoreRecord): number => number;

export async function nextNumber(engine: Engine): Promise<number> {
  const [newest] = await loadRecords(engine);
  return newest ? numberOf(newest) + 1 : 1;
}

/** A restore that was cut off and is neither wholly there nor wholly taken back. */
export function isHalfMade(record: RestoreRecord): boolean {
  return record.state === "staging" || record.state === "swapping" || record.state === "undoing";
}

/** Whether it has begun to put new things into the places of old ones, and is not through: it may be going on just now. */
export function isHalfSwapped({ state }: RestoreRecord): boolean {
  return state === "swapping" || state === "undoing";
}

/**
 * Refuses while the CRM is partly what a restore made and partly what it was: a backup of that, or a plan against it,
 * would be of neither. One that was cut off before it touched anything is only named; one that goes elsewhere says nothing of the CRM, and
 * may be going on just now.
 */
export async function refuseHalfMade(engine: Engine, crm: string, run: Pick<Run, "report">): Promise<void> {
  for (const record of (await loadRecords(engine)).filter(isHalfMade)) {
    const { id, plan, crm: name, state, place } = record;
    if (name !== crm || place !== undefined) continue;
    if (isHalfSwapped(record))
      throw new HoldfastError("restore-half-made", { crm, id, ...(state === "swapping" && { plan }) });
    run.report({ type: "note", code: "stage-kept", facts: { id, plan } });
  }
}

/** Does all steps that are not done, durably. Can be called again after a crash at any moment. */
export async function swapIn(place: SwapPlace, record: RestoreRecord): Promise<RestoreRecord> {
  const { engine } = place;
  const databases = await databasesAsFound(record.databases, toTheEnd(place));
  const swapping = { ...record, databases, steps: asFound(record.steps), state: "swapping" } as const;
  await saveRecord(engine, swapping);
  for (const step of swapping.databases) await databaseForward(step, toTheEnd(place));
  for (const step of swapping.steps) stepForward(step);
  syncFolders(record.folders);
  const done = { ...swapping, state: "done" } as const;
  await saveRecord(engine, done);
  return done;
}

/** Takes all steps back, last first, durably. Can be called again after a crash at any moment. */
export async function swapBack(place: SwapPlace, record: RestoreRecord): Promise<void> {
  const { engine } = place;
  await saveRecord(engine, { ...record, state: "undoing" });
  for (const step of record.steps.toReversed()) stepBack(step);
  syncFolders(record.folders);
  for (const step of record.databases.toReversed()) await databaseBack(step, toTheEnd(place));
  await saveRecord(engine, { ...record, state: "undone" });
}

/** Removes what a restore was building; only for one that has swapped nothing. */
export async function dropStaging(place: SwapPlace, record: RestoreRecord): Promise<void> {
  if (record.state !== "staging") throw new HoldfastError("internal", { state: record.state });
  await removeKept(place, record);
  removeEmptyFolders(record.made);
}

/**
 * After a restore: what it is done with goes. Of one that replaced something that is what older restores than the last of this CRM
 * replaced, those of records counted by themselves: a record that is put back leaves the undo of a whole restore alone; of any other there is nothing to undo, and its empty staging folders go. What cannot be removed is told: a server may be there no
 * more. It is tried again after the next restore.
 */
export async function tidyAfter(
  place: SwapPlace,
  record: RestoreRecord,
  replaced: "something" | "nothing",
): Promise<readonly Warning[]> {
  const { crm, location } = record;
  const mine = (await loadRecords(place.engine)).filter((one) => one.crm === crm && one.location === location);
  const whole = mine.filter((one) => !isHalfMade(one));
  const beyond = [
    ...whole.filter(({ rows }) => rows === undefined).slice(keptRestores),
    ...whole.filter(({ rows }) => rows !== undefined).slice(keptOfRecords),
  ];
  const over = replaced === "nothing" ? [record] : beyond;
  const warnings: Warning[] = [];
  for (const one of over) {
    try {
      await removeKept(place, one);
    } catch (error) {
      const detail = isHoldfastError(error) ? String(error.facts["reason"] ?? error.code) : String(error);
      warnings.push({ code: "old-restore-kept", subject: one.id, detail });
    }
  }
  return warnings;
}

/** Of a drill, whose place is gone. */
export async function forgetScratch(engine: Engine, id: string): Promise<void> {
  await removeState(engine, recordName(id));
}

async function removeKept(place: SwapPlace, record: RestoreRecord): Promise<void> {
  for (const step of record.databases) await dropDatabases(step, place);
  for (const folder of record.folders) removeTree(folder);
  await removeState(place.engine, recordName(record.id));
}

function asRecord(value: unknown): RestoreRecord[] {
  if (typeof value !== "object" || value === null) return [];
  const record = value as Partial<Record<keyof RestoreRecord, unknown>>;
  const whole =
    record.version === 1 &&
    typeof record.id === "string" &&
    typeof record.time === "string" &&
    Array.isArray(record.folders) &&
    Array.isArray(record.steps);
  // Records of the first release have no databases on servers, and do not say what was made.
  if (!whole) return [];
  const known = { databases: [], made: [], ...value } as unknown as RestoreRecord;
  return [{ ...known, steps: onPresentDevices(known.steps, known.folders) }];
}
