import type { TableSchema } from "../../database/database.ts";
import type { ChangedRow } from "../tables/changed-rows.ts";
import { LineWalk } from "../tables/line-walk.ts";
import type { RowOrder } from "../tables/row-order.ts";
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
  const { order } = to;
  await using before = inOrder(from, order, signal);
  await using now = inOrder(to, order, signal);
  for (;;) {
    signal.throwIfAborted();
    const [wasKey, isKey] = [await before.below(undefined), await now.below(undefined)];
    const key = wasKey ?? isKey;
    if (key === undefined) return;
    const step = wasKey === undefined ? 1 : isKey === undefined ? -1 : order.compare(wasKey, isKey);
    const [was, is] = [step <= 0 ? before.line : undefined, step >= 0 ? now.line : undefined];
    if (!was || !is || differ(was, is, places)) {
      yield {
        key: (step <= 0 ? wasKey : isKey) ?? key,
        ...(was && { before: Buffer.from(was) }),
        ...(is && { now: Buffer.from(is) }),
      };
    }
    if (step <= 0) before.step();
    if (step >= 0) now.step();
  }
}

/** What is in order already is sorted quickly. */
function inOrder(table: ReadableTable, order: RowOrder, signal: AbortSignal): LineWalk {
  return new LineWalk(order, sortedRows(table.rows({}, signal), order, signal));
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
