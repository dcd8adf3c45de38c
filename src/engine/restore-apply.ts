import { isChange } from "../contents/records/planned-row.ts";
import type { RowImages } from "../contents/records/row-images.ts";
import { nameFromText, nameText, type ByteName } from "../lib/byte-name.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { Warning } from "../lib/events.ts";
import type { Limits } from "../lib/limits.ts";
import type { Run } from "../lib/run.ts";
import type { CrmDescription } from "../crm/platform.ts";
import { openFor } from "./access.ts";
import { addressesFor } from "./database-address.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";
import { buildAll } from "./restore-build.ts";
import type { PointSource } from "./open-point.ts";
import { applyRecords, type ChangedRows } from "./records-apply.ts";
import { writeRecords } from "./records-export.ts";
import type { PreparedRecords } from "./records-prepare.ts";
import { applyRows, saveImages } from "./records-undo.ts";
import { reachPoint } from "./reach-moment.ts";
import { type HeldBack, readPlan, type RestorePlan } from "./restore-plan.ts";
import { type PreparedRestore, prepareRestore, type PrepareInput } from "./restore-prepare.ts";
import {
  dropStaging,
  isHalfMade,
  loadRecords,
  nothingBuilt,
  saveRecord,
  swapIn,
  tidyAfter,
  type Built,
  type RestoreRecord,
} from "./restore-record.ts";
import { coldPacksOf, thaw, type ThawChoice } from "./restore-thaw.ts";
import { refuseIfHeld } from "./restore-target.ts";
import type { PointName } from "./snapshots.ts";
import { Staging } from "./staging.ts";
import { toTheEnd, type SwapPlace } from "./swap-database.ts";

/** With how to open the repository that the plan names. */
export interface RestoreApplyInput extends Omit<RepositoryAccess, "location"> {
  /** Plan id (or a unique beginning of it). */
  readonly plan: string;
  /** The CRM's name as typed, where the plan asks for it. */
  readonly confirm?: string;
  /** `take`: one that is swapped in already counts as done, and is not asked for again; whoever did it did not live to tell. */
  readonly swapped?: "take";
  /** It is a drill's, which takes it away again. */
  readonly scratch?: "yes";
  readonly limits: Limits;
  /** How cold packs are thawed; absent: what needs any is refused with `storage-cold`. */
  readonly thaw?: ThawChoice;
  /** What the CRMs' configuration here knows: for passwords of databases. */
  readonly crms?: readonly CrmDescription[];
}

export interface RestoreReport {
  readonly type: "restore";
  readonly plan: string;
  readonly crm: string;
  readonly files: number;
  readonly rows: number;
  readonly bytes: number;
  readonly failed: readonly { readonly path: string; readonly reason: string }[];
  /** Where what was replaced lies now. */
  readonly kept: readonly string[];
  /** Id to give to `restore undo`; absent when nothing can be undone (an empty target). */
  readonly undo?: string;
  readonly afterRestore: readonly string[];
  /** How people were kept out, and are let in again: keys of `words` under `maintenance`. */
  readonly maintenance?: RestorePlan["maintenance"];
  readonly warnings: readonly Warning[];
  /** What was erased from what is given back; absent: nothing of it would have come. */
  readonly heldBack?: HeldBack;
  readonly durationMs: number;
}

/**
 * Does what a plan says. Everything new is built beside its place and proved first; then it is swapped in. A plan that
 * was cut off while it was swapping is finished; one that was cut off earlier begins again.
 */
