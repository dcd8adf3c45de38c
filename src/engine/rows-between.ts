import { recordRow, recordRows, type RecordRow } from "../contents/records/record-row.ts";
import { sortedRows } from "../contents/tables/sorted-rows.ts";
import type { TableSchema } from "../database/database.ts";
import type { PointDatabase } from "./open-point.ts";

/** A row that differs between two moments; without one of them it was not there. */
interface RowPair {
  readonly then?: RecordRow;
  readonly now?: RecordRow;
}

/**
 * Rows in which a table differs between two moments, in the order of their keys. Where its columns are not the same ones,
 * those count that both have; without the same key nothing is compared.
 */
export async function* changedRowsBetween(
  from: PointDatabase,
  table: TableSchema,
  until: PointDatabase,
  other: TableSchema | undefined,
  signal: AbortSignal,
): AsyncGenerator<RowPair> {
  if (!other || keyOf(other) !== keyOf(table)) return;
  const before = rowsOf(from, table, signal);
  const after = rowsOf(until, other, signal);
  const order = from.engine.keyOrder(table);
  const sameColumns = other.fingerprint === table.fingerprint;
  const places = table.columns.flatMap(({ name }, at) => {
    const now = other.columns.findIndex((column) => column.name === name);
    return now < 0 ? [] : [[at, now] as const];
  });
  const differ = (then: RecordRow, now: RecordRow): boolean =>
    sameColumns ? then.line !== now.line : places.some(([at, there]) => then.fields[at] !== now.fields[there]);
  let then = await before.next();
  let now = await after.next();
  while (then.done !== true || now.done !== true) {
    const step = then.done === true ? 1 : now.done === true ? -1 : order(then.value.key, now.value.key);
    if (step < 0 && then.done !== true) yield { then: then.value };
    else if (step > 0 && now.done !== true) yield { now: shaped(now.value, table, places) };
    else if (then.done !== true && now.done !== true && differ(then.value, now.value)) {
      yield { then: then.value, now: shaped(now.value, table, places) };
    }
    if (step <= 0) then = await before.next();
    if (step >= 0) now = await after.next();
  }
}

/** The row in the columns that the table had. */
function shaped(row: RecordRow, table: TableSchema, places: readonly (readonly [number, number])[]): RecordRow {
  if (row.table.fingerprint === table.fingerprint) return { ...row, table };
  const fields = table.columns.map((_, at) => row.fields[places.find(([then]) => then === at)?.[1] ?? -1] ?? "\\N");
  return recordRow(table, fields.join("\t"));
}

function keyOf({ columns, keyLength }: TableSchema): string {
  return JSON.stringify(columns.slice(0, keyLength).map(({ name }) => name));
}

async function* rowsOf(
  database: PointDatabase,
  table: TableSchema,
  signal: AbortSignal,
): AsyncGenerator<RecordRow, void> {
  const opened = await database.open(table);
  const rows = opened.rows({}, signal);
  // A live table gives its rows as its database does.
  const inOrder = opened.reader ? sortedRows(rows, opened.order, signal) : rows;
  for await (const batch of inOrder) yield* recordRows(table, batch);
}
