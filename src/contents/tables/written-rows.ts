import type { FollowedRows, RowKey, WrittenRows } from "../../database/database.ts";
import { type ChangedRow, type ChangedRowsInput, mostChangedBytes } from "./changed-rows.ts";
import { goneRows } from "./gone-rows.ts";
import { ParentRows } from "./parent-rows.ts";
import { sameRows } from "./ranges-file.ts";
import { keyAt, lineEnd, type RowOrder } from "./row-order.ts";
import { sortedRows } from "./sorted-rows.ts";
import { apply, audited, startsOf } from "./stored-ranges.ts";
import type { TableFolder } from "./stored-parts.ts";
import type { TableBefore } from "./table-before.ts";

/**
 * The rows that differ, from the journal. Every thirtieth range is summed up by the database, where it can; `undefined` when
 * that is not what the journal says.
 */
export async function rowsByJournal(
  { folder, before, reader, audit, pause }: ChangedRowsInput,
  followed: FollowedRows,
): Promise<readonly ChangedRow[] | undefined> {
  const { order, signal } = folder;
  const written = await writtenRows(folder, before, followed, Number.POSITIVE_INFINITY);
  if (!written) return undefined;
  const parent = await ParentRows.open(folder, before);
  const gone: ChangedRow[] = [];
  for await (const { lines } of sortedRows(followed.gone(), order, signal)) {
    for (let at = 0; at < lines.length;) {
      const end = lineEnd(lines, at, lines.length);
      const key = lines.toString("latin1", at, end);
      const was = await parent.at(key);
      if (was) gone.push({ key, before: Buffer.from(was) });
      at = end + 1;
    }
  }
  const rows = inOrder(order, [...written, ...gone]);
  if (!reader.sums) return rows;
  const sums = before.ranges.map((range) => ({ ...range }));
  for (const row of rows) apply(order, sums, row);
  const only = audited(sums, audit);
  const full = await reader.sums({ starts: startsOf(before.ranges), only, pause }, "rows", signal);
  return full && only.every((index, at) => sameRows(sums[index], full[at])) ? rows : undefined;
}

/**
 * The rows that differ from the snapshot before, from what the database tells of rows that were written: what is gone shows
 * in the counts of the ranges, is told by sums of keys, and every thirtieth range is summed up in full. `undefined` when
 * something does not add up or is too much: then another way has to be taken.
 */
export async function rowsByWritten(
  input: ChangedRowsInput,
  changes: WrittenRows,
): Promise<readonly ChangedRow[] | undefined> {
  const { folder, before, reader, audit, pause } = input;
  const { signal } = folder;
  const starts = startsOf(before.ranges);
  const only = audited(before.ranges, audit);
  // Two sessions of the database are at work at once, and have enough to do until both are through.
  const [written, counts, full] = await Promise.all([
    writtenRows(folder, before, changes, mostChangedBytes),
    reader.sums?.({ starts, pause }, "counts", signal),
    reader.sums?.({ starts, only, pause }, "rows", signal),
  ]);
  if (!written || !counts || !full) return undefined;
  const sums = before.ranges.map((range) => ({ ...range }));
  for (const row of written) apply(folder.order, sums, row);
  const gone = await goneRows(input, { counts, sums, written });
  if (!gone) return undefined;
  for (const row of gone) apply(folder.order, sums, row);
  const isWrong =
    sums.some(({ rows }, index) => rows !== counts[index]?.rows) ||
    only.some((index, at) => !sameRows(sums[index], full[at]));
  return isWrong ? undefined : inOrder(folder.order, [...written, ...gone]);
}

/** New and changed rows beside what they were, in key order; `undefined`: they are more than so many bytes. */
async function writtenRows(
  folder: TableFolder,
  before: TableBefore,
  changes: Pick<WrittenRows, "rows">,
  most: number,
): Promise<readonly ChangedRow[] | undefined> {
  const { order, signal } = folder;
  const parent = await ParentRows.open(folder, before);
  const written: ChangedRow[] = [];
  let bytes = 0;
  for await (const { lines } of sortedRows(changes.rows(), order, signal)) {
    bytes += lines.length;
    if (bytes > most) return undefined;
    await using _expected = parent.expect(keysOf(order, lines));
    for (let at = 0; at < lines.length;) {
      const end = lineEnd(lines, at, lines.length);
      const key = keyAt(order, lines, at, end);
      const now = lines.subarray(at, end);
      const was = await parent.at(key);
      if (!was?.equals(now)) written.push({ key, now, ...(was && { before: Buffer.from(was) }) });
      at = end + 1;
    }
  }
  return written;
}

function keysOf(order: RowOrder, lines: Buffer): readonly RowKey[] {
  const keys: RowKey[] = [];
  for (let at = 0; at < lines.length;) {
    const end = lineEnd(lines, at, lines.length);
    keys.push(keyAt(order, lines, at, end));
    at = end + 1;
  }
  return keys;
}

function inOrder(order: RowOrder, rows: readonly ChangedRow[]): readonly ChangedRow[] {
  return rows.toSorted((a, b) => order.compare(a.key, b.key));
}
