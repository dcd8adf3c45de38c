import { changeMethods } from "../database/database.ts";
import type { DatabaseCapture } from "../contents/databases.ts";
import type { Manifest } from "../contents/manifest.ts";
import type { SnapshotSummary } from "../format/snapshot.ts";
import type { Warning } from "../lib/events.ts";
import type { UploadStats } from "../repository/repository.ts";
import type { BackupInput, BackupReport } from "./backup.ts";
import type { CapturedFolder } from "./backup-parts.ts";

/** Adds up what the parts of a backup found, for its report and for restic's summary. */

interface Since {
  readonly sincePreviousBytes: number;
  readonly sinceFullBytes: number;
}

export function sumRows(databases: readonly DatabaseCapture[]): BackupReport["rows"] & Since {
  const sum = (of: (one: DatabaseCapture) => number) => databases.reduce((total, one) => total + of(one), 0);
  return {
    tables: sum((one) => one.manifest.tables.length),
    rows: sum((one) => one.rows),
    changedRows: sum((one) => one.changedRows),
    totalBytes: sum((one) => one.bytes),
    readBytes: sum((one) => one.readBytes),
    changedBytes: sum((one) => one.changedBytes),
    storedBytes: sum((one) => one.storedBytes),
    sincePreviousBytes: sum((one) => one.sincePreviousBytes),
    sinceFullBytes: sum((one) => one.sinceFullBytes),
    methods: sumMethods(databases),
  };
}

function sumMethods(databases: readonly DatabaseCapture[]): BackupReport["rows"]["methods"] {
  const counts = changeMethods.map(
    (method) => [method, databases.reduce((total, { methods }) => total + (methods[method] ?? 0), 0)] as const,
  );
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}

export function sumFiles(
  folders: readonly CapturedFolder[],
  kind: BackupReport["kind"],
): BackupReport["files"] & Since {
  const sum = (of: (one: CapturedFolder) => number) => folders.reduce((total, one) => total + of(one), 0);
  const compared = sum((one) => one.changedBytes);
  const other = sum((one) => one.changedBytesAlso);
  const [appended] = folders.flatMap((one) => one.appended ?? []).toSorted((a, b) => b.files - a.files);
  return {
    files: sum((one) => one.files),
    newFiles: sum((one) => one.newFiles),
    changedFiles: sum((one) => one.changedFiles),
    removedFiles: sum((one) => one.removedFiles),
    incompressibleFiles: sum((one) => one.incompressibleFiles),
    ...(appended && { appended }),
    readBytes: sum((one) => one.readBytes),
    changedBytes: compared,
    storedBytes: sum((one) => one.storedBytes),
    sincePreviousBytes: kind === "differential" ? other : compared,
    sinceFullBytes: kind === "differential" ? compared : other,
  };
}

export function summarise(
  stats: UploadStats,
  folders: readonly CapturedFolder[],
  rowBytes: number,
  started: Date,
  ended: Date,
): SnapshotSummary {
  const sum = (of: (one: CapturedFolder) => number) => folders.reduce((total, one) => total + of(one), 0);
  return {
    backupStart: started.toISOString(),
    backupEnd: ended.toISOString(),
    filesNew: sum((one) => one.newFiles),
    filesChanged: sum((one) => one.changedFiles),
    filesUnmodified: sum((one) => one.unmodifiedFiles),
    dirsNew: sum((one) => one.newDirs),
    dirsChanged: sum((one) => one.changedDirs),
    dirsUnmodified: sum((one) => one.unmodifiedDirs),
    dataBlobs: stats.dataBlobs,
    treeBlobs: stats.treeBlobs,
    dataAdded: stats.addedBytes,
    dataAddedPacked: stats.storedBytes,
    totalFilesProcessed: sum((one) => one.files),
    totalBytesProcessed: rowBytes + sum((one) => one.bytes),
  };
}

/**
 * Inconsistencies between rows and files that an earlier backup knew of are known; only the others are fresh, and make
 * this backup end with warnings. What is not covered does not become known by itself, for it is missing from each backup
 * anew: somebody has to accept it.
 */
export function splitKnown(
  found: readonly Warning[],
  earlier: Manifest | undefined,
  inconsistencies: BackupInput["inconsistencies"],
): { readonly fresh: readonly Warning[]; readonly known: readonly Warning[] } {
  const subject = (warning: Warning) => `${warning.code} ${warning.subject}`;
  const told = (earlier?.warnings ?? []).filter(({ code }) => code !== "not-covered");
  const before = new Set([...(earlier?.known ?? []), ...told].map(subject));
  const isKnown = (warning: Warning) => inconsistencies === "accept" || before.has(subject(warning));
  return { fresh: found.filter((warning) => !isKnown(warning)), known: found.filter(isKnown) };
}
