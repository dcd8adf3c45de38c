import type { RowBatch, RowKey, RowSums } from "../../database/database.ts";
import { type ChangedRow, type ChangedRowsInput, mostChangedBytes } from "./changed-rows.ts";
import { LineWalk } from "./line-walk.ts";
import { addLines, emptyRange, type RangeSums, totalSums } from "./ranges-file.ts";
import type { RowOrder } from "./row-order.ts";
import { sortedRows } from "./sorted-rows.ts";
import { apply, audited, sameSums, startsOf, type StoredRow, storedRanges, wholeRanges } from "./stored-ranges.ts";

/** Fewer ranges than these are as quickly read. */
const fewRanges = 4;

/**
 * The rows that differ, where the database sums up the rows of each range and only those that differ are read, of most of
 * them a piece; every thirtieth is read whatever its sum says. The database's ranges are in its own order of keys: so long as
 * they hold each row once, a range with an equal sum holds the rows that are stored, and all others are among those that are read.
 */
export async function rowsByHash(
  input: ChangedRowsInput,
  counted: (batches: AsyncIterable<RowBatch>) => AsyncIterable<RowBatch>,
): Promise<readonly ChangedRow[] | undefined> {
  const { folder, before, reader, audit } = input;
  const { order, signal } = folder;
  if (!reader.rowsIn || before.ranges.length < fewRanges) return undefined;
  const summed = await reader.sums?.({ starts: startsOf(before.ranges) }, "rows", signal);
  if (!summed) return undefined;
  const whole = audited(before.ranges, audit);
  const differ = differing(before.ranges, summed, new Set(whole));
  if ((whole.length + differ.length) * 2 > before.ranges.length) return undefined;
  const { ranges, now, only } = (await inPieces(input, { now: summed, whole, differ })) ?? {
    ranges: before.ranges,
    now: summed,
    only: [...whole, ...differ].toSorted((a, b) => a - b),
  };
  await using present = new LineWalk(
    order,
    sortedRows(counted(reader.rowsIn({ starts: startsOf(ranges), only }, "rows", signal)), order, signal),
  );
  const changed: ChangedRow[] = [];
  let bytes = 0;
  const add = (row: ChangedRow): void => {
    bytes += (row.before?.length ?? 0) + (row.now?.length ?? 0);
    changed.push(row);
  };
  for await (const { rows } of storedRanges(folder, before, wholeRanges(ranges, only))) {
    for (const { key, line } of rows) {
      for (; (await present.below(key)) !== undefined; present.step()) add({ key: present.key, now: present.copy() });
      if (present.isAt(key)) {
        if (!present.line.equals(line)) add({ key, before: Buffer.from(line), now: present.copy() });
        present.step();
      } else {
        add({ key, before: Buffer.from(line) });
      }
      if (bytes > mostChangedBytes) return undefined;
    }
  }
  for (; (await present.below(undefined)) !== undefined; present.step()) {
    add({ key: present.key, now: present.copy() });
    if (bytes > mostChangedBytes) return undefined;
  }
  return addsUp(order, ranges, changed, only, now) ? changed : undefined;
}

/** Numbers of the ranges whose sums are others now, but for some. */
function differing(ranges: readonly RangeSums[], now: readonly RowSums[], but: ReadonlySet<number>): readonly number[] {
  return [...ranges.keys()].filter((index) => !but.has(index) && !sameSums(ranges[index], now[index]));
}

/** In so many pieces a range is summed up again before it is read: asking for a piece costs what reading some ten rows does. */
const piecesEach = 8;
/** More ranges than these are read as they are: their pieces are held in memory. */
const mostInPieces = 20_000;

interface Summed {
  readonly now: readonly RowSums[];
  /** Numbers of ranges that are read whatever their sums say, and of others that differ. */
  readonly whole: readonly number[];
  readonly differ: readonly number[];
}

/**
 * The table's ranges with those that differ in pieces, what the database says of each, and which of them have to be read.
 * `undefined`: the database cannot tell, since the keys in between do not ascend in its order, say.
 */
async function inPieces(
  { folder, before, reader }: ChangedRowsInput,
  { now, whole, differ }: Summed,
): Promise<
  | { readonly ranges: readonly RangeSums[]; readonly now: readonly RowSums[]; readonly only: readonly number[] }
  | undefined
> {
  if (differ.length === 0 || differ.length > mostInPieces) return undefined;
  const pieces = new Map<number, readonly RangeSums[]>();
  for await (const { index, rows } of storedRanges(folder, before, wholeRanges(before.ranges, differ))) {
    pieces.set(index, piecesOf(folder.order, before.ranges[index]?.firstKey, rows));
  }
  const ranges: RangeSums[] = [];
  const known: (RowSums | undefined)[] = [];
  const read = new Set<number>();
  const isWhole = new Set(whole);
  for (const [index, range] of before.ranges.entries()) {
    if (isWhole.has(index)) read.add(ranges.length);
    const some = pieces.get(index);
    ranges.push(...(some ?? [range]));
    known.push(...(some?.map(() => undefined) ?? [now[index]]));
  }
  const asked = [...known.keys()].filter((index) => known[index] === undefined);
  const told = await reader.sums?.({ starts: startsOf(ranges), only: asked }, "rows", folder.signal);
  if (!told) return undefined;
  for (const [at, index] of asked.entries()) known[index] = told[at];
  const sums = known.flatMap((one) => one ?? []);
  const others = differing(ranges, sums, read);
  return { ranges, now: sums, only: [...read, ...others].toSorted((a, b) => a - b) };
}

function piecesOf(order: RowOrder, firstKey: RowKey | undefined, rows: readonly StoredRow[]): readonly RangeSums[] {
  const each = Math.max(1, Math.ceil(rows.length / piecesEach));
  const pieces: RangeSums[] = [];
  for (let at = 0; at === 0 || at < rows.length; at += each) {
    const piece = emptyRange(at === 0 ? firstKey : rows[at]?.key);
    const lines = Buffer.concat(rows.slice(at, at + each).flatMap(({ line }) => [line, lineFeed]));
    addLines(piece, order, lines, 0, lines.length);
    pieces.push(piece);
  }
  return pieces;
}

const lineFeed = Buffer.from("\n");

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
  const others = sums.filter((range, index) => !read.has(index) && !sameSums(range, now[index]));
  if (others.length > 0) return false;
  const expected = totalSums(now.map((one) => ({ ...one, bytes: 0, firstKey: undefined })));
  return sameSums(totalSums(sums), expected);
}
