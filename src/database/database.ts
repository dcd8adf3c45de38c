import type { LogFollowing } from "./change-feed.ts";
import type { PrivateServer } from "./private-server.ts";
import type { RowMode, RowTransaction } from "./row-transaction.ts";

/**
 * Rows: what all database engines share. An engine turns a database into a schema and, per table, lines in key
 * order; and lines back into a database. What a run or a base is, it does not know: that is `contents/`.
 *
 * A row is one line of bytes: fields separated by TAB in the order of `TableSchema.columns`, each field escaped by
 * the engine so that a line holds no raw TAB, LF, CR or NUL; NULL is `\N`. The key's columns come first in
 * `columns`, so a row's key is its first `keyLength` fields, byte for byte.
 */

/**
 * Where a database is. The URL is as the operator wrote it and never holds a secret; a password that is known from a
 * reference or from the CRM's own configuration comes beside it, and what else the engine's own client would look at
 * (`.pgpass`, `~/.my.cnf`, its environment) is looked at by the engine.
 */
export interface DatabaseAddress {
  readonly url: string;
  readonly password?: string;
}

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
  /** Of which table `table` is a partition: the row is in one of them, and each has a foreign key of its own here. */
  readonly partitioned?: string;
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
  readonly sequences: readonly {
    readonly name: string;
    readonly value: string;
    /** `false`: `value` itself was not handed out yet (PostgreSQL). */
    readonly called?: boolean;
  }[];
  /** Statements that give owners and rights, each good by itself: a restore runs those that it is asked to. */
  readonly grants?: readonly string[];
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

/** The row with just this key. */
export interface OneRow {
  readonly only: RowKey;
}

export interface RowBatch {
  /** Whole lines, each ended by LF. */
  readonly lines: Buffer;
  readonly rows: number;
  /** Where each line ends, behind its LF; absent: it has to be looked for. */
  readonly ends?: Int32Array;
  /** Gives the memory of `lines` back for a later batch, where it is worth it. Not called: the garbage collector does. */
  readonly release?: () => void;
}

/** Sums over a stretch of rows: of `rowHash` of their keys and of their whole lines, modulo 2^64. */
export interface RowSums {
  readonly rows: number;
  readonly keySum: bigint;
  readonly rowSum: bigint;
}

/** Sums of the lower and the upper 32 bits of hashes; exact for two million of them. */
export interface HashSum {
  low: number;
  high: number;
}

/**
 * Reads one table at one moment, in key order (`keyOrder`); unkeyed tables in any order. Where the engine's own order is
 * another one, the rows come in that, and whoever reads sorts them.
 */
export interface TableReader {
  readonly table: TableSchema;
  /** An estimate, for predictions and progress. */
  estimatedRows(): Promise<number>;
  /**
   * Batches of about `targetBytes` (default 1 MiB). Asked for one row, it gives those whose keys are equal to the
   * database, of which a collation may see several: `findRow` takes the one whose bytes are.
   */
  read(range: RowRange | OneRow, signal: AbortSignal, targetBytes?: number): AsyncIterable<RowBatch>;
  /**
   * Sums computed by the database itself, one for each stretch that is asked for. Absent: it cannot; `undefined`: it cannot
   * for this table or these stretches (its text is in another encoding, say). Then the rows must be read. Each row is in one
   * stretch; where the database's order of keys is another one than `keyOrder`, not always in the one that its bytes say.
   */
  sums?(stretches: Stretches, what: SumsOf, signal: AbortSignal): Promise<readonly RowSums[] | undefined>;
  /** The rows of stretches, or their keys alone, in any order. There where `sums` is. */
  rowsIn?(stretches: Stretches, what: "rows" | "keys", signal: AbortSignal): AsyncIterable<RowBatch>;
  /** What `changes` of a later reader has to know of this moment: opaque, short. Absent or `undefined`: it cannot tell. */
  mark?(signal: AbortSignal): Promise<string | undefined>;
  /** Rows with these keys, and maybe others that the database sees as equal, one more than once, in any order. */
  readonly rowsOf?: ((keys: readonly RowKey[], signal: AbortSignal) => AsyncIterable<RowBatch>) | undefined;
  /** What was written since the moment of that mark; `undefined` when the mark is of no use any more. */
  changes?(mark: string, signal: AbortSignal): Promise<WrittenRows | undefined>;
}

/** A table in stretches by its keys: the first begins before all, each other one with its key, up to the next one's. */
export interface Stretches {
  /** First keys of the second stretch and of those after it, in order. */
  readonly starts: readonly RowKey[];
  /** Numbers of the stretches that are asked for, ascending; absent: all. */
  readonly only?: readonly number[];
  /** With no starts: a key from about the middle. A server that works with one thread a statement sums up two halves at once. */
  readonly middle?: RowKey;
  /** Waited for after each statement that summed up stretches: a server that others use has time for them then. */
  readonly pause?: (() => Promise<void>) | undefined;
}

