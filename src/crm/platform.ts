import type { DatabaseAddress, RowBatch, TableSchema } from "../database/database.ts";
import type { AnonymiseKind } from "../lib/anonymise-kinds.ts";
import type { FieldRules } from "./column-texts.ts";
import type { ByteName } from "../lib/byte-name.ts";
import type { CrmFiles } from "./crm-files.ts";
import type { CrmModel, ModelSource } from "./model.ts";

/**
 * A CRM platform: what it is made of, which row owns which file, and what a clone must not do. One file a platform.
 */
export interface Platform {
  readonly name: string;
  /** Human name: "Tryton". */
  readonly title: string;
  /** Looks at a folder; configuration is read as data, never executed. Surest first; empty: not this platform. */
  detect(folder: string): Promise<readonly DetectedCrm[]>;
  /** From a CRM's entry in `holdfast.yaml` to its parts. Fails with a clear error when a part cannot be named. */
  parts(description: CrmDescription): Promise<CrmParts>;
  /** How a clone is made safe; `undefined`: it cannot be, and `--as clone` is refused. */
  neutralise(description: CrmDescription): Neutralise | undefined;
  /**
   * Rewrites a configuration file that was restored into another folder, so that the CRM finds its parts there (for a
   * clone after `Neutralise.config`). `undefined`: leave it as it is.
   */
  relocate?(name: string, text: string, placed: PlacedParts): string | undefined;
  /** Where a folder must lie beside the database that a restore elsewhere makes; absent: where it lay before. */
  folderPath?(folder: PlacedParts["folders"][number], databases: PlacedParts["databases"]): string;
  /** What its tables mean to a person. Absent, or `undefined`: every table is an entity, related by the foreign keys that are declared. */
  model?(source: ModelSource, description?: CrmDescription): Promise<CrmModel | undefined>;
  /** What a person does after a restore: keys of `words` under `afterRestore`. */
  readonly afterRestore: readonly string[];
  /** How people are kept out while it is restored in place, and let in again: keys of `words` under `maintenance`. */
  readonly maintenance?: { readonly on: string; readonly off: string };
  /**
   * The version of the program that would use what is restored: of the machine, or beside the configuration. Absent, or
   * `undefined`: there is none, or it does not tell.
   */
  readonly installed?: (placed: PlacedParts) => Promise<string | undefined>;
  /** How many parts of a version two programs must share to use one database: 2 of `6.0.29`. Absent: all. */
  readonly versionParts?: number;
  /**
   * Starts a restored and neutralised copy, for a drill, so that it serves this machine alone. Absent, or `undefined`: the
   * program is not installed here, or nothing is known of starting it.
   */
  readonly start?: (copy: RestoredCopy, signal: AbortSignal) => Promise<RunningCopy | undefined>;
  /** What it stores encrypted, and how to open it with the keys of a restored copy. Absent: nothing that we can open. */
  readonly secrets?: (files: CrmFiles) => Promise<readonly StoredSecret[]>;
}

/** Name of the folder that holds the CRM's own program, for platforms that back it up. */
export const programFolder = "program";

/** A CRM that was restored to a place of its own. Paths absolute. */
export interface RestoredCopy {
  readonly databases: readonly DatabasePart[];
  readonly folders: PlacedParts["folders"];
  readonly config: CrmParts["config"];
  /** An empty folder for what running it needs; it goes when the drill ends. */
  readonly scratch: string;
}

/** A copy that answers; a scope, which stops it. */
export interface RunningCopy extends AsyncDisposable {
  /** What the application says is in a field of a record, by table, key and column; `undefined`: it has no such record. */
  ask(table: string, key: string, column: string): Promise<string | undefined>;
}

/** A column that holds what the CRM encrypted with its keys. */
export interface StoredSecret {
  /** Absent: the main one. */
  readonly database?: string;
  readonly table: string;
  readonly column: string;
  /** Only rows where this column has this text. */
  readonly where?: { readonly column: string; readonly equals: string };
  /** Column of the same row that `open` needs as well: the key of each of Twenty's workspaces is another one. */
  readonly context?: string;
  /**
   * `plain`: this value is not encrypted, so it proves nothing. `opened`: it is, and the keys open it. `closed`: they do not.
   * Where the cipher has no seal of its own, `opened` means that readable text came out.
   */
  readonly open: (value: string, context: string | undefined) => "plain" | "opened" | "closed";
}

/** A key without which a restored copy lacks something for ever. It is part of the backup like its file. */
export interface KeyPart {
  /** As a person reads it: `cryptKey`, `custom/blowfish`. */
  readonly name: string;
  /** The file that it stands in, or that it is; absolute. */
  readonly path: string;
  readonly state: "found" | "missing";
  /** What is lost without it: key of `words` under `keyUses`. */
  readonly use: string;
  /** It is needed only while rows say so: those with something in this column. Absent: it always is. */
  readonly usedBy?: readonly { readonly table: string; readonly column: string; readonly like?: RegExp }[];
}

/** What `init` writes to `holdfast.yaml`. Paths absolute. */
export interface DetectedCrm {
  readonly platform: string;
  readonly name: string;
  /** URL: `sqlite:/srv/tryton/crm.sqlite`. */
  readonly database: string;
  /** Written for `custom` only; a known platform finds them again by itself. */
  readonly files: readonly string[];
  /** `crm.configuration`, where the platform reads one. */
  readonly configuration?: string;
  /** Written for `custom` only; `folder` is the last part of one of `files`. */
  readonly attachments: readonly CustomAttachment[];
  readonly version?: string;
  /** Databases of the same server that could not be asked whether they are such ones, too; absent: there are none. */
  readonly unasked?: readonly string[];
}

