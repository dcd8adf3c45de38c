import { HoldfastError } from "../lib/errors.ts";
import type { DatabaseAddress, RowKey, TableSchema } from "./database.ts";

/**
 * Committed changes of a database, as its own log tells them: what the journal is made of. Transactions come one after the
 * other in the order of their commits, each with all its rows, and never one that was rolled back.
 *
 * A position is where a transaction ended in the log. Positions of one history compare as texts; those of two say nothing
 * of each other.
 */
export type LogPosition = string;

/** Of a log's own words for a place or a transaction: they come from a repository, where anybody may have written them. */
export function expectWord(word: string, form: RegExp): string {
  if (form.test(word)) return word;
  throw new HoldfastError("repository-damaged", { subject: "journal", detail: word.slice(0, 40) });
}

export interface LogPoint {
  readonly position: LogPosition;
  /** RFC 3339, by the server's clock. */
  readonly time: string;
  /**
   * Up to when the tables are known to have been as they were told, where the log itself does not tell of it. RFC 3339; absent: up to
   * here. Should they turn out to be other ones afterwards, nobody knows since when.
   */
  readonly seen?: string;
}

/** One thing that a feed tells. Lines are rows as readers give them, without LF: latin1 strings of bytes. */
export type Change =
  /** What was told before of a transaction that was not committed does not count: it was rolled back, or is told anew. */
  | {
      readonly type: "begin";
      /** The server's number of the transaction: PostgreSQL's 64-bit xid, MariaDB's GTID. */
      readonly transaction: string;
      readonly time: string;
    }
  /** The row is now `after`. */
  | {
      readonly type: "write";
      readonly table: TableSchema;
      /** May have fields that are `unchangedField`: then they are what the row had before. */
      readonly after: string;
      /** The whole row as it was, where the log tells it. */
      readonly before?: string;
      /** Key of the row before, where it is known and another one. */
      readonly oldKey?: RowKey;
      /** There was none before. A feed says so; the journal does not keep it. */
      readonly row?: "new";
    }
  /** The row is gone. */
  | { readonly type: "delete"; readonly table: TableSchema; readonly key: RowKey; readonly before?: string }
  | { readonly type: "truncate"; readonly table: TableSchema }
  | { readonly type: "commit"; readonly point: LogPoint }
  /** Up to here there is nothing more than what was told. */
  | { readonly type: "reached"; readonly point: LogPoint }
  /** From `from` to `to`, changes of these tables were not told. */
  | {
      readonly type: "gap";
      readonly tables: readonly TableId[];
      readonly reason: GapReason;
      readonly from: LogPoint;
      readonly to: LogPoint;
    }
  /** Where sequences are at this time: at or beyond where they were at any commit told so far. */
  | { readonly type: "sequences"; readonly sequences: readonly SequenceState[] }
  /** The database's tables are known anew. */
  | ({ readonly type: "tables" } & KnownTables);

/** What a feed knows of the tables as of now. */
export interface KnownTables {
  /** Changes whenever a table comes, goes or is altered. */
  readonly digest: string;
  /** What it cannot follow. */
  readonly outside: readonly OutsideTable[];
}

export interface SequenceState {
  /** As `DatabaseSchema.sequences` names it. */
  readonly name: string;
  readonly value: string;
}

export interface TableId {
  readonly schema: string;
  readonly name: string;
}

/** For maps: no name holds a NUL. */
export function tableName({ schema, name }: TableId): string {
  return `${schema}\0${name}`;
}

/** Why a table's changes are not told: key of `words` under `outsideReasons`. */
export const outsideReasons = [
  "no-identity", // no key, or the log does not tell it
  "unlogged",
  "large-objects",
  "rights",
  "busy", // somebody holds it; tried again
  "engine", // MySQL's engines without transactions
  "history", // MariaDB's tables that keep what their rows were: its log does not tell that from what they are
  "cascade", // rows that MariaDB changes by a foreign key's rule, which its log does not tell
  "type", // a column whose values the log has in another form
] as const;
export type OutsideReason = (typeof outsideReasons)[number];

export interface OutsideTable extends TableId {
  readonly reason: OutsideReason;
}

/** Why there is a gap: key of `words` under `gapReasons`. */
export const gapReasons = [
  "begun", // nobody followed before
  "unwatched", // a database without a log, at which nobody looked for a while
  "slot-lost",
  "log-purged",
  "other-server",
  "acknowledged-elsewhere", // the server was told that changes are safe, and they are not here
  "schema",
  "log-form", // the log has changes in another form than as whole rows
  "table-added",
  "journal-damaged",
] as const;
export type GapReason = (typeof gapReasons)[number];

/** Stands in a line for a value that an update left alone and the log does not repeat. No reader writes such a field. */
export const unchangedField = "\\U";

/** Where a feed stopped. */
export interface FeedPlace extends LogPoint {
  readonly history: string;
  /** `KnownTables.digest` as of there: the log tells rows of an altered table by columns that nobody knows any more. */
  readonly tables: string | undefined;
}

export interface FeedOptions {
  readonly signal: AbortSignal;
  /** What the feed may call its things on the server (a slot, a publication): `[a-z0-9_]`, at most 50. */
  readonly name: string;
  /** Goes on behind this point, where it still can; absent: from now on. */
  readonly from?: FeedPlace;
  /** Bytes of log that the server may keep for us, before the feed gives it up. */
  readonly mostLagBytes: number;
  /** Least time between two looks, for an engine that has no log. */
  readonly intervalMs: number;
  /** A server that says nothing for so long is lost: a network that is cut in the middle tells nobody. */
  readonly silenceMs: number;
}

/** A scope. Whoever stops reading `changes` stops the feed. */
export interface ChangeFeed extends AsyncDisposable {
  /** Which log this is: positions of one history follow each other. */
  readonly history: string;
  /** Where it begins, and why not where it was asked to, if so. */
  readonly start: LogPoint;
  readonly startedAnew?: GapReason;
  /** Bytes of log that the server keeps until they are acknowledged; absent: it keeps none for us. */
  readonly heldBytes?: number;
  changes(): AsyncIterable<readonly Change[]>;
  /** Everything up to here is kept elsewhere now: the server may forget it. */
  acknowledge(position: LogPosition): Promise<void>;
}

/**
 * So far may the time of a place in a log be off, in milliseconds: some servers give times as whole seconds, and when a feed began
 * is known a moment after it did. What a log that was made anew has at the same positions is told apart by its time alone.
 */
export const placeTimeSlackMs = 3000;

/**
 * How long a commit may take from its time to its place in the log, at most, in milliseconds. That it is flushed and sent comes on top,
 * however long.
 */
export const commitMarginMs = 1000;

/** Where a snapshot is in the log. */
export interface SnapshotPoint {
  readonly history: string;
  /** A position at or before the snapshot. */
  readonly position: LogPosition;
  /** RFC 3339, by the server's clock. */
  readonly time: string;
  /** Whether it holds this transaction. */
  holds(transaction: { readonly transaction: string; readonly position: LogPosition }): boolean;
}

/** What an engine can tell of its log; a part of `DatabaseEngine`. */
export interface LogFollowing {
  /** From `DatabaseSnapshot.position`, which may come from anywhere; `undefined`: it says nothing of a log. */
  pointOf(position: string): SnapshotPoint | undefined;
  follow(address: DatabaseAddress, options: FeedOptions): Promise<ChangeFeed>;
}