/** What is summed up; the other sums are 0 then. The hash of a row is of its key too; without a key, both sums are of rows. */
export type SumsOf = "counts" | "keys" | "rows";

/** Of how many stretches one is compared in full by each backup, as a check on what the database tells. */
export const auditEvery = 30;

/** How the database tells what changed, best first; the last is to read all. */
export const changeMethods = ["journal", "wal", "xmin", "hash", "read"] as const;
export type ChangeMethod = (typeof changeMethods)[number];

/** Rows that were touched since the snapshot compared with, as the journal tells, which knows what is gone as well. */
export interface FollowedRows {
  /** Whole lines as they are now, in any order; read to their end before `gone`. */
  rows(): AsyncIterable<RowBatch>;
  /** Keys of rows that are gone, each a line, in any order. */
  gone(): AsyncIterable<RowBatch>;
}

/** Rows that were written, as the database tells them without giving all. What is gone it does not tell. */
export interface WrittenRows {
  /** How they are found; what may take the server a while is not waited for until it is asked. */
  method(): Promise<"wal" | "xmin">;
  /** Rows that are new or may have changed, whole lines in any order. */
  rows(): AsyncIterable<RowBatch>;
}

/** One consistent moment of a database; a scope. */
export interface DatabaseSnapshot extends AsyncDisposable {
  readonly schema: DatabaseSchema;
  /** Where in the engine's log this moment is, as text; SQLite has no log: its version counters and the file's time. */
  readonly position: string;
  /**
   * Where in the log everything is that this moment holds: at or behind it, in the form of `LogPosition`. Absent: where `position` says.
   */
  logEnd?(): Promise<string | undefined>;
  reader(table: TableSchema): TableReader;
}

/** What the user that we connect as may not do and a backup needs, for `doctor`. */
export interface DatabaseRights {
  readonly user: string;
  readonly missing: readonly { readonly subject: string; readonly right: string }[];
  /** SQL, to be run by an administrator, that makes a user with the least rights that a backup needs. */
  readonly script: string;
}

export interface ServerLoad {
  /** What others have done so far, in transactions or statements: a number that only grows. */
  readonly others: number;
  /** How long the server took for a small piece of work, by its own clock. */
  readonly answerMs: number;
}

/** Absent: everything. */
export type SnapshotOf = "everything" | "rows";

export interface DatabaseSource extends AsyncDisposable {
  /** As the operator wrote it, without secrets. */
  readonly location: string;
  /** `rows`: tables for sure; definitions, for which a server must be asked at length, may be left out. */
  inspect(signal: AbortSignal, what?: SnapshotOf): Promise<DatabaseSchema>;
  /** Quick and rough, for predictions: from statistics and sizes, without reading the rows. */
  estimate(signal: AbortSignal): Promise<{ readonly tables: number; readonly rows: number; readonly bytes: number }>;
  /** `rows`: for who only reads them; its schema may lack definitions, and its readers' `mark` then tells nothing; `changes` does as ever. */
  snapshot(signal: AbortSignal, what?: SnapshotOf): Promise<DatabaseSnapshot>;
  /** Servers only. */
  rights?(signal: AbortSignal): Promise<DatabaseRights>;
  /** Servers only: the best way in which what changed since a backup can be found here, for this user. */
  changesBy?(signal: AbortSignal): Promise<Exclude<ChangeMethod, "journal">>;
  /** Servers only: how it is just now; quick, and on a session that does nothing else. `undefined`: just now it cannot be told. */
  load?(signal: AbortSignal): Promise<ServerLoad | undefined>;
}

export interface ConnectOptions {
  readonly signal: AbortSignal;
  /** Most connections that a server should be asked for; absent: the engine's own choice. */
  readonly connections?: number;
  /** Told when a table that somebody else has locked is waited for; when that takes too long, `database-busy` names it. */
  readonly onWait?: (facts: { readonly subject?: string; readonly reason?: string }) => void;
  /** Names of tables whose rows nobody will read, such as caches: a snapshot keeps nobody from emptying or altering them. */
  readonly unread?: readonly string[];
}

/** Rows of one table for a restore: lines in key order, each ended by LF. */
export interface TableRows {
  readonly table: TableSchema;
  readonly batches: AsyncIterable<RowBatch>;
}

