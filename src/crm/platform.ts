import type { RowBatch, TableSchema } from "../database/database.ts";

/**
 * A CRM platform: what it is made of, which row owns which file, and what a clone must not do. One file a platform.
 */
export interface Platform {
  readonly name: string;
  /** Human name: "Tryton". */
  readonly title: string;
  /** Looks at a folder; configuration is read as data, never executed. `undefined`: not this platform. */
  detect(folder: string): Promise<DetectedCrm | undefined>;
  /** From a CRM's entry in `holdfast.yaml` to its parts. Fails with a clear error when a part cannot be named. */
  parts(description: CrmDescription): Promise<CrmParts>;
  /** Absent: rows do not own files on this platform, as far as we know. */
  readonly attachments?: AttachmentRule;
  /** Absent: a clone cannot be made safe, and `--as clone` is refused. */
  readonly neutralise?: Neutralise;
  /** What a person does after a restore: keys of `words` under `afterRestore`. */
  readonly afterRestore: readonly string[];
}

/** What `init` writes to `holdfast.yaml`. */
export interface DetectedCrm {
  readonly platform: string;
  readonly name: string;
  readonly database: string;
  readonly files: readonly string[];
  readonly config: readonly string[];
  readonly version?: string;
}

/** A CRM as `holdfast.yaml` describes it, paths absolute. */
export interface CrmDescription {
  readonly name: string;
  readonly platform: string;
  /** The CRM's own configuration file, where the platform reads one (`trytond.conf`). */
  readonly configuration?: string;
  readonly database?: string;
  readonly files: readonly FilesDescription[];
  readonly excludes: readonly string[];
  /** `custom` only: which column of which table names which file. */
  readonly attachments: readonly CustomAttachment[];
  /** `custom` only: SQL statements that make a clone harmless. */
  readonly neutralise: readonly string[];
}

export interface FilesDescription {
  readonly name: string;
  readonly path: string;
}

export interface CustomAttachment {
  readonly table: string;
  /** Column with the file's path relative to `folder`. */
  readonly column: string;
  /** Name of one of `files`. */
  readonly folder: string;
}

export interface CrmParts {
  readonly version?: string;
  readonly databases: readonly { readonly name: string; readonly url: string }[];
  readonly folders: readonly { readonly name: string; readonly path: string; readonly excludes: readonly string[] }[];
  readonly config: readonly { readonly name: string; readonly path: string }[];
  /** Tables whose rows are left out (sessions, caches); the tables themselves are restored empty. */
  readonly emptyTables: readonly string[];
  readonly uncovered: readonly { readonly subject: string; readonly reason: string }[];
}

/** Which rows own which files. Fed with the batches of the named tables as they are captured. */
export interface AttachmentRule {
  readonly tables: (parts: CrmParts, description: CrmDescription) => readonly string[];
  /** Folder name and byte path relative to it, for each row that owns a file. */
  readonly files: (
    table: TableSchema,
    batch: RowBatch,
    description: CrmDescription,
  ) => Iterable<{ readonly folder: string; readonly path: string; readonly row: string }>;
  /** Whether a file in this folder that no row owns is worth naming (not a thumbnail or cache). */
  readonly ownable: (folder: string, path: string) => boolean;
}

/** Makes a restored copy harmless before anything can start. Fails closed. */
export interface Neutralise {
  /** Statements run on the restored database, in one transaction. */
  readonly statements: (description: CrmDescription, tables: readonly TableSchema[]) => readonly string[];
  /** Rewrites a restored configuration file; `undefined` leaves it. */
  readonly config?: (name: string, text: string) => string | undefined;
  /** What was switched off, for the plan: keys of `words` under `neutralised`. */
  readonly summary: readonly string[];
}
