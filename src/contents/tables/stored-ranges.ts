import { auditEvery, type RowKey, type RowSums } from "../../database/database.ts";
import type { ChangedRow } from "./changed-rows.ts";
import { mergedRows } from "./merged-rows.ts";
import { Overlay } from "./overlay.ts";
import { countRow, type RangeSums } from "./ranges-file.ts";
import { keyAt, lineEnd, type RowOrder } from "./row-order.ts";
import type { TableFolder } from "./stored-parts.ts";
import type { TableBefore } from "./table-before.ts";

export interface KeyedRow {
  readonly key: RowKey;
  readonly line: Buffer;
}

/** The rows of some ranges as the snapshot before has them, a range at a time; good until the next one is asked for. */
export async function* storedRanges(
  folder: TableFolder,
  { base, runFiles, ranges }: Pick<TableBefore, "base" | "runFiles"> & { readonly ranges: readonly RangeSums[] },
  wanted: readonly number[],
): AsyncGenerator<{ readonly index: number; readonly rows: readonly KeyedRow[] }, void> {
  const { order } = folder;
  const overlay = await Overlay.open(folder, runFiles);
  for (const [first, last] of spans(wanted)) {
    const range = { from: ranges[first]?.firstKey, below: ranges[last + 1]?.firstKey };
    let index = first;
    let rows: KeyedRow[] = [];
    // Of batches before the one at hand, whose last rows are in the range at hand.
    const releases: (() => void)[] = [];
    const next = (): void => {
      rows = [];
      index++;
      for (const release of releases.splice(0)) release();
    };
    for await (const { lines, release } of mergedRows(folder, base, overlay, range)) {
      for (let at = 0; at < lines.length;) {
        const end = lineEnd(lines, at, lines.length);
        const key = keyAt(order, lines, at, end);
        for (let start = ranges[index + 1]?.firstKey; start !== undefined; start = ranges[index + 1]?.firstKey) {
          if (order.compare(start, key) > 0) break;
          yield { index, rows };
          next();
        }
        rows.push({ key, line: lines.subarray(at, end) });
        at = end + 1;
      }
      if (release) releases.push(release);
    }
    while (index <= last) {
      yield { index, rows };
      next();
    }
  }
}

/** Numbers in order as stretches of neighbours: first and last. */
function spans(numbers: readonly number[]): readonly (readonly [number, number])[] {
  const found: [number, number][] = [];
  for (const number of numbers) {
    const last = found.at(-1);
    if (last && last[1] + 1 === number) last[1] = number;
    else found.push([number, number]);
  }
  return found;
}

/** Adds to the sums of its range what a row changes in them. */
export function apply(order: RowOrder, sums: RangeSums[], { key, before, now }: ChangedRow): void {
  const range = sums[rangeOf(order, sums, key)];
  if (!range) return;
  if (before) countRow(range, order, key, before, 0, before.length, -1);
  if (now) countRow(range, order, key, now, 0, now.length);
}

/** Index of the range that holds a key. */
function rangeOf(order: RowOrder, ranges: readonly RangeSums[], key: RowKey): number {
  let low = 0;
  let high = ranges.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    const start = ranges[middle]?.firstKey;
    if (start !== undefined && order.compare(start, key) <= 0) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Where ranges begin, but for the first of an empty table. */
export function startsOf(ranges: readonly RangeSums[]): readonly RowKey[] {
  return ranges.flatMap(({ firstKey }) => firstKey ?? []);
}

/** Numbers of the ranges that this audit is of. */
export function audited(ranges: readonly RangeSums[], audit: number): readonly number[] {
  return [...ranges.keys()].filter((index) => index % auditEvery === audit);
}

export function sameSums(a: RowSums | undefined, b: RowSums | undefined): boolean {
  return a?.rows === b?.rows && a?.keySum === b?.keySum && a?.rowSum === b?.rowSum;
}
