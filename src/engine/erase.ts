import { randomBytes } from "node:crypto";
import { type Erasure, erasureFile, serialiseErasure } from "../contents/erasure.ts";
import type { CrmDescription } from "../crm/platform.ts";
import type { Id } from "../format/tree.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Limits } from "../lib/limits.ts";
import type { Run } from "../lib/run.ts";
import type { StoredSnapshot } from "../repository/repository.ts";
import { openFor } from "./access.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";
import { ErasureCollector } from "./erasure-collector.ts";
import { erasureReader, ledgerSuffix, readErasures } from "./erasures.ts";
import { openPoint, openStored, type PointSource } from "./open-point.ts";
import { backupsOf, chooseCrm } from "./points.ts";
import { saveRecordSnapshot } from "./record-snapshot.ts";
import { selectRecords } from "./record-selection.ts";
import { viewsOf } from "./point-model.ts";
import { schemaReader } from "../contents/stored-database.ts";
import type { PointName } from "./snapshots.ts";
import { listState, readState, removeState, writeState } from "./state.ts";

/**
 * Takes a person out of what restores give back: planned, shown, applied, like a restore. Nothing that is stored is
 * changed, since backups may be locked; a ledger beside them says what is held back from now on. The live CRM is left alone.
 */
export interface ErasePlanInput {
  readonly repository: RepositoryAccess;
  readonly crm?: string;
  readonly crms?: readonly CrmDescription[];
  /** Where the records are looked for; what belongs to them is looked for in every recovery point. */
  readonly point: PointName;
  /** `contact/12` */
  readonly handles: readonly string[];
  /** Words: every record that has each of them in one of its texts, in the entities or tables of `in`. */
  readonly search?: string;
  readonly in: readonly string[];
  readonly reason: string;
}

export interface ErasePlan {
  readonly type: "erase-plan";
  readonly id: string;
  readonly crm: string;
  readonly created: string;
  readonly repository: { readonly location: string; readonly id: Id };
  readonly reason: string;
  /** Of each entity, and of each table that is none, how many records of all recovery points. */
  readonly groups: readonly EraseGroup[];
  /** The first of them. */
  readonly records: readonly { readonly record: string; readonly title?: string }[];
  readonly files: readonly string[];
  /** How many recovery points hold any of them. */
  readonly points: number;
  /** How many of them the newest recovery point still holds: the CRM may have them yet. */
  readonly stillThere: number;
}

export interface EraseGroup {
  readonly name: string;
  /** Key of `words` under `entities`. */
  readonly label?: string;
  readonly count: number;
}

/** A plan as it is kept, with what is to be written. */
interface SavedPlan {
  readonly plan: ErasePlan;
  readonly erasure: Omit<Erasure, "time" | "by">;
  /** Of the newest backup that was looked into. */
  readonly newest: Id;
}

export interface EraseApplyInput extends Omit<RepositoryAccess, "location"> {
  readonly plan: string;
  /** The CRM's name as typed. */
  readonly confirm?: string;
  /** Who wants it; absent: this user. */
  readonly by?: string;
  readonly limits: Limits;
}

export interface ErasureFacts {
  readonly id: string;
  readonly crm: string;
  readonly time: string;
  readonly by: string;
  readonly reason: string;
  readonly records: readonly string[];
  readonly rows: number;
  readonly files: number;
}

export interface EraseReport extends ErasureFacts {
  readonly type: "erasure";
}

export interface ErasuresReport {
  readonly type: "erasures";
  readonly erasures: readonly ErasureFacts[];
}