/** A CRM as `holdfast.yaml` describes it, paths absolute. */
export interface CrmDescription {
  readonly name: string;
  readonly platform: string;
  /** The CRM's own configuration file, where the platform reads one (`trytond.conf`). */
  readonly configuration?: string;
  readonly database?: string;
  /** Where the database's password is, never the password: `file:/etc/holdfast/database`. */
  readonly databasePassword?: string;
  readonly files: readonly FilesDescription[];
  readonly excludes: readonly string[];
  /** `custom` only: which column of which table names which file. */
  readonly attachments: readonly CustomAttachment[];
  /** `custom` only: SQL statements that make a clone harmless. */
  readonly neutralise: readonly string[];
  /** What is put in place of values when a copy is anonymised: by entity or table, and column. */
  readonly anonymise?: Readonly<Record<string, Readonly<Record<string, AnonymiseKind>>>>;
  /** `custom` only: what its tables mean to a person, beside the foreign keys that it declares. */
  readonly entities?: readonly CustomEntity[];
  readonly references?: readonly CustomReference[];
}

export interface CustomEntity {
  readonly table: string;
  /** What a person types; absent: the table's name. */
  readonly name?: string;
  /** Columns that name a record. */
  readonly title: readonly string[];
  /** Column that says that a row is gone: by a number, or by a time. */
  readonly deleted?: string;
}

export interface CustomReference {
  /** `table.column`, as `to`. */
  readonly from: string;
  readonly to: string;
  /** Absent: `refers`. */
  readonly kind?: "belongs" | "links" | "refers";
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

/** `password`: from the CRM's own configuration, where there is one. */
export interface DatabasePart extends DatabaseAddress {
  readonly name: string;
}

export interface CrmParts {
  readonly version?: string;
  readonly databases: readonly DatabasePart[];
  readonly folders: readonly { readonly name: string; readonly path: string; readonly excludes: readonly string[] }[];
  readonly config: readonly { readonly name: string; readonly path: string }[];
  /** Tables whose rows are left out (sessions, caches); the tables themselves are restored empty. */
  readonly emptyTables: readonly string[];
  /** What this backup cannot hold: `reason` is a key of `words` under `uncovered`. */
  readonly uncovered: readonly Uncovered[];
  /** Absent: there are none. */
  readonly keys?: readonly KeyPart[];
  /** Which rows own which files; absent: none do on this CRM, as far as its description tells. */
  readonly attachments?: AttachmentRule;
}

export interface Uncovered {
  readonly subject: string;
  readonly reason: string;
  /** `nothing`: it is made again by itself, so it is told, and is no warning. Absent: something is. */
  readonly loses?: "nothing";
}

/** Where parts lie after a restore into another folder. */
export interface PlacedParts {
  readonly databases: readonly { readonly name: string; readonly url: string }[];
  readonly folders: readonly { readonly name: string; readonly path: string }[];
  /** Absent: not known. */
  readonly config?: readonly { readonly name: string; readonly path: string }[];
}

/** Which rows own which files. Fed with the batches of the tables that it owns files of, as they are captured. */
export interface AttachmentRule {
  readonly ownsFiles: (table: TableSchema) => boolean;
  /**
   * Folder name (of `CrmParts.folders`, or one that is missing there because nothing is on disk yet) and path relative
   * to it, for each row that owns a file.
   */
  readonly files: (table: TableSchema, batch: RowBatch, rules: FieldRules) => Iterable<OwnedFile>;
  /**
   * Whether a file in this folder that no row owns is worth naming (not a thumbnail, not another database's). A file
   * that appeared after the database's moment is never worth naming: its row may have come later too.
   */
  readonly ownable: (folder: string, path: ByteName) => boolean;
  /** Places that rows keep files in and the backup does not have (`AwsS3`), as often as rows do: a backup names each. */
  readonly outside?: (table: TableSchema, batch: RowBatch, rules: FieldRules) => Iterable<Uncovered>;
  /** Rows that say where files are: small tables, shown to it whole before it is asked for any file. */
  readonly places?: {
    readonly tellsOf: (table: TableSchema) => boolean;
    readonly see: (table: TableSchema, batch: RowBatch, rules: FieldRules) => void;
  };
}

export interface OwnedFile {
  readonly folder: string;
  readonly path: ByteName;
  /** The row, ready to show: `ir_attachment 12`. */
  readonly row: string;
}

/** Makes a restored copy harmless before anything can start. Fails closed. */
export interface Neutralise {
  /**
   * Statements run on the restored database, in one transaction. Throws `clone-unsupported` when what must be
   * switched off is not where it is expected. `database`: its name in `CrmParts.databases`.
   */
  readonly statements: (tables: readonly TableSchema[], database: string) => readonly string[];
  /** Rewrites a restored configuration file; `undefined` leaves it. */
  readonly config?: (name: string, text: string) => string | undefined;
  /** What was switched off, for the plan: keys of `words` under `neutralised`. */
  readonly summary: readonly string[];
}
