import type { Limits } from "../lib/limits.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import type { BlobReader, Repository, StoredSnapshot, Upload } from "../repository/repository.ts";
import { openFor } from "./access.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";
import { lockOptions } from "./lock-options.ts";
import { crmOf } from "./points.ts";
import { daysOf, isReportTime, isSuperseded, reportsOfDay, writeReports, type Report } from "./report-tree.ts";

export type { Report } from "./report-tree.ts";

/**
 * Reports of runs (backups, drills, verifications, alerts) as small JSON documents in the repository itself, so that
 * whoever has only the repository knows what was done and how it ended. Each save is a snapshot under
 * `/<crm>.reports` that holds all there were before as well; `forget` takes away those that a newer one supersedes.
 */
const reportsSuffix = ".reports";

/** Whose reports those are that concern the repository and no CRM: no CRM can be called so. */
export const wholeRepository = "_repository";

export interface SaveReportsInput {
  readonly repository: RepositoryAccess;
  readonly crm: string;
  readonly reports: readonly Report[];
  readonly limits: Limits;
  readonly waitMs: number;
}

export interface ReportsInput {
  readonly repository: RepositoryAccess;
  /** Absent: of all CRMs, and of the repository itself. */
  readonly crm?: string;
  /** Absent: every kind. */
  readonly kinds?: readonly string[];
  /** As in a report; absent: from the first. */
  readonly since?: string;
}

export interface ReportsAnswer {
  readonly type: "reports";
  /** Oldest first. */
  readonly reports: readonly (Report & { readonly crm: string })[];
}

export async function saveReports(engine: Engine, input: SaveReportsInput, run: Run): Promise<void> {
  await using repository = await openFor(engine, input.repository, run);
  await using lock = await repository.lock("shared", lockOptions(input, run));
  const signal = AbortSignal.any([run.signal, lock.lost]);
  const snapshots = await repository.snapshots(signal);
  const indexed = await repository.index(signal);
  await using upload = await indexed.upload({ signal, lock, limits: input.limits });
  await addReports(engine, { ...input, snapshots, reader: indexed, upload, now: run.now(), signal });
}

interface AddReports {
  readonly crm: string;
  readonly reports: readonly Report[];
  /** All of the repository. */
  readonly snapshots: readonly StoredSnapshot[];
  readonly reader: BlobReader;
  readonly upload: Upload;
  readonly now: Date;
  readonly signal: AbortSignal;
}

/** The same for a use case that has the repository open and is writing to it. */
async function addReports(engine: Engine, adding: AddReports): Promise<StoredSnapshot> {
  const { crm, reports, snapshots, reader, upload, now, signal } = adding;
  for (const { kind, time } of reports) {
    if (!/^[a-z][a-z-]{0,31}$/.test(kind) || !isReportTime(time)) {
      throw new HoldfastError("internal", { detail: `report ${kind} ${time}` });
    }
  }
  const heads = headsOf(reportSnapshots(snapshots, crm));
  const folder = `${crm}${reportsSuffix}`;
  const tree = await writeReports(upload, reader, heads, folder, reports, signal);
  const parent = heads.at(-1)?.id;
  return upload.finish({
    time: now.toISOString(),
    ...(parent !== undefined && { parent }),
    tree,
    paths: [`/${folder}`],
    ...engine.host,
    tags: ["holdfast-reports"],
    programVersion: engine.program,
  });
}

export async function listReports(engine: Engine, input: ReportsInput, run: Run): Promise<ReportsAnswer> {
  await using repository = await openFor(engine, input.repository, run);
  const snapshots = await repository.snapshots(run.signal);
  const names = input.crm === undefined ? crmsWithReports(snapshots) : [input.crm];
  if (!names.some((crm) => reportSnapshots(snapshots, crm).length > 0)) return { type: "reports", reports: [] };
  const indexed = await repository.index(run.signal);
  const reports: (Report & { readonly crm: string })[] = [];
  for (const crm of names) {
    const found = await readReports(indexed, snapshots, { ...input, crm }, run.signal);
    for (const report of found) reports.push({ ...report, crm });
  }
  return { type: "reports", reports: reports.toSorted((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0)) };
}

/** Of one CRM, oldest first, for a use case that has the repository open. */
export async function readReports(
  reader: BlobReader,
  snapshots: readonly StoredSnapshot[],
  { crm, kinds, since = "" }: { readonly crm: string; readonly kinds?: readonly string[]; readonly since?: string },
  signal: AbortSignal,
): Promise<readonly Report[]> {
  const found: Report[] = [];
  const heads = headsOf(reportSnapshots(snapshots, crm));
  for (const day of await daysOf(reader, heads, signal, since.slice(0, 10))) {
    for (const report of await reportsOfDay(reader, day, signal)) {
      if (report.time >= since && (kinds === undefined || kinds.includes(report.kind))) found.push(report);
    }
  }
  return found;
}

/** Snapshots of reports that `forget` may take away: all they hold is in a newer one. */
export async function supersededReports(
  repository: Repository,
  snapshots: readonly StoredSnapshot[],
  signal: AbortSignal,
): Promise<readonly StoredSnapshot[]> {
  const several = crmsWithReports(snapshots)
    .map((crm) => reportSnapshots(snapshots, crm))
    .filter((stored) => stored.length > 1);
  if (several.length === 0) return [];
  const reader = await repository.index(signal);
  const superseded: StoredSnapshot[] = [];
  for (const all of several) {
    const newest = all.at(-1);
    if (newest === undefined) continue;
    for (const older of all.slice(0, -1)) {
      if (await isSuperseded(reader, older, newest, signal)) superseded.push(older);
    }
  }
  return superseded;
}

function reportSnapshots(snapshots: readonly StoredSnapshot[], crm: string): readonly StoredSnapshot[] {
  return snapshots.filter((stored) => crmOf(stored) === `${crm}${reportsSuffix}`);
}

export function crmsWithReports(snapshots: readonly StoredSnapshot[]): readonly string[] {
  const names = snapshots.map(crmOf).filter((name) => name.endsWith(reportsSuffix));
  return [...new Set(names)].map((name) => name.slice(0, -reportsSuffix.length)).toSorted();
}

/** Those that no other was written on top of: together they hold everything. A copy has no parents, so all count. */
function headsOf(stored: readonly StoredSnapshot[]): readonly StoredSnapshot[] {
  const below = new Set(stored.map(({ snapshot }) => snapshot.parent));
  return stored.filter(({ id }) => !below.has(id));
}
