import type {
  ColumnSchema,
  OneRow,
  RowBatch,
  RowKey,
  RowRange,
  RowSums,
  TableReader,
  TableSchema,
} from "../database.ts";
import { columnKind } from "./column-kind.ts";
import { malformedField, unescapeField } from "./field.ts";
import { quoteName, quoteText } from "./identifier.ts";
import { LineEncoder } from "./line-encoder.ts";
import { hashedLine, selectList } from "./line-sql.ts";
import type { FieldSink, Row } from "./session.ts";

const defaultBatchBytes = 1 << 20;

/** Sessions that all see one moment; each is used by one statement at a time. */
export interface Sessions {
  /** Whether the server computes the row hash. */
  readonly hashes: boolean;
  ask(sql: string): Promise<readonly Row[]>;
  stream(sql: string, sink: FieldSink): AsyncGenerator<RowBatch, void>;
}

export class MysqlTableReader implements TableReader {
  readonly table: TableSchema;
  readonly #sessions: Sessions;
  /** In whose order rows are read. */
  readonly #index: string | undefined;

  constructor(table: TableSchema, index: string | undefined, sessions: Sessions) {
    this.table = table;
    this.#index = index;
    this.#sessions = sessions;
  }

  async estimatedRows(): Promise<number> {
    const [row] = await this.#sessions.ask(
      `SELECT IFNULL(TABLE_ROWS,0) FROM information_schema.TABLES WHERE TABLE_SCHEMA=DATABASE() AND TABLE_NAME=${quoteText(this.table.name)}`,
    );
    return Number(row?.[0] ?? 0);
  }

  async *read(
    range: RowRange | OneRow,
    signal: AbortSignal,
    targetBytes = defaultBatchBytes,
  ): AsyncGenerator<RowBatch, void> {
    const { table } = this;
    const sql = `SELECT ${selectList(table)} FROM ${this.#source()}${this.#where(range)}${this.#order()}`;
    for await (const batch of this.#sessions.stream(sql, new LineEncoder(table, targetBytes))) {
      signal.throwIfAborted();
      yield batch;
    }
  }

  /** MariaDB from 10.8 on has both halves of the row hash. */
  async sums(signal: AbortSignal, range: RowRange = {}): Promise<RowSums | undefined> {
    signal.throwIfAborted();
    if (!this.#sessions.hashes) return undefined;
    const { columns, keyLength } = this.table;
    const key = hashedLine(columns.slice(0, keyLength));
    // A line that is longer than a packet comes out as NULL, and is then missing in the first sum.
    const sql =
      `SELECT COUNT(*),SUM((CRC32(@l:=${hashedLine(columns)})<<32)|CRC32C(@l)),COUNT(@l)` +
      (keyLength === 0 ? "" : `,SUM((CRC32(@k:=${key})<<32)|CRC32C(@k))`) +
      ` FROM ${quoteName(this.table.name)}${this.#where(range)}`;
    const [[rows, rowSum, hashed, keySum = rowSum] = []] = await this.#sessions.ask(sql);
    if (rows !== hashed) return undefined;
    return { rows: Number(rows), rowSum: modulo(rowSum), keySum: modulo(keySum) };
  }

  #source(): string {
    const index = this.#index === undefined ? "" : ` FORCE INDEX FOR ORDER BY (${quoteName(this.#index)})`;
    return quoteName(this.table.name) + index;
  }

  #order(): string {
    if (this.#index === undefined) return "";
    return ` ORDER BY ${this.#keyNames().join(",")}`;
  }

  #keyNames(): readonly string[] {
    return this.table.columns.slice(0, this.table.keyLength).map(({ name }) => quoteName(name));
  }

  #where(range: RowRange | OneRow): string {
    if ("only" in range) return ` WHERE ${this.#is(range.only)}`;
    const { after, upTo } = range;
    const conditions = [
      ...(after === undefined ? [] : [this.#beyond(after, ">", ">")]),
      ...(upTo === undefined ? [] : [this.#beyond(upTo, "<", "<=")]),
    ];
    return conditions.length === 0 ? "" : ` WHERE ${conditions.join(" AND ")}`;
  }

  #is(key: RowKey): string {
    const fields = this.#fieldsOf(key);
    const columns = this.table.columns.slice(0, fields.length);
    return columns
      .map((column, at) => `${quoteName(column.name)}=${keyLiteral(column, fields[at] ?? "")}`)
      .join(" AND ");
  }

  #fieldsOf(key: RowKey): readonly string[] {
    const fields = key.split("\t");
    if (fields.length !== this.table.keyLength) throw malformedField(key);
    return fields;
  }

  /** `(a > 1 OR (a = 1 AND b > 2))`: unlike a comparison of rows, the server finds it through the index. */
  #beyond(key: RowKey, strict: string, last: string): string {
    const { columns, keyLength } = this.table;
    const fields = this.#fieldsOf(key);
    const build = (at: number): string => {
      const column = columns[at];
      const field = fields[at];
      if (!column || field === undefined) throw malformedField(key);
      const name = quoteName(column.name);
      const value = keyLiteral(column, field);
      if (at === keyLength - 1) return `${name}${last}${value}`;
      return `(${name}${strict}${value} OR (${name}=${value} AND ${build(at + 1)}))`;
    };
    return build(0);
  }
}

/** A value of a key as SQL, such that the server may use its index. */
function keyLiteral(column: ColumnSchema, field: string): string {
  const value = unescapeField(field);
  if (value === undefined) throw malformedField(field);
  const kind = columnKind(column);
  switch (kind) {
    case "integer":
      if (!/^-?\d{1,20}$/.test(value)) throw malformedField(field);
      return value;
    case "float":
      if (!/^-?[\d.]+(?:e[+-]?\d+)?$/i.test(value)) throw malformedField(field);
      return value;
    case "hex":
      if (!/^(?:[0-9A-F]{2})*$/.test(value)) throw malformedField(field);
      return `X'${value}'`;
    default:
      return `_utf8mb4 X'${Buffer.from(value, "latin1").toString("hex")}'`;
  }
}

function modulo(sum: string | null | undefined): bigint {
  return BigInt.asUintN(64, BigInt(sum ?? 0));
}