export async function applyRestore(engine: Engine, input: RestoreApplyInput, run: Run): Promise<RestoreReport> {
  const started = run.now();
  const plan = await readPlan(engine, input.plan);
  const addressOf = await addressesFor(engine, input.crms, plan.snapshot.crm, run.signal);
  const place: SwapPlace = { engine, addressOf, signal: run.signal };
  const earlier = (await loadRecords(engine)).find((one) => one.plan === plan.id);
  // What it had made lies where it would be made once more, and somebody may have worked in it before it was taken back.
  const isTakenBack = earlier?.state === "undone" && earlier.databases.length + earlier.steps.length > 0;
  if (earlier?.state === "done" && input.swapped === "take") {
    return await finish(place, plan, earlier, started, run);
  }
  const record = earlier && isHalfMade(earlier) ? earlier : undefined;
  if (isTakenBack || record?.state === "undoing") throw new HoldfastError("plan-outdated", { reason: "undo" });
  if (record && record.state === "swapping") {
    await refuseIfHeld(place, record);
    // It is half made: whoever cancels from here on would leave it so.
    run.report({ type: "note", code: "resumed", facts: { id: record.id } });
    const { failed } = await applyRows(engine, record, input.password, "forward", addressOf, toTheEnd(run));
    return await finish(place, plan, await swapIn(place, withLeft(record, failed)), started, run);
  }
  if (plan.confirm !== undefined && input.confirm !== plan.confirm) {
    throw new HoldfastError("confirm-needed", { name: plan.confirm });
  }
  await using repository = await openFor(engine, { ...accessOf(input), location: plan.repository.location }, run);
  if (repository.id !== plan.repository.id) throw new HoldfastError("plan-outdated", { path: repository.location });
  await using lock = await repository.lock("shared", { signal: run.signal, now: run.now, waitMs: 0 });
  const inner = { ...run, signal: AbortSignal.any([run.signal, lock.lost]) };
  const snapshots = await repository.snapshots(inner.signal);
  const stored = snapshots.find(({ id }) => id === plan.snapshot.id);
  if (!stored) throw new HoldfastError("snapshot-unknown", { id: plan.snapshot.id.slice(0, 8) });
  const indexed = await repository.index(inner.signal);
  if (hasFiles(plan)) indexed.expectWrites(input.limits);
  const {
    snapshot: opened,
    reader,
    erased,
  } = await reachPoint({ engine, reader: indexed, snapshots, run: inner }, plan.snapshot.crm, pointOf(plan));
  // A backup that came since lies nearer, and leads to the same rows.
  if (plan.moment === undefined && opened.stored.id !== stored.id) throw new HoldfastError("plan-outdated", {});
  if (record) await dropStaging(place, record);
  const open: PointSource = { engine, reader: indexed, snapshots, crms: input.crms, run: inner };
  const prepared = await prepareRestore(
    engine,
    opened,
    { reader, open, point: pointOf(plan), erased },
    prepareInput(plan),
    addressOf,
    inner,
  );
  if (prepared.summary.seen !== plan.seen) throw new HoldfastError("plan-outdated", {});
  const targets = {
    steps: prepared.databases.flatMap(({ file }) => (file ? [{ target: nameFromText(file.path) }] : [])),
    databases: prepared.databases.flatMap(({ file, address }) => (file ? [] : [{ target: address.url }])),
  };
  await refuseIfHeld(place, targets);
  const { neededBytes: needed, freeBytes: free, neededFiles, freeFiles = Infinity } = prepared.summary;
  if (needed > free) throw new HoldfastError("target-full", { needed, free });
  if (neededFiles > freeFiles) throw new HoldfastError("target-full", { neededFiles, freeFiles });
  await thaw(indexed, await coldPacksOf(indexed, reader, prepared, inner.signal), input.thaw, inner);

  const where = input.scratch ? "scratch" : plan.target.kind === "elsewhere" ? "elsewhere" : undefined;
  const staging = await Staging.begin(place, plan, where, started);
  const fromParts = await buildAll({
    engine,
    plan,
    prepared,
    indexed,
    reader,
    limits: input.limits,
    staging,
    run: inner,
  }).catch(async (error: unknown) => {
    await staging.drop().catch(leftBehind);
    throw error;
  });
  const built: Built = { ...fromParts, heldBack: heldBackOf(plan, prepared) };
  run.report({ type: "phase", phase: "swap" });
  // Building took a while: whoever came meanwhile would go on writing to what is replaced. A server sees to that itself.
  await refuseIfHeld(place, { ...targets, databases: [] }).catch(async (error: unknown) => {
    await staging.drop().catch(leftBehind);
    throw error;
  });
  const ready = { ...(await made(staging, run.signal)), built };
  const { records, exported } = prepared;
  if (exported) {
    // Before the files beside them: from the swap on, what is there counts as all of it.
    let written: readonly string[];
    try {
      written = writeRecords(exported.folder, exported.format, exported.records);
    } catch (error) {
      await staging.drop().catch(leftBehind);
      throw error;
    }
    const rows = built.rows + exported.records.rows.length;
    const whole = { ...ready, built: { ...built, files: built.files + written.length, rows } };
    return await finish(place, plan, await swapIn(place, whole), started, run);
  }
  if (!records || !records.planned.rows.some(isChange)) {
    return await finish(place, plan, await swapIn(place, ready), started, run);
  }
  let swapping = ready;
  const saved = async (changed: ChangedRows): Promise<void> => {
    const images = imagesOf(plan, records, changed, started);
    // Not with the index that the rows came by: for a moment it knows of what is merely stored.
    const fresh = await repository.index(inner.signal);
    await using upload = await fresh.upload({ signal: inner.signal, lock, limits: input.limits });
    const { id } = await saveImages(engine, upload, images);
    swapping = {
      ...ready,
      state: "swapping",
      rows: { snapshot: id, target: images.target },
      // Whoever finishes it finds them changed, and tells of them all the same.
      built: { ...built, rows: built.rows + changed.images.length },
    };
    await saveRecord(engine, swapping);
  };
  try {
    await applyRecords(records, saved, inner);
  } catch (error) {
    // The record says `swapping`, so that the same plan finishes what may be there, and an undo takes it back.
    if (isHoldfastError(error, "commit-unknown")) throw error;
    // Nothing was changed; what was kept of the rows as they were is of no use, and harms nobody.
    await (swapping === ready ? staging.drop() : dropStaging(place, { ...swapping, state: "staging" })).catch(
      leftBehind,
    );
    throw error;
  }
  return await finish(place, plan, await swapIn(place, swapping), started, run);
}

