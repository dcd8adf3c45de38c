import type { DatabaseSync, StatementSync } from "node:sqlite";

import type { OneRow, RowBatch, RowKey, RowRange, TableReader, TableSchema } from "../database.ts";
import { keyOf } from "../rows.ts";
import { collationsOf } from "./collation.ts";
import { decodeBound, type Parameter } from "./bounds.ts";
import { databaseFailure, sqliteCode, sqliteErrorCode } from "./failure.ts";
import { quoteName } from "./identifier.ts";
import { tableKind } from "./inspect.ts";
import { all, databaseBytes, number, text } from "./query.ts";
import { lineBytes, lineExpression, needsSingles, type TextEncoding } from "./row-sql.ts";

/** Half a MiB and what it is copied to stay in the processor's cache, and in memory that the C library keeps for the next. */
export const defaultTargetBytes = 512 * 1024;
/** SQLite makes no value that is larger: rows of which a few are more than this are read one by one. */
const mostGroupBytes = 2 * 1024 * 1024;
/** Parts of a table have at least so many numbers as keys, and there are no more of them than the database has such pieces. */
const partNumbers = 1024n;
const partBytes = 3 * 1024 * 1024;
/** Rows asked for before their size is known, and at most. */
const firstRows = 256;
const mostRows = 8192;

/**
 * Reads a table in batches, each one statement that yields all its lines as one value: SQLite encodes and joins them, and
 * JavaScript touches no row. Each batch begins after the last key of the one before, so no statement stays open between them.
 */
export class SqliteTableReader implements TableReader {
  readonly table: TableSchema;
  readonly #connection: DatabaseSync;
  readonly #encoding: TextEncoding;
  readonly #statements = new Map<string, StatementSync>();
  #collated: ReadonlyMap<string, string> | undefined;
  /** How many rows of this table a batch had before; as long as their size is not known, few. */
  #usualRows = firstRows;

  constructor(connection: DatabaseSync, table: TableSchema, encoding: TextEncoding) {
    this.#connection = connection;
    this.table = table;
    this.#encoding = encoding;
  }

