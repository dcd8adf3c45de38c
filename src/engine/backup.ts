import type { BackupKind, Outcome } from "../contents/manifest.ts";
import type { CrmDescription } from "../crm/platform.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Warning } from "../lib/events.ts";
import type { Limits } from "../lib/limits.ts";
import type { Run } from "../lib/run.ts";
import type { Id } from "../format/tree.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";

export interface BackupInput {
  readonly crm: CrmDescription;
  /** Absolute path of `holdfast.yaml`, stored with the snapshot. */
  readonly configFile: string;
  readonly repository: RepositoryAccess;
  /** Absent: full when there is nothing to start from, else incremental. */
  readonly kind?: BackupKind;
  readonly limits: Limits;
  /** How long to wait for another backup of this CRM or for somebody's lock; 0: fail at once. */
  readonly waitMs: number;
}

/** Sizes of one kind of thing: what was looked at, what differed, what the repository grew by. */
export interface Amounts {
  readonly readBytes: number;
  readonly changedBytes: number;
  readonly storedBytes: number;
}

export interface BackupReport {
  readonly type: "backup";
  readonly crm: string;
  readonly snapshot: Id;
  readonly time: string;
  readonly kind: BackupKind;
  readonly outcome: Outcome;
  readonly parent?: Id;
  readonly lastFull?: Id;
  readonly rows: Amounts & { readonly tables: number; readonly rows: number; readonly changedRows: number };
  readonly files: Amounts & {
    readonly files: number;
    readonly newFiles: number;
    readonly changedFiles: number;
    readonly removedFiles: number;
  };
  /** What changed since the previous backup and since the last full, in bytes of rows and files. */
  readonly sincePreviousBytes: number;
  readonly sinceFullBytes: number;
  /** Bytes that the repository grew by, everything counted. */
  readonly storedBytes: number;
  readonly durationMs: number;
  readonly prediction?: BackupPrediction;
  readonly warnings: readonly Warning[];
  /** Warnings that were there at the last *ok* snapshot too. */
  readonly known: readonly Warning[];
}

export interface BackupPrediction {
  readonly kind: BackupKind;
  readonly tables: number;
  readonly rows: number;
  readonly files: number;
  readonly readBytes: number;
  readonly storedBytes: number;
  readonly durationMs: number;
}

/** Backs up one CRM: database first, files after it, then configuration; one snapshot or none. */
export async function backup(_engine: Engine, _input: BackupInput, _run: Run): Promise<BackupReport> {
  throw new HoldfastError("internal");
}

/** What `backup` would do (`--dry-run`): nothing is written anywhere. */
export async function predictBackup(_engine: Engine, _input: BackupInput, _run: Run): Promise<BackupPrediction> {
  throw new HoldfastError("internal");
}
