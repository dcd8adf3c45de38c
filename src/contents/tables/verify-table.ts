import type { RowBatch, RowKey, TableReader } from "../../database/database.ts";
import { countRow, emptyRange, type RangeSums, totalSums } from "./ranges-file.ts";
import { keyAt, lineEnd, type RowOrder } from "./row-order.ts";
import type { StoredTable } from "./stored-table.ts";

/**
 * Sums up the stored rows again and compares with `ranges`. Gives a line for each range that differs, such as
 * `main.contact: 299/300` (rows found and expected); empty when all is well. Keys are left out: they may be anybody's
 * data.
 */
export async function verifyTable(stored: StoredTable, signal: AbortSignal): Promise<readonly string[]> {
  return compareSums(stored, stored.rows({}, signal));
}

/**
 * The same for a table of a database, a restored one for example: by sums that the database computes where it can, else
 * by its rows, in any order.
 */
export async function compareWithRanges(
  reader: TableReader,
  stored: StoredTable,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const [sums] = (await reader.sums?.({ starts: [] }, "rows", signal)) ?? [];
  if (!sums) return compareSums(stored, reader.read({}, signal));
  const expected = totalSums(stored.ranges);
  const same = sums.rows === expected.rows && sums.keySum === expected.keySum && sums.rowSum === expected.rowSum;
  const { schema, name } = stored.table;
  return same ? [] : [`${schema}.${name}: ${sums.rows}/${expected.rows}`];
}

async function compareSums(stored: StoredTable, batches: AsyncIterable<RowBatch>): Promise<readonly string[]> {
  const found = stored.ranges.map(({ firstKey }) => emptyRange(firstKey));
  const at = { index: 0 };
  for await (const { lines, release } of batches) {
    addLines(stored.order, found, at, lines);
    release?.();
  }
  const { schema, name } = stored.table;
  return stored.ranges.flatMap((expected, index) => {
    const sums = found[index] ?? emptyRange(undefined);
    return sameSums(expected, sums) ? [] : [`${schema}.${name}: ${sums.rows}/${expected.rows}`];
  });
}

/** Adds each row to its range; rows in any order, fastest when in order. */
function addLines(order: RowOrder, ranges: readonly RangeSums[], at: { index: number }, lines: Buffer): void {
  for (let start = 0; start < lines.length;) {
    const end = lineEnd(lines, start, lines.length);
    const key = keyAt(order, lines, start, end);
    const range = rangeOf(order, ranges, at, key);
    countRow(range, order, key, lines, start, end);
    start = end + 1;
  }
}

function rangeOf(order: RowOrder, ranges: readonly RangeSums[], at: { index: number }, key: RowKey): RangeSums {
  const begins = ranges[at.index]?.firstKey;
  if (begins !== undefined && order.compare(key, begins) < 0) at.index = 0;
  for (;;) {
    const next = ranges[at.index + 1]?.firstKey;
    if (next === undefined || order.compare(next, key) > 0) break;
    at.index++;
  }
  return ranges[at.index] ?? emptyRange(undefined);
}

function sameSums(a: RangeSums, b: RangeSums): boolean {
  return a.rows === b.rows && a.bytes === b.bytes && a.keySum === b.keySum && a.rowSum === b.rowSum;
}
