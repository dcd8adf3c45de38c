import type {
  ColumnSchema,
  OneRow,
  RowBatch,
  RowKey,
  RowRange,
  RowSums,
  Stretches,
  SumsOf,
  TableReader,
  TableSchema,
} from "../database.ts";
import { keyEnd } from "../rows.ts";
import { columnKind } from "./column-kind.ts";
import { malformedField } from "./field.ts";
import { quoteName, quoteText } from "./identifier.ts";
import { keyLiteral } from "./key-literal.ts";
import { LineEncoder } from "./line-encoder.ts";
import { hashSum, selectList } from "./line-sql.ts";
import type { LockWatch } from "./lock-watch.ts";
import { rowHash } from "./row-hash.ts";
import type { Row, RowSink } from "./session.ts";

const defaultBatchBytes = 1 << 20;
/** Stretches that one statement asks for, and keys that one compares. */
const stretchesAtOnce = 50;
const orderedAtOnce = 500;

/** Sessions that all see one moment; each is used by one statement at a time. */
export interface Sessions {
  /** Whether the server computes the row hash. */
  readonly hashes: boolean;
  /** So many questions are answered side by side. */
  readonly atOnce: number;
  ask(sql: string): Promise<readonly Row[]>;
  stream(sql: string, sink: RowSink): AsyncGenerator<RowBatch, void>;
}

/** Keys between two bounds; a stretch begins with its first key and ends before the next one's. */
interface DatabaseRange extends RowRange {
  readonly from?: RowKey | undefined;
  readonly before?: RowKey | undefined;
}

export class MysqlTableReader implements TableReader {
  readonly table: TableSchema;
  readonly #sessions: Sessions;
  /** In whose order rows are read. */
  readonly #index: string | undefined;

  readonly #watch: LockWatch;

  constructor(table: TableSchema, index: string | undefined, sessions: Sessions, watch: LockWatch) {
    this.#watch = watch;
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
    yield* this.#stream(sql, new LineEncoder(table, targetBytes), signal);
  }

