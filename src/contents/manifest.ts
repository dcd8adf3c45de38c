import type { CrmDescription } from "../crm/platform.ts";
import type { Id } from "../format/tree.ts";
import { type Warning, warningCodes } from "../lib/events.ts";
import { type Check, count, hexId, list, object, oneOf, optional, parseChecked, text } from "./checked.ts";

/** `holdfast.json` in each snapshot: what the snapshot is, in our own terms. */
export type BackupKind = "full" | "incremental" | "differential";
export type Outcome = "ok" | "warning";

export interface TableManifest {
  readonly schema: string;
  readonly name: string;
  /** Folder below `databases/<db>/`. */
  readonly folder: string;
  readonly rows: number;
  /**
   * The table's last full: when it was, and the tree id of its `base/`. The base is what later snapshots hold too, so
   * this stays good when the full itself is forgotten.
   */
  readonly lastFull: { readonly snapshotTime: string; readonly tree: Id };
  readonly fingerprint: string;
  /** What the engine needs to tell changes since this snapshot; absent: it cannot. */
  readonly mark?: string;
}

export interface DatabaseManifest {
  readonly name: string;
  readonly engine: string;
  readonly engineVersion: string;
  /** Where it was, as the operator wrote it, without secrets; a restore in place goes there. */
  readonly location: string;
  /** Permissions (`st_mode & 0o7777`) and owner of the database's file; absent for servers. */
  readonly file?: { readonly permissions: number; readonly uid: number; readonly gid: number };
  readonly position: string;
  /** Which of the thirty parts of the tables' ranges was read in full as a check of what the database told. */
  readonly audit?: number;
  readonly tables: readonly TableManifest[];
}

export interface FolderManifest {
  /** Name of the root below `files/`. */
  readonly name: string;
  /** Absolute path it was captured from. */
  readonly path: string;
  readonly files: number;
  readonly bytes: number;
  /** Patterns of what the backup left out. */
  readonly excludes: readonly string[];
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

const warning: Check<Warning> = object({ code: oneOf(warningCodes), subject: text, detail: optional(text) });

const description: Check<CrmDescription> = object({
  name: text,
  platform: text,
  configuration: optional(text),
  database: optional(text),
  files: list(object({ name: text, path: text })),
  excludes: list(text),
  attachments: list(object({ table: text, column: text, folder: text })),
  neutralise: list(text),
  entities: optional(list(object({ table: text, name: optional(text), title: list(text), deleted: optional(text) }))),
  references: optional(list(object({ from: text, to: text, kind: optional(oneOf(["belongs", "links", "refers"])) }))),
});

const table: Check<TableManifest> = object({
  schema: text,
  name: text,
  folder: text,
  rows: count,
  lastFull: object({ snapshotTime: text, tree: hexId }),
  fingerprint: text,
  mark: optional(text),
});

const manifest: Check<Manifest> = object({
  format: oneOf([1]),
  crm: object({ name: text, platform: text, version: optional(text) }),
  description,
  kind: oneOf(["full", "incremental", "differential"]),
  outcome: oneOf(["ok", "warning"]),
  startedAt: text,
  finishedAt: text,
  parent: optional(hexId),
  lastFull: optional(hexId),
  databases: list(
    object({
      name: text,
      engine: text,
      engineVersion: text,
      location: text,
      file: optional(object({ permissions: count, uid: count, gid: count })),
      position: text,
      audit: optional(count),
      tables: list(table),
    }),
  ),
  folders: list(
    object({ name: text, path: text, files: count, bytes: count, excludes: list(text), lastFullTree: hexId }),
  ),
  config: list(object({ name: text, path: text })),
  warnings: list(warning),
  known: list(warning),
  program: text,
});

/** Fails with `repository-damaged` unless `json` is a whole manifest. */
export function parseManifest(json: string): Manifest {
  return parseChecked(json, manifest, "holdfast.json");
}

export function serialiseManifest(value: Manifest): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
