import { hash } from "node:crypto";
import {
  type Change,
  type GapReason,
  gapReasons,
  type KnownTables,
  type LogPoint,
  outsideReasons,
  type OutsideTable,
  type TableId,
} from "../../database/change-feed.ts";
import type { TableSchema } from "../../database/database.ts";
import { maxChunk } from "../../format/chunker.ts";
import type { Id } from "../../format/tree.ts";
import {
  type Check,
  count,
  damaged,
  hexId,
  list,
  object,
  oneOf,
  optional,
  parseChecked,
  text,
  utcTime,
} from "../checked.ts";
import { tableCheck } from "../schema-file.ts";

/**
 * A segment is what was told in about a second: lines of which the first is a header as JSON, and each other one a record,
 * its fields separated by TAB. It can be read by itself; a transaction may begin in one segment and end in a later one.
 *
 * ```
 * T  NUMBER TABLE          what a number stands for in this segment: schema, name, columns, key, as JSON
 * B  TRANSACTION TIME      a transaction begins
 * O  NUMBER LINE           the row of the next record as it was
 * K  NUMBER KEY            its key, where that was another one
 * W  NUMBER LINE           the row is now so
 * D  NUMBER KEY            the row is gone
 * X  NUMBER                all rows of the table are gone
 * C  POSITION TIME         the transaction is committed
 * S  SEQUENCES             where sequences are by now, as JSON
 * ```
 *
 * What says which moments can be had, gaps and tables outside of the journal, stands in the header.
 */
export interface SegmentHeader {
  readonly holdfast: "journal";
  readonly format: 1;
  readonly crm: string;
  readonly database: string;
  readonly history: string;
  /** One more than that of the segment before. */
  readonly number: number;
  /** Id of the segment before; absent in the first one, and where the one before was lost. */
  readonly previous?: Id;
  /** Where it begins and ends. */
  readonly from: LogPoint;
  readonly to: LogPoint;
  readonly transactions: number;
  readonly rows: number;
  /** It does not follow the one before: changes between the two were not told. */
  readonly anew?: GapReason;
  readonly gaps?: readonly Gap[];
  /** Tables outside of the journal from here on; absent: as before. */
  readonly outside?: readonly OutsideTable[];
  /** Stands for all tables and their columns, from here on; absent: as before. */
  readonly tables?: string;
  /** Ids of more blobs with all its records, in order, where these are longer than a blob can be. The first is only the header then. */
  readonly rest?: readonly Id[];
}

/** Changes of these tables from one point to another that the journal lacks. */
export interface Gap {
  readonly tables: readonly TableId[];
  readonly reason: GapReason;
  readonly from: LogPoint;
  readonly to: LogPoint;
}

export const point: Check<LogPoint> = object({ position: text, time: utcTime, seen: optional(utcTime) });

export const gap: Check<Gap> = object({
  tables: list(object({ schema: text, name: text })),
  reason: oneOf(gapReasons),
  from: point,
  to: point,
});
export const outsideTables = list(object({ schema: text, name: text, reason: oneOf(outsideReasons) }));
const sequencesCheck = list(object({ name: text, value: text }));

const header: Check<SegmentHeader> = object({
  holdfast: oneOf(["journal"]),
  format: oneOf([1]),
  crm: text,
  database: text,
  history: text,
  number: count,
  previous: optional(hexId),
  from: point,
  to: point,
  transactions: count,
  rows: count,
  anew: optional(oneOf(gapReasons)),
  gaps: optional(list(gap)),
  outside: optional(outsideTables),
  tables: optional(text),
  rest: optional(list(hexId)),
});

/** As its blobs: the first begins with the header, and its id is the segment's. */
export interface BuiltSegment {
  readonly header: SegmentHeader;
  readonly bytes: Buffer;
  /** As the header names them. */
  readonly rest: readonly Buffer[];
}

export function segmentLength({ bytes, rest }: Pick<BuiltSegment, "bytes" | "rest">): number {
  return rest.reduce((sum, piece) => sum + piece.length, bytes.length);
}

/** What whoever keeps the journal says of a segment. */
export type SegmentFacts = Omit<
  SegmentHeader,
  "holdfast" | "format" | "transactions" | "rows" | "gaps" | "outside" | "tables" | "rest"
>;

/** Gathers changes until they are worth a segment. */
export class SegmentBuilder {
  #records: string[] = [];
  #tables = new Map<TableSchema, number>();
  #rows = 0;
  #transactions = 0;
  #gaps: Gap[] = [];
  #known: KnownTables | undefined;
  #content: "nothing" | "something" = "nothing";
  bytes = 0;

  /** Whether there is anything but that there was nothing. */
  get isEmpty(): boolean {
    return this.#content === "nothing";
  }