/** Rows that somebody changed since, and that so do not become what they were to be; once, however often it is cut off. */
function withLeft(record: RestoreRecord, failed: Built["failed"]): RestoreRecord {
  const built = record.built ?? nothingBuilt;
  const more = failed.filter(({ path }) => built.failed.every((known) => known.path !== path));
  return { ...record, built: { ...built, rows: built.rows - more.length, failed: [...built.failed, ...more] } };
}

async function made(staging: Staging, signal: AbortSignal): Promise<RestoreRecord> {
  try {
    const ready = staging.ready();
    // From here on it would be half made.
    signal.throwIfAborted();
    return ready;
  } catch (error) {
    await staging.drop().catch(leftBehind);
    throw error;
  }
}

/** What ended the restore is what is told. What could not be removed has its record, for `undo` or the same plan again. */
function leftBehind(): void {}

/** What the rows were and became, to be kept before it is made to stay. */
function imagesOf(
  plan: RestorePlan,
  { engine, address, planned }: PreparedRecords,
  changed: ChangedRows,
  time: Date,
): RowImages {
  const { relations } = planned;
  const derived = relations.tables
    .filter((table) => relations.isDerived(table))
    .map(({ schema, name }) => ({ schema, name }));
  return {
    crm: plan.snapshot.crm,
    restore: plan.id,
    time: time.toISOString(),
    target: address.url,
    engine: engine.name,
    tables: changed.tables.map(({ schema, name, columns, keyLength }) => ({ schema, name, columns, keyLength })),
    ...(derived.length > 0 && { derived }),
    rows: changed.images,
  };
}

function accessOf(input: RestoreApplyInput): Omit<RepositoryAccess, "location"> {
  const { password, cache, keeping, reach, asOf } = input;
  return {
    password,
    ...(cache && { cache }),
    ...(keeping && { keeping }),
    ...(reach && { reach }),
    ...(asOf && { asOf }),
  };
}