export interface DatabaseEngine {
  /** Following its changes; absent: it cannot. */
  readonly log?: LogFollowing;
  readonly name: DatabaseSchema["engine"];
  /** Whether `url` is one of this engine's (`sqlite:…`). */
  accepts(url: string): boolean;
  connect(address: DatabaseAddress, options: ConnectOptions): Promise<DatabaseSource>;
  /** Builds a new database, which must not exist; removed again when anything fails. */
  load(
    address: DatabaseAddress,
    schema: DatabaseSchema,
    tables: AsyncIterable<TableRows>,
    options: LoadOptions,
  ): Promise<void>;
  /**
   * The engine's own check of its files, and rows that refer to rows that are not there. `loaded`: of a database that `load`
   * has made just now, so what the engine itself has compared then need not be compared again.
   */
  check(address: DatabaseAddress, signal: AbortSignal, what?: "loaded"): Promise<DatabaseFindings>;
  /** 64-bit hash of one row's line without LF, the same in every release: sums of it stand in `ranges`. */
  rowHash(line: Buffer, start: number, end: number): bigint;
  /** Adds it to a sum, without making a number of 64 bits of it, and read word by word: this runs for every row of a CRM. */
  addRowHash(sum: HashSum, lines: DataView, start: number, end: number): void;
  /** The order of a table's keys as lines hold them: <0, 0, >0. Equal only when the bytes are equal. */
  keyOrder(table: TableSchema): (a: RowKey, b: RowKey) => number;
  /** One field of a line for a person: NULL is `null`, binary `x'…'`. The field is a latin1 string of bytes. */
  readable(field: string, column: ColumnSchema): string | null;
  /** The value of a field that is text; `undefined` for NULL, numbers, binary, and text that is none. */
  textOf(field: string, column: ColumnSchema): string | undefined;
  /** The other way round: a value as a person types it, or NULL, as a field of a line. `x'…'` is binary where the column is. */
  lineField(text: string | null, column: ColumnSchema): string;
  /**
   * A value of another column, as a person reads it, as this one writes it: with its places, with a time. `undefined`: it
   * cannot be held as it is.
   */
  fitted(text: string, column: ColumnSchema): string | undefined;
  /**
   * What a search finds in a column: texts (`textOf` gives them), whole numbers, in any of its fields the one or the other
   * (`mixed`: a text begins with `"`, a number with `i`), texts that stand in lines otherwise than as UTF-8 (`coded`: no signature
   * knows them), or nothing.
   */
  searchable(column: ColumnSchema): "text" | "number" | "mixed" | "coded" | "nothing";
  /**
   * A row's change as a statement of SQL, without a semicolon: INSERT where there was none, DELETE where there shall be
   * none, else UPDATE of what differs. Whole lines without LF, latin1 strings of bytes.
   */
  rowSql(table: TableSchema, before: string | undefined, after: string | undefined): string;
  /** `restore.sql`: loads the folder with the engine's own client alone. */
  restoreScript(schema: DatabaseSchema, tables: readonly StoredTableLayout[]): string;
  /** Tables whose rows the schema's own statements compute from others when it is loaded: not the stored ones. Absent: none. */
  computedTables?(schema: DatabaseSchema): ReadonlySet<string>;
  /**
   * The same schema, which computes anew what holds what other rows hold, for where these are not given as they are stored.
   * `ifPossible`: what cannot be computed here stays as it was, instead of failing. Absent: there is nothing such.
   */
  computingAnew?(schema: DatabaseSchema, how: "always" | "ifPossible"): DatabaseSchema;
  /** Runs statements on an existing database, all in one transaction or none (neutralising a clone). */
  execute(address: DatabaseAddress, statements: readonly string[], signal: AbortSignal): Promise<void>;
  /** The first value of what one statement gives, for a person to judge; `null` for NULL and for no row at all. */
  ask(address: DatabaseAddress, statement: string, signal: AbortSignal): Promise<string | null>;
  /** Finds and changes single rows of a database that is in use, all in one transaction or none. */
  rows<T>(
    address: DatabaseAddress,
    mode: RowMode,
    signal: AbortSignal,
    work: (rows: RowTransaction) => Promise<T>,
  ): Promise<T>;
  /** Who else holds the database open: processes on this machine, or sessions of a server. */
  holders(address: DatabaseAddress, signal: AbortSignal): Promise<readonly DatabaseHolder[]>;
  /** What a database is to the world outside: a file, or a name on a server. */
  readonly home: FileHome | ServerHome;
}

export interface LoadOptions {
  readonly signal: AbortSignal;
  /** Owners and rights of the snapshot, absent: `restore`; `skip`: all belongs to whoever restores. */
  readonly grants?: "restore" | "skip";
  /** `onward`: rows come from elsewhere than the counters do, so one that is behind its rows is moved on. Absent: as given. */
  readonly counters?: "as-given" | "onward";
  /** Statements that failed, for a role that is not there say, or a view of what is not there: nothing else fails for that. */
  readonly onRefused?: (statement: string, reason: string) => void;
  /**
   * Told of tables what their rows sum up to, by the database's own account once they are in: whatever is built after that
   * changes none. Not told of a table: its engine cannot, or not cheaper than by reading the rows.
   */
  readonly onSums?: (table: TableSchema, sums: LoadedSums) => void;
}