  /** A table may have been locked since the moment was taken: that shows before its first rows. */
  async *#stream(sql: string, sink: RowSink, signal: AbortSignal): AsyncGenerator<RowBatch, void> {
    const batches = this.#sessions.stream(sql, sink);
    try {
      let step = await this.#watch(() => batches.next(), this.table.name);
      for (; step.done !== true; step = await batches.next()) {
        signal.throwIfAborted();
        yield step.value;
      }
    } finally {
      await batches.return();
    }
  }

  /**
   * MariaDB from 10.8 on has both halves of the row hash. Each stretch is found through the key's index, so it is the
   * server's own, in its order of keys: `undefined` when starts do not ascend in that. Of another server some stretches are read
   * and summed up here, and all of them never: whoever reads all has no use for sums.
   */
  async sums(stretches: Stretches, what: SumsOf, signal: AbortSignal): Promise<readonly RowSums[] | undefined> {
    const { starts, middle } = stretches;
    const { columns: all, keyLength: length } = this.table;
    const { hashes } = this.#sessions;
    if (hashes && middle !== undefined && this.#index !== undefined) {
      const halves = await Promise.all(
        [0, 1].map((half) => this.sums({ starts: [middle], only: [half] }, what, signal)),
      );
      const sums = halves.flatMap((half) => half ?? []);
      if (sums.length === 2) return [sums.reduce(addSums)];
    }
    if (!hashes && (what !== "rows" || stretches.only === undefined)) return undefined;
    if (starts.length > 0 && (length === 0 || !all.slice(0, length).every(isOrdered))) return undefined;
    if (starts.length > 0 && !(await this.#ascends(starts))) return undefined;
    if (hashes) return await this.#summedThere(stretches, what, signal);
    const found: RowSums[] = [];
    for (const range of rangesOf(stretches)) {
      found.push(await this.#summedHere(range, signal));
      await stretches.pause?.();
    }
    return found;
  }

  /** Each session has a part of the groups that hang together, so that the server can read ahead: it works with one thread a session. */
  async #summedThere(stretches: Stretches, what: SumsOf, signal: AbortSignal): Promise<readonly RowSums[] | undefined> {
    const { atOnce } = this.#sessions;
    const groups = inGroups(rangesOf(stretches));
    const share = (part: number) => Math.ceil((groups.length * part) / atOnce);
    let isTold = true;
    const work = async (part: number): Promise<readonly RowSums[]> => {
      const found: RowSums[] = [];
      for (const group of groups.slice(share(part), share(part + 1))) {
        signal.throwIfAborted();
        if (!isTold) break;
        const selects = group.map((range) => this.#sumsSql(range, what));
        for (const [rows, rowSum, hashed, keySum = rowSum] of await this.#sessions.ask(selects.join(" UNION ALL "))) {
          isTold &&= rows === hashed;
          found.push({ rows: Number(rows), rowSum: modulo(rowSum), keySum: modulo(keySum) });
        }
        await stretches.pause?.();
      }
      return found;
    };
    const found = await Promise.all(Array.from({ length: atOnce }, (_, part) => work(part)));
    return isTold ? found.flat() : undefined;
  }

  async #summedHere(range: DatabaseRange, signal: AbortSignal): Promise<RowSums> {
    const sums = { rows: 0, rowSum: 0n, keySum: 0n };
    for await (const { lines, rows } of this.#anyOf(this.table, [this.#within(range)], signal)) {
      sums.rows += rows;
      for (let at = 0; at < lines.length;) {
        const end = lines.indexOf(10, at);
        sums.rowSum += rowHash(lines, at, end);
        const { keyLength } = this.table;
        sums.keySum += rowHash(lines, at, keyLength === 0 ? end : keyEnd(lines, keyLength, at, end));
        at = end + 1;
      }
    }
    return { ...sums, rowSum: BigInt.asUintN(64, sums.rowSum), keySum: BigInt.asUintN(64, sums.keySum) };
  }

  async *rowsIn(stretches: Stretches, what: "rows" | "keys", signal: AbortSignal): AsyncGenerator<RowBatch, void> {
    const columns = what === "rows" ? this.table.columns : this.table.columns.slice(0, this.table.keyLength);
    const table = { ...this.table, columns };
    for (const some of inGroups(rangesOf(stretches))) {
      yield* this.#anyOf(
        table,
        some.map((range) => this.#within(range)),
        signal,
      );
    }
  }

  async *rowsOf(keys: readonly RowKey[], signal: AbortSignal): AsyncGenerator<RowBatch, void> {
    for (let at = 0; at < keys.length; at += stretchesAtOnce) {
      const these = keys.slice(at, at + stretchesAtOnce).map((key) => this.#is(key));
      yield* this.#anyOf(this.table, these, signal);
    }
  }

  /** One SELECT, not a UNION: that has types of its own, and writes a FLOAT or a ZEROFILL in another way. */
  async *#anyOf(
    table: TableSchema,
    conditions: readonly string[],
    signal: AbortSignal,
  ): AsyncGenerator<RowBatch, void> {
    const any = conditions.some((condition) => condition === "") ? [] : conditions;
    const where = any.length === 0 ? "" : ` WHERE ${any.map((condition) => `(${condition})`).join(" OR ")}`;
    const sql = `SELECT ${selectList(table)} FROM ${this.#indexed()}${where}`;
    yield* this.#stream(sql, new LineEncoder(table, defaultBatchBytes), signal);
  }

  #sumsSql(range: DatabaseRange, what: SumsOf): string {
    const from = ` FROM ${this.#indexed()}${this.#where(range)}`;
    if (what === "counts") return `SELECT COUNT(*),0,COUNT(*),0${from}`;
    const { columns, keyLength } = this.table;
    if (keyLength === 0) return `SELECT COUNT(*),${hashSum("@l", columns)},COUNT(@l)${from}`;
    return what === "keys"
      ? `SELECT COUNT(*),0,COUNT(@k),${hashSum("@k", columns.slice(0, keyLength))}${from}`
      : `SELECT COUNT(*),${hashSum("@l", columns)},COUNT(@l),0${from}`;
  }

  /** Whether keys ascend as the server compares them, by the collations of their columns. */
  async #ascends(starts: readonly RowKey[]): Promise<boolean> {
    for (let at = 1; at < starts.length; at += orderedAtOnce) {
      const steps = starts.slice(at, at + orderedAtOnce).map((start, index) => {
        const before = starts[at + index - 1] ?? "";
        return this.#comparison(before, start);
      });
      const [row] = await this.#sessions.ask(`SELECT ${steps.join(" AND ")}`);
      if (row?.[0] !== "1") return false;
    }
    return true;
  }

  /** SQL for whether one key is below another. */
  #comparison(a: RowKey, b: RowKey): string {
    const { columns, keyLength } = this.table;
    const [left, right] = [a.split("\t"), b.split("\t")];
    if (left.length !== keyLength || right.length !== keyLength) throw malformedField(a);
    const build = (at: number): string => {
      const column = columns[at];
      if (!column || at === keyLength) return "FALSE";
      const [value, other] = [left[at] ?? "", right[at] ?? ""].map((field) => comparable(column, field));
      return `(${value}<${other} OR (${value}=${other} AND ${build(at + 1)}))`;
    };
    return build(0);
  }

  /** For looking up stretches: by the key's index, whatever the statistics say. */
  #indexed(): string {
    const index = this.#index === undefined ? "" : ` FORCE INDEX (${quoteName(this.#index)})`;
    return quoteName(this.table.name) + index;
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

  #where(range: DatabaseRange | OneRow): string {
    const condition = "only" in range ? this.#is(range.only) : this.#within(range);
    return condition === "" ? "" : ` WHERE ${condition}`;
  }

  /** Empty: all rows are. */
  #within({ after, upTo, from, before }: DatabaseRange): string {
    const conditions = [
      ...(after === undefined ? [] : [this.#beyond(after, ">", ">")]),
      ...(upTo === undefined ? [] : [this.#beyond(upTo, "<", "<=")]),
      ...(from === undefined ? [] : [this.#beyond(from, ">", ">=")]),
      ...(before === undefined ? [] : [this.#beyond(before, "<", "<")]),
    ];
    return conditions.join(" AND ");
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

function addSums(a: RowSums, b: RowSums): RowSums {
  const sum = (one: bigint, other: bigint) => BigInt.asUintN(64, one + other);
  return { rows: a.rows + b.rows, rowSum: sum(a.rowSum, b.rowSum), keySum: sum(a.keySum, b.keySum) };
}

function rangesOf({ starts, only }: Stretches): readonly DatabaseRange[] {
  const wanted = only ?? Array.from({ length: starts.length + 1 }, (_, index) => index);
  return wanted.map((index) => ({ from: index === 0 ? undefined : starts[index - 1], before: starts[index] }));
}

function inGroups(ranges: readonly DatabaseRange[]): readonly (readonly DatabaseRange[])[] {
  const groups: (readonly DatabaseRange[])[] = [];
  for (let at = 0; at < ranges.length; at += stretchesAtOnce) groups.push(ranges.slice(at, at + stretchesAtOnce));
  return groups;
}

/** Whether literals of a column's values are in the order that the column has. */
function isOrdered(column: ColumnSchema): boolean {
  const kind = columnKind(column);
  return kind === "integer" || kind === "text" || /^(?:(?:var)?binary|date|datetime|timestamp)\b/i.test(column.type);
}

/** A value of a key that compares with another one as it would in its column. */
function comparable(column: ColumnSchema, field: string): string {
  const value = keyLiteral(column, field);
  const [, charset, collation] = / character set (\w+) collate (\w+)$/.exec(column.type) ?? [];
  return charset === undefined ? value : `CONVERT(${value} USING ${charset}) COLLATE ${collation}`;
}

function modulo(sum: string | null | undefined): bigint {
  return BigInt.asUintN(64, BigInt(sum ?? 0));
}
