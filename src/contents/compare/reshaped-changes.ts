import type { RowBatch, TableSchema } from "../../database/database.ts";
import type { ChangedRow } from "../tables/changed-rows.ts";
import { keyAt, lineEnd, type RowOrder } from "../tables/row-order.ts";
import { sortedRows } from "../tables/sorted-rows.ts";
import type { ReadableTable } from "../tables/stored-table.ts";

/** How the columns of a table differ between two moments. */
export interface ColumnChanges {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Same name, other type. */
  readonly retyped: readonly { readonly name: string; readonly from: string; readonly to: string }[];
  /** Whether rows of the two can be told to be the same one: their keys have the same columns. */
  readonly sameKey: boolean;
}

export function columnChanges(from: TableSchema, to: TableSchema): ColumnChanges {
  const before = new Map(from.columns.map(({ name, type }) => [name, type]));
  const now = new Map(to.columns.map(({ name, type }) => [name, type]));
  const keyOf = ({ columns, keyLength }: TableSchema) =>
    JSON.stringify(columns.slice(0, keyLength).map(({ name, type }) => [name, type]));
  return {
    added: [...now.keys()].filter((name) => !before.has(name)),
    removed: [...before.keys()].filter((name) => !now.has(name)),
    retyped: [...now].flatMap(([name, type]) => {
      const was = before.get(name);
      return was === undefined || was === type ? [] : [{ name, from: was, to: type }];
    }),
    sameKey: from.keyLength > 0 && keyOf(from) === keyOf(to),
  };
}

/**
 * Rows that differ between a table and what it was with other columns, by the columns that both have. All rows of both are
 * read.
 */
export async function* reshapedChanges(
  from: ReadableTable,
  to: ReadableTable,
  signal: AbortSignal,
): AsyncGenerator<ChangedRow, void> {
  const places = to.table.columns.flatMap(({ name }, now) => {
    const before = from.table.columns.findIndex((column) => column.name === name);
    return before < 0 ? [] : [{ before, now }];
  });
  const before = new RowWalk(from, to.order, signal);
  const now = new RowWalk(to, to.order, signal);
  try {
    await before.advance();
    await now.advance();
    for (;;) {
      signal.throwIfAborted();
      const key = before.key ?? now.key;
      if (key === undefined) return;
      const step = before.key === undefined ? 1 : now.key === undefined ? -1 : to.order.compare(before.key, now.key);
      const [was, is] = [step <= 0 ? before.line : undefined, step >= 0 ? now.line : undefined];
      if (!was || !is || differ(was, is, places)) {
        yield {
          key: (step <= 0 ? before.key : now.key) ?? key,
          ...(was && { before: Buffer.from(was) }),
          ...(is && { now: Buffer.from(is) }),
        };
      }
      if (step <= 0) await before.advance();
      if (step >= 0) await now.advance();
    }
  } finally {
    await before.close();
    await now.close();
  }
}

function differ(
  before: Buffer,
  now: Buffer,
  places: readonly { readonly before: number; readonly now: number }[],
): boolean {
  const was = before.toString("latin1").split("\t");
  const is = now.toString("latin1").split("\t");
  return places.some((place) => was[place.before] !== is[place.now]);
}

/** One row after the other, in the order of keys. */
class RowWalk {
  readonly #order: RowOrder;
  readonly #batches: AsyncGenerator<RowBatch, void>;
  #lines: Buffer = Buffer.alloc(0);
  #next = 0;
  key: string | undefined;
  line: Buffer | undefined;

  constructor(table: ReadableTable, order: RowOrder, signal: AbortSignal) {
    this.#order = order;
    // What is in order already is sorted quickly.
    this.#batches = sortedRows(table.rows({}, signal), order, signal);
  }

  async advance(): Promise<void> {
    if (this.#next >= this.#lines.length) {
      const step = await this.#batches.next();
      this.#lines = step.done === true ? Buffer.alloc(0) : step.value.lines;
      this.#next = 0;
    }
    if (this.#lines.length === 0) {
      this.key = undefined;
      this.line = undefined;
      return;
    }
    const end = lineEnd(this.#lines, this.#next, this.#lines.length);
    this.key = keyAt(this.#order, this.#lines, this.#next, end);
    this.line = this.#lines.subarray(this.#next, end);
    this.#next = end + 1;
  }

  async close(): Promise<void> {
    await this.#batches.return();
  }
}
