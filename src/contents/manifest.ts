import type { CrmDescription } from "../crm/platform.ts";
import type { Id } from "../format/tree.ts";
import type { Warning } from "../lib/events.ts";

/** `holdfast.json` in each snapshot: what the snapshot is, in our own terms. Read back as hostile input (zod). */
export type BackupKind = "full" | "incremental" | "differential";
export type Outcome = "ok" | "warning";

export interface TableManifest {
  readonly schema: string;
  readonly name: string;
  /** Folder below `databases/<db>/`. */
  readonly folder: string;
  readonly rows: number;
  /** Tree id of the table's folder in its last full: what a differential starts from. */
  readonly lastFull: { readonly snapshotTime: string; readonly tree: Id };
  readonly fingerprint: string;
}

export interface DatabaseManifest {
  readonly name: string;
  readonly engine: string;
  readonly engineVersion: string;
  /** Where it was, as the operator wrote it, without secrets; a restore in place goes there. */
  readonly location: string;
  readonly position: string;
  readonly tables: readonly TableManifest[];
}

export interface FolderManifest {
  /** Name of the root below `files/`. */
  readonly name: string;
  /** Absolute path it was captured from. */
  readonly path: string;
  readonly files: number;
  readonly bytes: number;
  /** Tree id of this folder in the last full. */
  readonly lastFullTree: Id;
}

export interface Manifest {
  readonly format: 1;
  readonly crm: { readonly name: string; readonly platform: string; readonly version?: string };
  /** The CRM as its configuration described it, without secrets: a restore needs no `holdfast.yaml`. */
  readonly description: CrmDescription;
  readonly kind: BackupKind;
  readonly outcome: Outcome;
  readonly startedAt: string;
  readonly finishedAt: string;
  /** Storage id of the snapshot compared with, and of the last full (its own absence in a full). */
  readonly parent?: Id;
  readonly lastFull?: Id;
  readonly databases: readonly DatabaseManifest[];
  readonly folders: readonly FolderManifest[];
  /** Absolute paths of the configuration files under `config/`, by the name they have there. */
  readonly config: readonly { readonly name: string; readonly path: string }[];
  readonly warnings: readonly Warning[];
  /** Subjects of `file-missing` and `file-orphan` warnings as of this snapshot, known at the last *ok* one or not. */
  readonly known: readonly Warning[];
  readonly program: string;
}
