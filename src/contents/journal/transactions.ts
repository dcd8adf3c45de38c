import { type Change, tableName } from "../../database/change-feed.ts";
import type { RowKey, TableSchema } from "../../database/database.ts";
import { changedByColumns } from "../../crm/changed-by.ts";
import type { OpenedSegment } from "./open-journal.ts";
import { keyOfLine } from "./replay.ts";

export type RowChange = Extract<Change, { type: "write" | "delete" | "truncate" }>;

/** A committed transaction with all that it did. */
export interface JournalTransaction {
  /** Which log it is of: positions of another one say nothing of this. */
  readonly history: string;
  readonly transaction: string;
  readonly position: string;
  readonly time: string;
  readonly changes: readonly RowChange[];
}

/** Transactions in the order of their commits. One at a time is in memory. */
export async function* transactionsOf(
  segments: AsyncIterable<OpenedSegment>,
): AsyncGenerator<JournalTransaction, void> {
  let open: { readonly transaction: string; readonly changes: RowChange[] } | undefined;
  for await (const segment of segments) {
    // What was open when the log was taken up anew is told once more from its beginning.
    if (segment.header.anew !== undefined) open = undefined;
    for (const change of segment.changes()) {
      if (change.type === "begin") open = { transaction: change.transaction, changes: [] };
      else if (change.type === "commit") {
        const { history } = segment.header;
        if (open) yield { ...open, history, position: change.point.position, time: change.point.time };
        open = undefined;
      } else if (change.type === "write" || change.type === "delete" || change.type === "truncate") {
        open?.changes.push(change);
      }
    }
  }
}

export interface TransactionTable {
  readonly schema: string;
  readonly name: string;
  readonly written: number;
  readonly deleted: number;
  readonly emptied: boolean;
}

export function tablesOf(changes: readonly RowChange[]): readonly TransactionTable[] {
  const found = new Map<string, { schema: string; name: string; written: number; deleted: number; emptied: boolean }>();
  for (const { type, table } of changes) {
    const { schema, name } = table;
    const one = found.get(tableName(table)) ?? { schema, name, written: 0, deleted: 0, emptied: false };
    found.set(tableName(table), one);
    if (type === "write") one.written++;
    else if (type === "delete") one.deleted++;
    else one.emptied = true;
  }
  return [...found.values()];
}

/** Keys of the rows that a change is about: two, where it gave the row another key. */
export function keysOf(change: Exclude<RowChange, { readonly type: "truncate" }>): readonly RowKey[] {
  if (change.type === "delete") return [change.key];
  const key = keyOfLine(change.after, change.table.keyLength);
  return change.oldKey === undefined ? [key] : [change.oldKey, key];
}

/** Who wrote the rows, as the rows say of themselves: the value that the CRM calls its user by. Latin1 strings of bytes. */
export function writersOf(changes: readonly RowChange[]): ReadonlySet<string> {
  const columns = new Map<TableSchema, readonly number[]>();
  const writers = new Set<string>();
  for (const change of changes) {
    if (change.type !== "write") continue;
    const places = columns.get(change.table) ?? changedByColumns(change.table);
    columns.set(change.table, places);
    if (places.length === 0) continue;
    const fields = change.after.split("\t");
    const writer = places.map((at) => fields[at]).find((field) => field !== undefined && !/^\\[NU]$/.test(field));
    if (writer !== undefined) writers.add(writer);
  }
  return writers;
}