  /** Whether a segment with this would say nothing of tables that were outside of the journal for a part of it. */
  wouldForget(change: Change): boolean {
    if (change.type !== "tables" || !this.#known) return false;
    return JSON.stringify(change.outside) !== JSON.stringify(this.#known.outside);
  }

  add(change: Change): void {
    if (change.type !== "reached") this.#content = "something";
    switch (change.type) {
      case "begin":
        this.#push(`B\t${change.transaction}\t${change.time}\n`);
        break;
      case "write": {
        const table = this.#table(change.table);
        if (change.before !== undefined) this.#push(`O\t${table}\t${change.before}\n`);
        if (change.oldKey !== undefined) this.#push(`K\t${table}\t${change.oldKey}\n`);
        this.#push(`W\t${table}\t${change.after}\n`);
        this.#rows++;
        break;
      }
      case "delete": {
        const table = this.#table(change.table);
        if (change.before !== undefined) this.#push(`O\t${table}\t${change.before}\n`);
        this.#push(`D\t${table}\t${change.key}\n`);
        this.#rows++;
        break;
      }
      case "truncate":
        this.#push(`X\t${this.#table(change.table)}\n`);
        this.#rows++;
        break;
      case "commit":
        this.#push(`C\t${change.point.position}\t${change.point.time}\n`);
        this.#transactions++;
        break;
      case "reached":
        // The header says how far it goes.
        break;
      case "gap": {
        const { tables, reason, from, to } = change;
        this.#gaps.push({ tables, reason, from, to });
        break;
      }
      case "sequences":
        this.#push(`S\t${bytesOf(JSON.stringify(change.sequences))}\n`);
        break;
      case "tables":
        this.#known = change;
    }
  }

  /** The segment; the builder begins anew. */
  take(facts: SegmentFacts): BuiltSegment {
    const records = Buffer.from(this.#records.join(""), "latin1");
    const rest = records.length > longestInOne ? inPieces(records) : [];
    const line: SegmentHeader = {
      holdfast: "journal",
      format: 1,
      ...facts,
      transactions: this.#transactions,
      rows: this.#rows,
      ...(this.#gaps.length > 0 && { gaps: this.#gaps }),
      ...(this.#known && { outside: this.#known.outside, tables: this.#known.digest }),
      ...(rest.length > 0 && { rest: rest.map((piece) => hash("sha256", piece, "hex")) }),
    };
    const head = Buffer.from(`${JSON.stringify(line)}\n`, "utf8");
    const bytes = rest.length > 0 ? head : Buffer.concat([head, records]);
    this.#records = [];
    this.#tables = new Map();
    this.#rows = 0;
    this.#transactions = 0;
    this.#gaps = [];
    this.#known = undefined;
    this.#content = "nothing";
    this.bytes = 0;
    return { header: line, bytes, rest };
  }

  #table(table: TableSchema): number {
    const known = this.#tables.get(table);
    if (known !== undefined) return known;
    const number = this.#tables.size;
    this.#tables.set(table, number);
    const { schema, name, columns, keyLength, fingerprint } = table;
    const told = JSON.stringify({ schema, name, columns, keyLength, foreignKeys: [], fingerprint });
    this.#push(`T\t${number}\t${bytesOf(told)}\n`);
    return number;
  }

  #push(record: string): void {
    this.#records.push(record);
    this.bytes += record.length;
  }
}

/** Of records. A blob holds more, since the header of a database with many tables is long too. */
const longestInOne = maxChunk - (2 << 20);

/** A row may be longer than a blob. */
function inPieces(records: Buffer): readonly Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < records.length; at += maxChunk) pieces.push(records.subarray(at, at + maxChunk));
  return pieces;
}

/** UTF-8 as a latin1 string of bytes. */
function bytesOf(json: string): string {
  return Buffer.from(json, "utf8").toString("latin1");
}

const subject = "journal segment";

/** `undefined`: no segment at all. Fails with `repository-damaged` where it is one that makes no sense. */
export function readSegmentHeader(bytes: Buffer): SegmentHeader | undefined {
  if (!bytes.subarray(0, magic.length).equals(magic)) return undefined;
  const end = bytes.indexOf(10);
  if (end < 0) throw damaged(subject, "header");
  return parseChecked(bytes.toString("utf8", 0, end), header, subject);
}

const magic = Buffer.from('{"holdfast":"journal",');

/** The records of a segment as what they stand for. */
export function* readSegment(bytes: Buffer): Generator<Change, void> {
  const tables = new Map<string, TableSchema>();
  let before: string | undefined;
  let oldKey: string | undefined;
  for (let at = bytes.indexOf(10) + 1; at < bytes.length;) {
    const end = bytes.indexOf(10, at);
    if (end < 0) throw damaged(subject, "record");
    const letter = String.fromCharCode(bytes[at] ?? 0);
    const first = bytes.indexOf(9, at + 2);
    const split = first < 0 || first > end ? end : first;
    const one = (): string => bytes.toString("latin1", at + 2, split);
    const rest = (): string => bytes.toString("latin1", Math.min(split + 1, end), end);
    const json = (): string => bytes.toString("utf8", at + 2, end);
    const table = (): TableSchema => {
      const found = tables.get(one());
      if (!found) throw damaged(subject, "table");
      return found;
    };
    switch (letter) {
      case "T":
        tables.set(one(), parseChecked(bytes.toString("utf8", split + 1, end), tableCheck, subject));
        break;
      case "B":
        yield { type: "begin", transaction: one(), time: utcTime(rest(), subject) };
        break;
      case "O":
        before = rest();
        break;
      case "K":
        oldKey = rest();
        break;
      case "W":
        yield {
          type: "write",
          table: table(),
          after: rest(),
          ...(before !== undefined && { before }),
          ...(oldKey !== undefined && { oldKey }),
        };
        before = undefined;
        oldKey = undefined;
        break;
      case "D":
        yield { type: "delete", table: table(), key: rest(), ...(before !== undefined && { before }) };
        before = undefined;
        break;
      case "X":
        yield { type: "truncate", table: table() };
        break;
      case "C":
        yield { type: "commit", point: { position: one(), time: utcTime(rest(), subject) } };
        break;
      case "S":
        yield { type: "sequences", sequences: parseChecked(json(), sequencesCheck, subject) };
        break;
      default:
        throw damaged(subject, `record ${letter}`);
    }
    at = end + 1;
  }
}