async function finish(
  place: SwapPlace,
  plan: RestorePlan,
  record: RestoreRecord,
  started: Date,
  run: Run,
): Promise<RestoreReport> {
  const built = record.built ?? nothingBuilt;
  // A copy in an empty folder is undone by removing it; whatever was replaced anywhere is kept.
  const steps = [...record.databases, ...record.steps];
  const replaced = steps.some(({ old }) => old !== undefined);
  const undoable = record.rows !== undefined || replaced || (plan.target.kind === "in-place" && steps.length > 0);
  const left = await tidyAfter(toTheEnd(place), record, undoable ? "something" : "nothing");
  const kept = [
    ...record.databases.filter(({ old }) => old !== undefined).map(({ aside }) => aside),
    ...record.steps.filter(({ old }) => old !== undefined).map(({ slot }) => nameText(slot as ByteName)),
  ];
  return {
    type: "restore",
    plan: plan.id,
    crm: plan.snapshot.crm,
    files: built.files,
    rows: built.rows,
    bytes: built.bytes,
    failed: [...conflicts(plan), ...built.failed],
    kept,
    ...(undoable && { undo: record.id }),
    afterRestore: plan.afterRestore,
    ...(plan.maintenance && { maintenance: plan.maintenance }),
    warnings: [...built.warnings, ...left],
    ...(built.heldBack && built.heldBack.rows + built.heldBack.files > 0 && { heldBack: built.heldBack }),
    durationMs: run.now().getTime() - started.getTime(),
  };
}

/** Of records it is the plan that looked for them. */
function heldBackOf({ scope, heldBack }: RestorePlan, { erased: [base] }: PreparedRestore): HeldBack | undefined {
  if (scope.kind === "records") return heldBack;
  const { rows = 0, files = 0 } = base?.counts ?? {};
  return { rows, files: scope.kind === "database" ? 0 : files };
}

function hasFiles({ parts, items }: RestorePlan): boolean {
  return items.length > 0 || parts.some(({ kind }) => kind === "folder");
}

/** What the plan could not do. */
function conflicts(plan: RestorePlan): RestoreReport["failed"] {
  const places = [...plan.parts, ...plan.items].map(({ action, path, reason }) => ({ action, path, reason }));
  const rows = (plan.records?.rows ?? []).map(({ action, record, reason, detail }) => ({
    action,
    path: record,
    reason: detail === undefined ? reason : `${reason ?? ""} ${detail}`,
  }));
  return [...places, ...rows]
    .filter(({ action }) => action === "conflict")
    .map(({ path, reason }) => ({ path, reason: reason ?? "conflict" }));
}

function pointOf({ moment, snapshot }: RestorePlan): PointName {
  if (!moment) return { kind: "id", prefix: snapshot.id };
  const { time, transaction, side } = moment;
  const named = { ...(transaction !== undefined && { transaction }), ...(side && { side }) };
  return { kind: "moment", time: new Date(time), ...named };
}

/** A moment as a saved plan has it is a text. */
function revived(scope: RestorePlan["scope"]): RestorePlan["scope"] {
  const until = scope.kind === "records" ? scope.selection.until : undefined;
  if (scope.kind !== "records" || until?.kind !== "moment") return scope;
  return { ...scope, selection: { ...scope.selection, until: { ...until, time: new Date(until.time) } } };
}

function prepareInput(plan: RestorePlan): PrepareInput {
  const { folder, database } = plan.target.kind === "elsewhere" ? plan.target : {};
  return {
    scope: revived(plan.scope),
    switches: plan.switches,
    ...(folder !== undefined && { target: folder }),
    ...(database !== undefined && { targetDatabase: database }),
    ...(plan.purpose && { purpose: plan.purpose }),
    ...(plan.records && { roots: { database: plan.records.database, roots: plan.records.roots } }),
    ...(plan.anonymised && { anonymise: plan.anonymised }),
  };
}
