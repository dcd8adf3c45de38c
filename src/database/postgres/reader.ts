import type {
  ChangesSince,
  OneRow,
  RowBatch,
  RowRange,
  RowSums,
  TableChanges,
  TableReader,
  TableSchema,
} from "../database.ts";
import { changesByXmin, type SnapshotMark, tableMark } from "./changes.ts";
import type { PostgresConnection } from "./connection.ts";
import { unescaped } from "./field.ts";
import { quoteName, quoteQualified, quoteText } from "./identifier.ts";
import { isLargeObjects, largeObjectQuery } from "./large-objects.ts";
import { hashSql, keyLineSql, lineSql } from "./line-sql.ts";
import { inTurn } from "./in-turn.ts";
import { type Stretch, stretchesOf } from "./stretches.ts";

const defaultTargetBytes = 1024 * 1024;

/** What readers share: sessions at one moment, of which one only looks things up. */
export interface ReaderSessions {
  readonly keeper: PostgresConnection;
  /** Sessions that read rows, as many as the snapshot was given. */
  readonly workers: () => Promise<readonly PostgresConnection[]>;
  readonly mark: SnapshotMark;
}

/**
 * Reads a table by COPY, in the order of its key's index: lines come out of the server ready. A large table is read in
 * stretches of its first key column, each by the next free session, and given out one after the other.
 */
export class PostgresTableReader implements TableReader {
  readonly table: TableSchema;
  readonly #sessions: ReaderSessions;

  constructor(table: TableSchema, sessions: ReaderSessions) {
    this.table = table;
    this.#sessions = sessions;
  }

  async estimatedRows(): Promise<number> {
    if (isLargeObjects(this.table)) return 0;
    const rows = await this.#sessions.keeper.value(
      "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = $1::regclass",
      [quoteQualified(this.table)],
    );
    return Number(rows ?? 0);
  }

  async *read(
    range: RowRange | OneRow,
    signal: AbortSignal,
    targetBytes = defaultTargetBytes,
  ): AsyncGenerator<RowBatch, void> {
    const { keeper } = this.#sessions;
    const [first, ...others] = await this.#sessions.workers();
    if (!first) return;
    const whole = !("only" in range) && range.after === undefined && range.upTo === undefined;
    const stretches = whole && others.length > 0 ? await stretchesOf(this.table, keeper) : [];
    const batches =
      stretches.length < 2
        ? first.copyOut(this.#copy(this.#conditions(range)), targetBytes, this.#subject)
        : inTurn(stretches, [first, ...others], (stretch, session) =>
            session.copyOut(this.#copy(stretchConditions(stretch)), targetBytes, this.#subject),
          );
    for await (const batch of batches) {
      signal.throwIfAborted();
      yield batch;
    }
  }

  mark(): Promise<string | undefined> {
    return tableMark(this.table, this.#sessions.mark, this.#sessions.keeper);
  }

  async changes(since: ChangesSince): Promise<TableChanges | undefined> {
    const { keeper, workers } = this.#sessions;
    const worker = async () => {
      const [first] = await workers();
      return first ?? keeper;
    };
    return await changesByXmin({ table: this.table, mark: await this.mark(), keeper, worker }, since);
  }

  /** Only where the database holds text as lines do. */
  async sums(): Promise<RowSums | undefined> {
    const { keeper } = this.#sessions;
    if (keeper.serverEncoding !== "UTF8" || isLargeObjects(this.table)) return undefined;
    const row = hashSql(lineSql(this.table.columns));
    const key = this.table.keyLength === 0 ? "row_hash" : hashSql(keyLineSql(this.table));
    const [found = []] = await keeper.rows(
      `SELECT count(*), coalesce(sum(row_hash), 0), coalesce(sum(key_hash), 0)
       FROM (SELECT row_hash, ${key} AS key_hash FROM (SELECT *, ${row} AS row_hash FROM ONLY ${quoteQualified(this.table)}) AS hashed) AS sums`,
      [],
      this.#subject,
    );
    const [rows, rowSum, keySum] = found;
    const sum = (text: string | null | undefined) => BigInt.asUintN(64, BigInt(text ?? 0));
    return { rows: Number(rows), rowSum: sum(rowSum), keySum: sum(keySum) };
  }

  get #subject(): string {
    return `${this.table.schema}.${this.table.name}`;
  }

  #copy(conditions: readonly string[]): string {
    if (isLargeObjects(this.table)) return `COPY (${largeObjectQuery}) TO STDOUT`;
    const columns = this.table.columns.map(({ name }) => quoteName(name));
    const key = columns.slice(0, this.table.keyLength);
    const from = `ONLY ${quoteQualified(this.table)}`;
    const where = conditions.length === 0 ? "" : ` WHERE ${conditions.join(" AND ")}`;
    const order = key.length === 0 ? "" : ` ORDER BY ${key.join(",")}`;
    // A table without columns still has rows.
    return `COPY (SELECT ${columns.join(",")} FROM ${from}${where}${order}) TO STDOUT`;
  }

  #conditions(range: RowRange | OneRow): readonly string[] {
    if (!("only" in range)) return this.#rangeConditions(range);
    const fields = range.only.split("\t");
    const key = this.table.columns.slice(0, this.table.keyLength);
    // Plain equality, which an index answers.
    return key.map(({ name }, at) => `${quoteName(name)} = ${fieldText(fields[at] ?? "")}`);
  }

  /** By the order of keys in lines, so by bytes unless the column is a number. */
  #rangeConditions({ after, upTo }: RowRange): readonly string[] {
    const key = this.table.columns.slice(0, this.table.keyLength);
    const columns = key.map(({ name, type }) =>
      isNumber(type) ? quoteName(name) : `concat(${quoteName(name)}) COLLATE "C"`,
    );
    const condition = (operator: string, bound: string | undefined) => {
      if (bound === undefined) return [];
      const values = bound.split("\t").map((field, at) => {
        const text = fieldText(field);
        return isNumber(key[at]?.type ?? "") ? `${text}::bigint` : text;
      });
      return [`(${columns.join(",")}) ${operator} (${values.join(",")})`];
    };
    return [...condition(">", after), ...condition("<=", upTo)];
  }
}

/** A field of a key as a literal. */
function fieldText(field: string): string {
  return quoteText(Buffer.from(unescaped(field), "latin1").toString("utf8"));
}

function isNumber(type: string): boolean {
  return /^(smallint|integer|bigint)$/.test(type);
}

function stretchConditions({ column, from, to }: Stretch): readonly string[] {
  return [...(from === undefined ? [] : [`${column} >= ${from}`]), ...(to === undefined ? [] : [`${column} < ${to}`])];
}