/** Finds what is to be erased in all recovery points, and saves the plan; changes nothing else. */
export async function planErase(engine: Engine, input: ErasePlanInput, run: Run): Promise<ErasePlan> {
  await using repository = await openFor(engine, input.repository, run);
  await using lock = await repository.lock("shared", { signal: run.signal, now: run.now, waitMs: 0 });
  const inner = { ...run, signal: AbortSignal.any([run.signal, lock.lost]) };
  const snapshots = await repository.snapshots(inner.signal);
  const reader = await repository.index(inner.signal);
  const many = { schemas: schemaReader(), erasures: erasureReader() };
  const source: PointSource = { engine, reader, snapshots, crms: input.crms, run: inner, ...many };
  await using point = await openPoint(source, input.crm, input.point);
  if (!point.snapshot) throw new HoldfastError("point-live", {});
  run.report({ type: "phase", phase: "plan", subject: point.crm });
  const views = await viewsOf(point, inner.signal);
  const selection = {
    ...{ handles: input.handles, keys: [], compared: [], in: input.in, related: "all" as const, renames: [] },
    ...(input.search !== undefined && { search: input.search }),
  };
  const until = async () => point;
  const roots = await selectRecords({ selection, source, points: point, views, until });
  if (roots.length === 0) throw new HoldfastError("nothing-matched", { path: input.search ?? "" });
  const backups = backupsOf(snapshots, point.crm);
  const collector = new ErasureCollector(roots, randomBytes(32).toString("hex"));
  // A moment between two backups may hold what neither does.
  const momentMs = point.moment ? Date.parse(point.moment.time) : Number.NaN;
  const later = backups.findIndex(({ snapshot }) => Date.parse(snapshot.time) > momentMs);
  for (const [at, stored] of backups.entries()) {
    if (at === later) await collector.add(point, inner.signal);
    await using opened = await openStored(source, stored);
    await collector.add(opened, inner.signal);
  }
  if (point.moment && later < 0) await collector.add(point, inner.signal);
  const newest = backups.at(-1);
  if (!newest) throw new HoldfastError("snapshot-none", { crm: point.crm });
  const { erasure, ...found } = collector.result();
  const plan: ErasePlan = {
    type: "erase-plan",
    id: randomBytes(4).toString("hex"),
    crm: point.crm,
    created: run.now().toISOString(),
    repository: { location: repository.location, id: repository.id },
    reason: input.reason,
    ...found,
  };
  const { id, crm, reason } = plan;
  const saved: SavedPlan = { plan, erasure: { id, crm, reason, ...erasure }, newest: newest.id };
  await writeState(engine, planFile(plan.id), saved);
  return plan;
}

/** Writes what a plan says into the ledger. Fails with `plan-outdated` when there are backups that it has not seen. */
export async function applyErase(engine: Engine, input: EraseApplyInput, run: Run): Promise<EraseReport> {
  const { plan, erasure: planned, newest } = await readErasePlan(engine, input.plan);
  if (input.confirm !== plan.crm) throw new HoldfastError("confirm-needed", { name: plan.crm });
  const { plan: _, confirm: _typed, by, limits, ...access } = input;
  await using repository = await openFor(engine, { ...access, location: plan.repository.location }, run);
  if (repository.id !== plan.repository.id) throw new HoldfastError("plan-outdated", { path: repository.location });
  await using lock = await repository.lock("shared", { signal: run.signal, now: run.now, waitMs: 0 });
  const signal = AbortSignal.any([run.signal, lock.lost]);
  const snapshots = await repository.snapshots(signal);
  if (backupsOf(snapshots, plan.crm).at(-1)?.id !== newest) throw new HoldfastError("plan-outdated", {});
  const { username, hostname } = engine.host;
  const erasure: Erasure = {
    ...planned,
    time: run.now().toISOString(),
    by: by ?? `${username}@${hostname}`,
  };
  const indexed = await repository.index(signal);
  await using upload = await indexed.upload({ signal, lock, limits });
  await saveErasure(engine, upload, erasure);
  await removeState(engine, planFile(plan.id));
  return { type: "erasure", ...factsOf(erasure) };
}

async function saveErasure(
  engine: Engine,
  upload: Parameters<typeof saveRecordSnapshot>[1],
  erasure: Erasure,
): Promise<StoredSnapshot> {
  return await saveRecordSnapshot(engine, upload, {
    folder: `${erasure.crm}${ledgerSuffix}`,
    time: erasure.time,
    tags: ["holdfast-ledger", erasure.id],
    files: [{ name: erasureFile, bytes: serialiseErasure(erasure) }],
  });
}

export async function listErasures(
  engine: Engine,
  input: { readonly repository: RepositoryAccess; readonly crm?: string },
  run: Run,
): Promise<ErasuresReport> {
  await using repository = await openFor(engine, input.repository, run);
  const snapshots = await repository.snapshots(run.signal);
  const crm = chooseCrm(snapshots, input.crm);
  const erasures = await readErasures(await repository.index(run.signal), snapshots, crm, run.signal);
  return { type: "erasures", erasures: erasures.map(factsOf) };
}

function factsOf({ id, crm, time, by, reason, records, tables, files }: Erasure): ErasureFacts {
  const rows = tables.reduce((sum, table) => sum + table.rows.length, 0);
  return { id, crm, time, by, reason, records, rows, files: files.length };
}

/** A saved plan by its id or a unique beginning of it; fails with `plan-unknown`. */
export async function readErasePlan(engine: Engine, id: string): Promise<SavedPlan> {
  const names = (await listState(engine, "erasures")).filter((name) => id !== "" && name.startsWith(id));
  const [only, ...others] = names;
  const saved = only !== undefined && others.length === 0 ? await readState(engine, planFile(only)) : undefined;
  if (!isSaved(saved)) throw new HoldfastError("plan-unknown", { id });
  return saved;
}

const planFile = (id: string) => `erasures/${id}.json`;

/** This user's own file, written by `planErase`: looked at only for being one. */
function isSaved(value: unknown): value is SavedPlan {
  return typeof value === "object" && value !== null && "erasure" in value && "plan" in value;
}