/** The hash of a row is of all of it, its key too. */
export type LoadedSums = Pick<RowSums, "rows" | "rowSum">;

/** A database is a file of its own. */
export interface FileHome {
  readonly kind: "file";
  /** Files that make up the database, the one that names it first (SQLite: the file, its `-wal`, its `-shm`), there or not. */
  files(url: string): readonly string[];
  /** Those of `files` that hold data (not SQLite's `-shm`): somebody who only reads changes none, but may make an empty one. */
  dataFiles(url: string): readonly string[];
  /** The URL of a database of this engine in a file at this absolute path. */
  urlOf(path: string): string;
}

/**
 * A database is a name on a server. A restore makes a new one beside it and trades the names: `engine/swap-database.ts`
 * does the steps, and takes them up again after a crash, with no more than these.
 */
export interface ServerHome {
  readonly kind: "server";
  /** The same server and login, another database: this one's name with that ending, cut before it so that the server keeps all of it. */
  extended(address: DatabaseAddress, ending: string): DatabaseAddress;
  /** Such a one: what a restore with this id builds, and keeps what it replaced in. */
  beside(address: DatabaseAddress, id: string, role: "new" | "old"): DatabaseAddress;
  /**
   * What tells a database from any other that had or will have its name, and goes along when it is renamed (PostgreSQL:
   * its oid); `undefined` when there is no such database.
   */
  identity(address: DatabaseAddress, signal: AbortSignal): Promise<string | undefined>;
  /** Changes when anything in the database does; cheap. What a plan saw, so that `apply` can tell that it moved. */
  witness(address: DatabaseAddress, signal: AbortSignal): Promise<string>;
  /** Digest of all that the database is made of but its rows, the same under any name: what is dropped or altered changes it. */
  contents(address: DatabaseAddress, signal: AbortSignal): Promise<string>;
  /** Gives the database the name of `to`, where none may be. Fails with `target-in-use` while others are connected. */
  rename(address: DatabaseAddress, to: DatabaseAddress, signal: AbortSignal): Promise<void>;
  /** Names of what `rename` cannot take along: an undo comes back without it. Absent: it takes everything. */
  leftByRename?(address: DatabaseAddress, signal: AbortSignal): Promise<readonly string[]>;
  /**
   * What makes anew the empty database that is at this address, which has no identity and goes when another one is given its name; `undefined`
   * where none is. Absent: an empty one is a database like any other.
   */
  emptyAt?(address: DatabaseAddress, signal: AbortSignal): Promise<string | undefined>;
  /** Makes such an empty database, unless there is one of that name. */
  makeEmpty?(address: DatabaseAddress, how: string, signal: AbortSignal): Promise<void>;
  /** Finishes a rename to this name that was cut off, if there is one. Absent: the server renames at once or not at all. */
  settle?(to: DatabaseAddress, signal: AbortSignal): Promise<void>;
  /** Removes the database if it is there. */
  drop(address: DatabaseAddress, signal: AbortSignal): Promise<void>;
  /**
   * Starts a server of its own for a copy, from programs that are installed here. Fails with `server-program-missing`,
   * `server-unsupported` or `server-not-started`.
   */
  privateServer(place: PrivateServerPlace, signal: AbortSignal): Promise<PrivateServer>;
}

export interface PrivateServerPlace {
  /** URL of the database that is copied: the copy gets its name. */
  readonly like: string;
  readonly schema: DatabaseSchema;
  /** Absolute path of a folder that is there; the server's own is made in it. */
  readonly parent: string;
}

export interface DatabaseFindings {
  /** In the engine's words; empty when the files are sound. */
  readonly damage: readonly string[];
  /** One a relation: `deal -> contact: 3`. A sound database may have them; a restore must not add to them. */
  readonly orphans: readonly string[];
}

export interface DatabaseHolder {
  /** Of the process, or the server's number of the session. */
  readonly pid: number;
  /** The program's name, or what the session calls itself; never arguments or SQL: they may hold secrets. */
  readonly command: string;
}

/** Where a stored table's rows lie, relative to the folder of `restore.sql`, in the order of applying. */
export interface StoredTableLayout {
  readonly table: TableSchema;
  /** `tables/main/party_party/base/0000/rows` … */
  readonly base: readonly string[];
  readonly runs: readonly { readonly rows: string; readonly deleted: string }[];
}
