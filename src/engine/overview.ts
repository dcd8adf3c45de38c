import type { BackupKind, Outcome } from "../contents/manifest.ts";
import { openSnapshot } from "../contents/open-snapshot.ts";
import type { Id } from "../format/tree.ts";
import type { Warning } from "../lib/events.ts";
import type { Run } from "../lib/run.ts";
import type { StoredSnapshot } from "../repository/repository.ts";
import { openFor } from "./access.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";
import { backupsOf, crmOf, isBackup, kindOf, outcomeOf } from "./points.ts";
import { crmsWithReports, readReports, wholeRepository, type Report } from "./reports.ts";

export interface OverviewInput {
  readonly repository: RepositoryAccess;
  /** Reports from then on, as in a report's time. */
  readonly since: string;
}

export interface BackupRow {
  readonly id: Id;
  readonly time: string;
  readonly kind: BackupKind;
  readonly outcome: Outcome;
  /** Bytes of rows and files that were looked at, and those the repository grew by. */
  readonly totalBytes?: number;
  readonly storedBytes?: number;
  readonly durationMs?: number;
}

export interface CrmOverview {
  readonly crm: string;
  /** Oldest first. */
  readonly backups: readonly BackupRow[];
  /** What the newest one could not hold, by design. */
  readonly uncovered: readonly Warning[];
  /** With what the newest one ended; absent: without warnings, or there is none. */
  readonly warnings?: NonNullable<Warning["about"]>;
  /** Oldest first. */
  readonly reports: readonly Report[];
}

/** What the repository alone knows of how its CRMs are doing. */
export interface Overview {
  readonly repositoryId: Id;
  readonly location: string;
  /** What all packs of the repository take. */
  readonly packBytes: number;
  readonly crms: readonly CrmOverview[];
  /** Of what concerns no CRM. */
  readonly reports: readonly Report[];
}

export async function overview(engine: Engine, input: OverviewInput, run: Run): Promise<Overview> {
  await using repository = await openFor(engine, input.repository, run);
  const snapshots = await repository.snapshots(run.signal);
  const indexed = await repository.index(run.signal);
  const reported = crmsWithReports(snapshots);
  const names = new Set([...snapshots.filter(isBackup).map(crmOf), ...reported]);
  names.delete(wholeRepository);
  const crms: CrmOverview[] = [];
  for (const crm of [...names].toSorted()) {
    const backups = backupsOf(snapshots, crm);
    const newest = backups.at(-1);
    const manifest = newest && (await openSnapshot(indexed, newest, run.signal)).manifest;
    const [first] = manifest?.warnings ?? [];
    crms.push({
      crm,
      backups: backups.flatMap(backupRow),
      ...(manifest && first && { warnings: { count: manifest.warnings.length, first } }),
      uncovered: manifest?.warnings.filter(({ code }) => code === "not-covered") ?? [],
      reports: await readReports(indexed, snapshots, { crm, since: input.since }, run.signal),
    });
  }
  const { since } = input;
  const reports = await readReports(indexed, snapshots, { crm: wholeRepository, since }, run.signal);
  const { packBytes } = indexed;
  return { repositoryId: repository.id, location: repository.location, packBytes, crms, reports };
}

function backupRow(stored: StoredSnapshot): readonly BackupRow[] {
  const { id, snapshot } = stored;
  const [kind, outcome] = [kindOf(stored), outcomeOf(stored)];
  if (kind === undefined || outcome === undefined) return [];
  const { summary } = snapshot;
  const amounts = summary && {
    totalBytes: summary.totalBytesProcessed,
    storedBytes: summary.dataAddedPacked,
    durationMs: Math.max(0, Date.parse(summary.backupEnd) - Date.parse(summary.backupStart)),
  };
  return [{ id, time: new Date(snapshot.time).toISOString(), kind, outcome, ...amounts }];
}