  async estimatedRows(): Promise<number> {
    return number(all(this.#connection, `SELECT count(*) AS rows FROM ${this.#from()}`)[0], "rows");
  }

  /**
   * Keys at which the table can be cut into parts that are read one beside the other, none if it is small. Only where the
   * key is a number: then they are found without reading. Where numbers are missing, parts are smaller.
   */
  cuts(): readonly RowKey[] {
    const [key] = this.#keyColumns();
    if (this.table.keyLength !== 1 || key === undefined) return [];
    const statement = this.#statement(
      "ends",
      () =>
        `SELECT (SELECT min(${key}) FROM ${this.#from()}) AS first, (SELECT max(${key}) FROM ${this.#from()}) AS last`,
    );
    const { first, last } = statement.get() ?? {};
    // Its key holds no reals, so all are integers if both ends are.
    if (typeof first !== "bigint" || typeof last !== "bigint") return [];
    const most = BigInt(Math.floor(databaseBytes(this.#connection) / partBytes));
    const numbers = last - first + 1n;
    const parts = numbers / partNumbers < most ? numbers / partNumbers : most;
    return Array.from({ length: Math.max(0, Number(parts) - 1) }, (_, at) => {
      return `i${first + (numbers * BigInt(at + 1)) / parts}`;
    });
  }

  async *read(
    range: RowRange | OneRow,
    signal: AbortSignal,
    targetBytes = defaultTargetBytes,
  ): AsyncGenerator<RowBatch> {
    const rowid = this.table.keyLength === 0 ? this.#rowidName() : undefined;
    try {
      if (this.table.keyLength === 0 && rowid === undefined) yield* this.#stream(signal, targetBytes);
      else yield* this.#pages(range, rowid, signal, targetBytes);
    } catch (error) {
      throw databaseFailure("database-unreadable", { subject: this.table.name }, error);
    }
  }

  async *#pages(
    range: RowRange | OneRow,
    rowid: string | undefined,
    signal: AbortSignal,
    targetBytes: number,
  ): AsyncGenerator<RowBatch> {
    const cursor = rowid === undefined ? new KeyCursor(this.table, this.#keyColumns(), range) : new RowidCursor(rowid);
    let rows = this.#usualRows;
    for (;;) {
      signal.throwIfAborted();
      const page = this.#group(cursor, rows) ?? this.#singles(cursor, rows, targetBytes);
      const { batch } = page;
      if (batch.rows === 0) return;
      // Before the batch is given away: its memory may then go to another thread.
      const last = batch.rows < rows && !page.more;
      if (!last) cursor.advance(batch.lines, page.last);
      const fitting = Math.floor((targetBytes * batch.rows) / Math.max(1, batch.lines.length));
      rows = Math.max(1, Math.min(fitting, rows * 4, mostRows));
      this.#usualRows = rows;
      yield batch;
      if (last) return;
    }
  }

  /** The next `rows` rows in one value; undefined when that were too large, or one of them has to be read by itself. */
  #group(cursor: Cursor, rows: number): Page | undefined {
    const where = cursor.where();
    const statement = this.#statement(
      `group ${where.sql}`,
      () =>
        // Each line brings its LF: one put behind them all would copy them all, into new memory.
        `SELECT CAST(group_concat(line,'') AS BLOB) AS lines, count(*) AS rows, max(last) AS last FROM (SELECT ` +
        `${lineExpression(this.table.columns, this.#encoding, "grouped")}||char(10) AS line, ${cursor.lastExpression} AS last ` +
        `FROM ${this.#from()} ${where.sql} ${cursor.order} LIMIT ?)`,
    );
    const row = this.#bounded(() => statement.get(...where.parameters, BigInt(rows)));
    if (row === "too-large") return undefined;
    const value = row?.["lines"];
    if (!(value instanceof Uint8Array)) return { batch: { lines: Buffer.alloc(0), rows: 0 }, last: null, more: false };
    const lines = lineBytes(value, this.#encoding);
    if (needsSingles(lines)) return undefined;
    return { batch: { lines, rows: Number(row?.["rows"]) }, last: asRowid(row?.["last"]), more: false };
  }

  #bounded<T>(work: () => T): T | "too-large" {
    const { limits } = this.#connection;
    limits.length = mostGroupBytes;
    try {
      return work();
    } catch (error) {
      if (sqliteErrorCode(error) === sqliteCode.tooBig) return "too-large";
      throw error;
    } finally {
      limits.length = Infinity;
    }
  }

  /** Up to `rows` rows one by one, until `targetBytes` are reached. */
  #singles(cursor: Cursor, rows: number, targetBytes: number): Page {
    const where = cursor.where();
    const statement = this.#statement(
      `single ${where.sql}`,
      () =>
        `SELECT CAST(${lineExpression(this.table.columns, this.#encoding, "single")}||char(10) AS BLOB) AS line, ` +
        `${cursor.lastExpression} AS last FROM ${this.#from()} ${where.sql} ${cursor.order} LIMIT ?`,
    );
    const lines: Buffer[] = [];
    let bytes = 0;
    let last: bigint | null = null;
    let more = false;
    for (const row of statement.iterate(...where.parameters, BigInt(rows))) {
      const line = this.#line(row["line"]);
      lines.push(line);
      last = asRowid(row["last"]);
      bytes += line.length;
      if (bytes >= targetBytes) {
        more = true;
        break;
      }
    }
    return { batch: { lines: Buffer.concat(lines), rows: lines.length }, last, more };
  }

  /** For a table that has neither key nor rowid to go on from: one statement from first to last row. */
  async *#stream(signal: AbortSignal, targetBytes: number): AsyncGenerator<RowBatch> {
    const line = lineExpression(this.table.columns, this.#encoding, "single");
    const statement = this.#connection.prepare(`SELECT CAST(${line}||char(10) AS BLOB) AS line FROM ${this.#from()}`);
    let lines: Buffer[] = [];
    let bytes = 0;
    for (const row of statement.iterate()) {
      const next = this.#line(row["line"]);
      lines.push(next);
      bytes += next.length;
      if (bytes < targetBytes) continue;
      signal.throwIfAborted();
      yield { lines: Buffer.concat(lines), rows: lines.length };
      lines = [];
      bytes = 0;
    }
    if (lines.length > 0) yield { lines: Buffer.concat(lines), rows: lines.length };
  }

