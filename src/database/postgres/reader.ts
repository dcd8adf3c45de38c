import type {
  OneRow,
  RowBatch,
  RowKey,
  RowRange,
  RowSums,
  Stretches,
  SumsOf,
  TableReader,
  TableSchema,
  WrittenRows,
} from "../database.ts";
import { changesOf, type SnapshotMark, tableMark } from "./changes.ts";
import type { PostgresConnection } from "./connection.ts";
import { searched, type SearchPath } from "./daily-path.ts";
import { unescaped } from "./field.ts";
import { quoteName, quoteQualified, quoteText } from "./identifier.ts";
import { isLargeObjects, largeObjectQuery } from "./large-objects.ts";
import { inTurn } from "./in-turn.ts";
import { MarkSource } from "./mark-source.ts";
import { type Stretch, stretchesOf } from "./stretches.ts";
import { stretchRows, stretchSums } from "./sums.ts";
import type { TableSizes } from "./table-sizes.ts";
import type { WalSummaries } from "./wal-summaries.ts";

const defaultTargetBytes = 1024 * 1024;
/** Each is found by the key's index. */
const keysAtOnce = 200;

/** What readers share: sessions at one moment, of which one only looks things up. */
export interface ReaderSessions {
  readonly keeper: PostgresConnection;
  /** Sessions that read rows, as many as the snapshot was given. */
  readonly workers: () => Promise<readonly PostgresConnection[]>;
  readonly mark: SnapshotMark | MarkSource;
  readonly summaries: WalSummaries;
  readonly sizes: TableSizes;
  /** `tablesThatCall`. */
  readonly calling: () => Promise<ReadonlySet<string>>;
}

/**
 * Reads a table by COPY, in the order of its key's index: lines come out of the server ready. A large table is read in
 * stretches of its first key column, each by the next free session, and given out one after the other.
 */
export class PostgresTableReader implements TableReader {
  readonly table: TableSchema;
  readonly #sessions: ReaderSessions;
  /** One after the other, since each has the session search what it needs. */
  #wholeSums: Promise<unknown> = Promise.resolve();

  constructor(table: TableSchema, sessions: ReaderSessions) {
    this.table = table;
    this.#sessions = sessions;
  }

  async estimatedRows(): Promise<number> {
    return (await this.#sessions.sizes.of(this.table)).estimatedRows;
  }

  async *read(
    range: RowRange | OneRow,
    signal: AbortSignal,
    targetBytes = defaultTargetBytes,
  ): AsyncGenerator<RowBatch, void> {
    const [first, ...others] = await this.#readers();
    if (!first) return;
    const whole = !("only" in range) && range.after === undefined && range.upTo === undefined;
    const stretches =
      whole && others.length > 0 ? await stretchesOf(this.table, await this.#sessions.sizes.of(this.table), first) : [];
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

  async mark(): Promise<string | undefined> {
    const { mark, keeper } = this.#sessions;
    return mark instanceof MarkSource ? undefined : await tableMark(this.table, mark, keeper);
  }

  async changes(since: string): Promise<WrittenRows | undefined> {
    const { keeper } = this.#sessions;
    const worker = async () => (await this.#readers())[0] ?? keeper;
    const shared = await this.#markToCompare();
    const mark = shared && (await tableMark(this.table, shared, keeper));
    return await changesOf({ table: this.table, mark, keeper, worker, summaries: this.#sessions.summaries }, since);
  }

  async #markToCompare(): Promise<SnapshotMark | undefined> {
    const { mark, sizes } = this.#sessions;
    if (!(mark instanceof MarkSource)) return mark;
    if (isLargeObjects(this.table)) return undefined;
    return await mark.worthFor((await sizes.of(this.table)).rowBytes);
  }

  async sums(stretches: Stretches, what: SumsOf): Promise<readonly RowSums[] | undefined> {
    if (stretches.starts.length > 0) return await stretchSums(this.table, await this.#readers(), stretches, what);
    const summed = this.#wholeSums.then(() => this.#sumsOfWhole(stretches, what));
    this.#wholeSums = summed.catch(() => {}); // told to whoever asked
    return await summed;
  }

  /** The whole table is summed up as it lies; the others are set to go by the index. */
  async #sumsOfWhole(stretches: Stretches, what: SumsOf): Promise<readonly RowSums[] | undefined> {
    const { keeper } = this.#sessions;
    await keeper.search(await this.#searched());
    const sums = await stretchSums(this.table, [keeper], stretches, what);
    await keeper.search("nothing");
    return sums;
  }

  async *rowsIn(stretches: Stretches, what: "rows" | "keys", signal: AbortSignal): AsyncGenerator<RowBatch, void> {
    const [first] = await this.#readers();
    if (!first) return;
    for await (const batch of stretchRows(this.table, first, stretches, what)) {
      signal.throwIfAborted();
      yield batch;
    }
  }

  /** Large objects are in no log. */
  get rowsOf(): TableReader["rowsOf"] {
    return isLargeObjects(this.table) ? undefined : (keys, signal) => this.#rowsOf(keys, signal);
  }

  async *#rowsOf(keys: readonly RowKey[], signal: AbortSignal): AsyncGenerator<RowBatch, void> {
    const [first] = await this.#readers();
    for (let at = 0; first && at < keys.length; at += keysAtOnce) {
      const selects = keys.slice(at, at + keysAtOnce).map((only) => this.#select(this.#conditions({ only })));
      signal.throwIfAborted();
      yield* first.copyOut(`COPY (${selects.join(" UNION ALL ")}) TO STDOUT`, defaultTargetBytes, this.#subject);
    }
  }

  async #readers(): Promise<readonly PostgresConnection[]> {
    const workers = await this.#sessions.workers();
    const where = await this.#searched();
    for (const session of workers) await session.search(where);
    return workers;
  }

  async #searched(): Promise<SearchPath> {
    return searched(this.table, await this.#sessions.calling());
  }

  get #subject(): string {
    return `${this.table.schema}.${this.table.name}`;
  }

  #copy(conditions: readonly string[]): string {
    if (isLargeObjects(this.table)) return `COPY (${largeObjectQuery}) TO STDOUT`;
    const key = this.table.columns.slice(0, this.table.keyLength).map(({ name }) => quoteName(name));
    const order = key.length === 0 ? "" : ` ORDER BY ${key.join(",")}`;
    return `COPY (${this.#select(conditions)}${order}) TO STDOUT`;
  }

  #select(conditions: readonly string[]): string {
    const columns = this.table.columns.map(({ name }) => quoteName(name));
    const where = conditions.length === 0 ? "" : ` WHERE ${conditions.join(" AND ")}`;
    // A table without columns still has rows.
    return `SELECT ${columns.join(",")} FROM ONLY ${quoteQualified(this.table)}${where}`;
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
