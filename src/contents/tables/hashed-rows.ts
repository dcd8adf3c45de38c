import type { RowBatch, RowSums } from "../../database/database.ts";
import { type ChangedRow, type ChangedRowsInput, mostChangedBytes } from "./changed-rows.ts";
import { differingRows } from "./differing-rows.ts";
import { LineSorter } from "./line-sorter.ts";
import { LineWindow } from "./line-window.ts";
import { type RangeSums, sameRows, totalSums } from "./ranges-file.ts";
import type { RowOrder } from "./row-order.ts";
import { sortedRows, sortMemory } from "./sorted-rows.ts";
import { apply, audited, startsOf, storedLines, wholeRanges } from "./stored-ranges.ts";
import { readingOf } from "./table-source.ts";

/** Fewer ranges than these are as quickly read. */
const fewRanges = 4;
/** So many are read, and sorted, at once where numbers are the keys: each range holds the rows then that it holds here. */
const rangesAtOnce = 50;

type Counted = (batches: AsyncIterable<RowBatch>) => AsyncIterable<RowBatch>;

/**
 * The rows that differ, where the database sums up the rows of each range and only those that differ are read; every
 * thirtieth is read whatever its sum says. The database's ranges are in its own order of keys: so long as
 * they hold each row once, a range with an equal sum holds the rows that are stored, and all others are among those that are read.
 */
export async function rowsByHash(
  input: ChangedRowsInput,
  counted: Counted,
): Promise<readonly ChangedRow[] | undefined> {
  const { folder, before, reader, audit, pause } = input;
  const { order, signal } = folder;
  const { ranges } = before;
  if (!reader.rowsIn || ranges.length < fewRanges) return undefined;
  const summed = await reader.sums?.({ starts: startsOf(ranges), pause }, "rows", signal);
  if (!summed) return undefined;
  const read = new Set(audited(ranges, audit));
  const only = [...ranges.keys()].filter((index) => read.has(index) || !sameRows(ranges[index], summed[index]));
  if (only.length * 2 > ranges.length) return undefined;
  const stored = new LineWindow(storedLines(folder, before, wholeRanges(ranges, only)));
  const present = new LineWindow(presentRows(input, only, counted));
  const changed: ChangedRow[] = [];
  let bytes = 0;
  try {
    for await (const row of differingRows(order, stored, present)) {
      bytes += (row.before?.length ?? 0) + (row.now?.length ?? 0);
      const last = changed.at(-1)?.key;
      const isInOrder = last === undefined || order.compare(last, row.key) < 0;
      if (bytes > mostChangedBytes || !isInOrder) return undefined;
      changed.push(row);
    }
  } finally {
    await stored.close();
    await present.close();
  }
  return addsUp(order, ranges, changed, only, summed) ? changed : undefined;
}

/** The rows of ranges as they are now, in order. */
async function* presentRows(
  { folder: { order, signal }, before, reader }: ChangedRowsInput,
  only: readonly number[],
  counted: Counted,
): AsyncGenerator<RowBatch, void> {
  const { rowsIn } = reader;
  const starts = startsOf(before.ranges);
  const sorter = new LineSorter(order);
  const each = readingOf(reader.table) === "by-key" ? rangesAtOnce : only.length;
  for (let at = 0; rowsIn && at < only.length; at += each) {
    const some = rowsIn.call(reader, { starts, only: only.slice(at, at + each) }, "rows", signal);
    yield* sortedRows(counted(some), order, signal, sortMemory, sorter);
  }
}

/** Whether the ranges that were read, with what changed in them, sum up to what the database says of them. */
function addsUp(
  order: RowOrder,
  ranges: readonly RangeSums[],
  changed: readonly ChangedRow[],
  only: readonly number[],
  now: readonly RowSums[],
): boolean {
  const sums = ranges.map((range) => ({ ...range }));
  for (const row of changed) apply(order, sums, row);
  const read = new Set(only);
  // A row whose range the database sees elsewhere may change the sums of a range that was not read.
  const others = sums.filter((range, index) => !read.has(index) && !sameRows(range, now[index]));
  if (others.length > 0) return false;
  const expected = totalSums(now.map((one) => ({ ...one, bytes: 0, firstKey: undefined })));
  return sameRows(totalSums(sums), expected);
}
