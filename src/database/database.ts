/**
 * Rows: what all database engines share. An engine turns a database into a schema and, per table, lines in key
 * order; and lines back into a database. What a run or a base is, it does not know: that is `contents/`.
 *
 * A row is one line of bytes: fields separated by TAB in the order of `TableSchema.columns`, each field escaped by
 * the engine so that a line holds no raw TAB, LF, CR or NUL; NULL is `\N`. The key's columns come first in
 * `columns`, so a row's key is its first `keyLength` fields, byte for byte.
 */
export interface ColumnSchema {
  readonly name: string;
  /** As declared to the engine. */
  readonly type: string;
  readonly nullable: boolean;
}

export interface ForeignKey {
  readonly columns: readonly string[];
  readonly table: string;
  readonly tableSchema?: string;
  readonly referenced: readonly string[];
}

export interface TableSchema {
  /** Namespace inside the database (`main` for SQLite). */
  readonly schema: string;
  readonly name: string;
  /** Stored columns only, key columns first. Generated columns are left to the database. */
  readonly columns: readonly ColumnSchema[];
  /** How many of `columns` form the key; 0: the table has no usable key and is captured whole each time. */
  readonly keyLength: number;
  /** Why there is no key, for the report: key of `words`, absent when there is one. */
  readonly unkeyedBecause?: "no-key" | "nullable-key" | "real-key" | "utf16-key";
  readonly foreignKeys: readonly ForeignKey[];
  /** Changes whenever a stored row could mean something else: columns, types, order, collation. */
  readonly fingerprint: string;
}

export interface DatabaseSchema {
  readonly engine: "sqlite" | "postgres" | "mysql";
  readonly engineVersion: string;
  readonly tables: readonly TableSchema[];
  /** Settings that a restore must repeat (SQLite: `encoding`, `page_size`, `user_version`, `application_id`, …). */
  readonly settings: Readonly<Record<string, string | number>>;
  /** Sequences that must not fall behind: `sqlite_sequence` for SQLite. */
  readonly sequences: readonly { readonly name: string; readonly value: string }[];
  /** DDL in two halves, statements in order. */
  readonly before: readonly string[];
  readonly after: readonly string[];
  /** What cannot be captured, and why: shown in every report. */
  readonly uncovered: readonly { readonly subject: string; readonly reason: string }[];
}

/** A key as lines hold it: `keyLength` fields joined by TAB, still escaped. latin1 string of bytes. */
export type RowKey = string;

export interface RowRange {
  /** Rows with a key above this one; absent: from the first. */
  readonly after?: RowKey;
  /** Rows with a key up to and including this one; absent: to the last. */
  readonly upTo?: RowKey;
}

export interface RowBatch {
  /** Whole lines, each ended by LF. */
  readonly lines: Buffer;
  readonly rows: number;
}

/** Reads one table at one moment, in key order (`compareKeys`); unkeyed tables in any order. */
export interface TableReader {
  readonly table: TableSchema;
  /** An estimate, for predictions and progress. */
  estimatedRows(): Promise<number>;
  /** Batches of about `targetBytes` (default 1 MiB). */
  read(range: RowRange, signal: AbortSignal, targetBytes?: number): AsyncIterable<RowBatch>;
}

/** One consistent moment of a database; a scope. */
export interface DatabaseSnapshot extends AsyncDisposable {
  readonly schema: DatabaseSchema;
  /** Where in the engine's log this moment is, as text; SQLite has no log: its version counters and the file's time. */
  readonly position: string;
  reader(table: TableSchema): TableReader;
}

export interface DatabaseSource extends AsyncDisposable {
  /** As the operator wrote it, without secrets. */
  readonly location: string;
  inspect(signal: AbortSignal): Promise<DatabaseSchema>;
  /** Quick and rough, for predictions: from statistics and sizes, without reading the rows. */
  estimate(signal: AbortSignal): Promise<{ readonly tables: number; readonly rows: number; readonly bytes: number }>;
  snapshot(signal: AbortSignal): Promise<DatabaseSnapshot>;
}

/** Rows of one table for a restore: lines in key order, each ended by LF. */
export interface TableRows {
  readonly table: TableSchema;
  readonly batches: AsyncIterable<RowBatch>;
}

export interface DatabaseEngine {
  readonly name: DatabaseSchema["engine"];
  /** Whether `url` is one of this engine's (`sqlite:…`). */
  accepts(url: string): boolean;
  connect(url: string, signal: AbortSignal): Promise<DatabaseSource>;
  /** Builds a new database at `url`, which must not exist; removed again when anything fails. */
  load(url: string, schema: DatabaseSchema, tables: AsyncIterable<TableRows>, signal: AbortSignal): Promise<void>;
  /** The engine's own check of its files, and rows that refer to rows that are not there. */
  check(url: string, signal: AbortSignal): Promise<DatabaseFindings>;
  /** 64-bit hash of one row's line without LF, the same in every release: sums of it stand in `ranges`. */
  rowHash(line: Buffer, start: number, end: number): bigint;
  /** Compares two keys as lines hold them: <0, 0, >0. Equal only when the bytes are equal. */
  compareKeys(a: RowKey, b: RowKey): number;
  /** One field of a line for a person: NULL is `null`, binary `x'…'`. The field is a latin1 string of bytes. */
  readable(field: string): string | null;
  /** `restore.sql`: loads the folder with the engine's own client alone. */
  restoreScript(schema: DatabaseSchema, tables: readonly StoredTableLayout[]): string;
  /**
   * Files that make up the database, the one that names it first (SQLite: the file, its `-wal`, its `-shm`), whether
   * they are there or not; empty for servers.
   */
  files(url: string): readonly string[];
  /** Those of `files` that hold data (not SQLite's `-shm`): somebody who only reads changes none, but may make an empty one. */
  dataFiles(url: string): readonly string[];
  /** The URL of a database of this engine in a file at this absolute path; servers fail with `database-unsupported`. */
  urlOfFile(path: string): string;
  /** Runs statements on an existing database, all in one transaction or none (neutralising a clone). */
  execute(url: string, statements: readonly string[], signal: AbortSignal): Promise<void>;
  /** Processes other than this one that hold the database open. */
  holders(url: string): Promise<readonly DatabaseHolder[]>;
}

export interface DatabaseFindings {
  /** In the engine's words; empty when the files are sound. */
  readonly damage: readonly string[];
  /** One a relation: `deal -> contact: 3`. A sound database may have them; a restore must not add to them. */
  readonly orphans: readonly string[];
}

export interface DatabaseHolder {
  readonly pid: number;
  /** The program's name, never its arguments: they may hold secrets. */
  readonly command: string;
}

/** Where a stored table's rows lie, relative to the folder of `restore.sql`, in the order of applying. */
export interface StoredTableLayout {
  readonly table: TableSchema;
  /** `tables/main/party_party/base/0000/rows` … */
  readonly base: readonly string[];
  readonly runs: readonly { readonly rows: string; readonly deleted: string }[];
}
