import type { BackupKind, Outcome } from "../contents/manifest.ts";
import type { Id } from "../format/tree.ts";
import type { Run } from "../lib/run.ts";
import type { StoredSnapshot } from "../repository/repository.ts";
import { openFor } from "./access.ts";
import { isHoldTag } from "./holds.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";
import { type Coverage, journalCoverage } from "./journal-coverage.ts";
import { backupsOf, chooseCrm, crmOf, isBackup, isRecord, kindOf, outcomeOf } from "./points.ts";

export interface SnapshotRow {
  readonly id: Id;
  readonly time: string;
  readonly crm: string;
  /** Absent: not made by Holdfast. */
  readonly kind?: BackupKind;
  readonly outcome?: Outcome;
  readonly hostname: string;
  readonly paths: readonly string[];
  readonly tags: readonly string[];
  /** The tag by which it is held. */
  readonly hold?: string;
  readonly totalBytes?: number;
  readonly addedBytes?: number;
  /** What `latest` means for this CRM. */
  readonly latest: boolean;
}

/** With which moments between recovery points can be had, of databases and files that are or were followed. */
export interface SnapshotsReport extends Coverage {
  readonly type: "snapshots";
  readonly snapshots: readonly SnapshotRow[];
}

export interface SnapshotsInput {
  readonly repository: RepositoryAccess;
  readonly crm?: string;
}

/** Every recovery point of the repository, oldest first: ours, and any that stock restic made. Not our own records. */
export async function listSnapshots(engine: Engine, input: SnapshotsInput, run: Run): Promise<SnapshotsReport> {
  await using repository = await openFor(engine, input.repository, run);
  const all = await repository.snapshots(run.signal);
  const newestOk = new Map<string, Id>();
  for (const stored of all) {
    if (isBackup(stored) && outcomeOf(stored) === "ok") newestOk.set(crmOf(stored), stored.id);
  }
  const wanted =
    input.crm === undefined ? all.filter((stored) => !isRecord(stored)) : backupsOf(all, chooseCrm(all, input.crm));
  const coverage = await journalCoverage(engine, repository, all, input.crm, run);
  return { type: "snapshots", snapshots: wanted.map((stored) => describe(stored, newestOk)), ...coverage };
}

function describe(stored: StoredSnapshot, newestOk: ReadonlyMap<string, Id>): SnapshotRow {
  const { snapshot, id } = stored;
  const ours = isBackup(stored);
  const kind = ours ? kindOf(stored) : undefined;
  const outcome = ours ? outcomeOf(stored) : undefined;
  const hold = snapshot.tags?.find(isHoldTag);
  return {
    id,
    time: snapshot.time,
    crm: crmOf(stored),
    ...(kind && { kind }),
    ...(outcome && { outcome }),
    hostname: snapshot.hostname ?? "",
    paths: snapshot.paths,
    tags: snapshot.tags ?? [],
    ...(hold !== undefined && { hold }),
    ...(snapshot.summary && {
      totalBytes: snapshot.summary.totalBytesProcessed,
      addedBytes: snapshot.summary.dataAddedPacked,
    }),
    latest: ours && newestOk.get(crmOf(stored)) === id,
  };
}

/** How a person names a recovery point; see `experience.md` for the words. */
export type PointName =
  | { readonly kind: "latest" }
  /** `of`: the CRM that was named with it; one of another is refused. */
  | { readonly kind: "id"; readonly prefix: string; readonly of?: string }
  /** The newest at or before this moment. */
  | {
      readonly kind: "moment";
      readonly time: Date;
      /** Number or position of a transaction of that second, the last one that counts. */
      readonly transaction?: string;
      /** Right before that transaction: it does not count itself. Absent: it does. */
      readonly side?: "before";
    }
  /** The CRM as it is now. */
  | { readonly kind: "live" };