  #line(value: unknown): Buffer {
    return value instanceof Uint8Array ? lineBytes(value, this.#encoding) : Buffer.alloc(0);
  }

  #statement(name: string, sql: () => string): StatementSync {
    const known = this.#statements.get(name);
    if (known !== undefined) return known;
    const statement = this.#connection.prepare(sql());
    statement.setReadBigInts(true);
    this.#statements.set(name, statement);
    return statement;
  }

  #from(): string {
    return `main.${quoteName(this.table.name)}`;
  }

  /** Key columns as SQL compares and sorts them by bytes. */
  #keyColumns(): readonly string[] {
    const key = this.table.columns.slice(0, this.table.keyLength).map(({ name }) => name);
    this.#collated ??= collationsOf(this.#connection, this.table, key);
    const collated = this.#collated;
    // Named where it is not needed, BINARY keeps SQLite from using an index for `(a,b) > (?,?)`.
    return key.map((name) => (collated.has(name) ? `${quoteName(name)} COLLATE BINARY` : quoteName(name)));
  }

  /** A name by which SQLite gives the rowid: any of three, unless a column has taken it. */
  #rowidName(): string | undefined {
    if (tableKind(this.#connection, this.table.name).withoutRowid) return undefined;
    const taken = new Set(
      all(this.#connection, "SELECT name FROM pragma_table_xinfo(?, 'main')", this.table.name).map((row) =>
        text(row, "name").toLowerCase(),
      ),
    );
    return ["rowid", "_rowid_", "oid"].find((name) => !taken.has(name));
  }
}

interface Page {
  readonly batch: RowBatch;
  readonly last: bigint | null;
  /** The page ended for its size, not for want of rows. */
  readonly more: boolean;
}

/** Where the next page begins. */
interface Cursor {
  /** Yields what `advance` needs besides the lines. */
  readonly lastExpression: string;
  readonly order: string;
  where(): { readonly sql: string; readonly parameters: readonly Parameter[] };
  advance(lines: Buffer, last: bigint | null): void;
}

class KeyCursor implements Cursor {
  readonly lastExpression = "NULL";
  readonly order: string;
  readonly #key: string;
  readonly #keyLength: number;
  readonly #only: RowKey | undefined;
  readonly #upTo: RowKey | undefined;
  #after: RowKey | undefined;

  constructor(table: TableSchema, columns: readonly string[], range: RowRange | OneRow) {
    this.#keyLength = table.keyLength;
    if ("only" in range) this.#only = range.only;
    else {
      this.#after = range.after;
      this.#upTo = range.upTo;
    }
    this.order = `ORDER BY ${columns.join(",")}`;
    this.#key = table.keyLength === 1 ? columns.join() : `(${columns.join(",")})`;
  }

  where(): { readonly sql: string; readonly parameters: readonly Parameter[] } {
    const conditions: string[] = [];
    const parameters: Parameter[] = [];
    const add = (operator: string, key: string | undefined): void => {
      if (key === undefined) return;
      const bound = decodeBound(key, this.#keyLength);
      const value = this.#keyLength === 1 ? bound.placeholders : `(${bound.placeholders})`;
      conditions.push(`${this.#key} ${operator} ${value}`);
      parameters.push(...bound.parameters);
    };
    add("=", this.#only);
    add(">", this.#after);
    add("<=", this.#upTo);
    return { sql: conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`, parameters };
  }

  advance(lines: Buffer): void {
    this.#after = keyOf(lines, this.#keyLength, lines.lastIndexOf(0x0a, -2) + 1, lines.length - 1);
  }
}

class RowidCursor implements Cursor {
  readonly lastExpression: string;
  readonly order: string;
  readonly #name: string;
  #after: bigint | null = null;

  constructor(name: string) {
    this.#name = name;
    this.lastExpression = name;
    this.order = `ORDER BY ${name}`;
  }

  where(): { readonly sql: string; readonly parameters: readonly Parameter[] } {
    if (this.#after === null) return { sql: "", parameters: [] };
    return { sql: `WHERE ${this.#name} > ?`, parameters: [this.#after] };
  }

  advance(_lines: Buffer, last: bigint | null): void {
    this.#after = last;
  }
}

function asRowid(value: unknown): bigint | null {
  return typeof value === "bigint" ? value : null;
}
