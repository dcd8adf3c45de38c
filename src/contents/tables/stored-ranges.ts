import { auditEvery, type HashSum, type RowBatch, type RowKey } from "../../database/database.ts";
import { sumBits, viewOf } from "../../database/rows.ts";
import type { ChangedRow } from "./changed-rows.ts";
import { mergedRows } from "./merged-rows.ts";
import { Overlay } from "./overlay.ts";
import { countRow, type RangeSums } from "./ranges-file.ts";
import { keyEnd, lineEnd, lowerBound, type RowOrder } from "./row-order.ts";
import type { StoredChunk } from "./keys-file.ts";
import type { StoredBase } from "./stored-base.ts";
import { readAhead, type TableFolder } from "./stored-parts.ts";
import type { TableBefore } from "./table-before.ts";

/** A row where it was read to: what is not asked of it is not made. */
export class StoredRow {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  readonly #start: number;
  readonly #keyEnd: number;
  readonly #end: number;

  constructor(bytes: Buffer, view: DataView, start: number, stop: number, end: number) {
    this.#bytes = bytes;
    this.#view = view;
    this.#start = start;
    this.#keyEnd = stop;
    this.#end = end;
  }

  get key(): RowKey {
    return this.#bytes.toString("latin1", this.#start, this.#keyEnd);
  }

  get line(): Buffer {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  addKeyHash(order: RowOrder, sum: HashSum): void {
    order.addHash(sum, this.#view, this.#start, this.#keyEnd);
  }

  keyHash(order: RowOrder): bigint {
    const sum = { low: 0, high: 0 };
    this.addKeyHash(order, sum);
    return sumBits(sum);
  }
}

/** Rows from a key on to before another one; absent: from the first, to the last. */
export interface StoredStretch {
  /** The range's number. */
  readonly index: number;
  readonly from: RowKey | undefined;
  readonly below: RowKey | undefined;
}

/** Some ranges, by their numbers. */
export function wholeRanges(ranges: readonly RangeSums[], wanted: readonly number[]): readonly StoredStretch[] {
  return wanted.map((index) => ({ index, from: ranges[index]?.firstKey, below: ranges[index + 1]?.firstKey }));
}

/** All rows of these ranges, in order, as the snapshot before has them. */
export async function* storedLines(
  folder: TableFolder,
  { base, runFiles }: Pick<TableBefore, "base" | "runFiles">,
  wanted: readonly StoredStretch[],
): AsyncGenerator<RowBatch, void> {
  const overlay = await Overlay.open(folder, runFiles);
  const gathered = withoutGaps(wanted);
  await using near = readAhead(folder, chunksIn(folder, base, gathered));
  for (const neighbours of gathered) yield* mergedRows(near.folder, base, overlay, spanOf(neighbours));
}

/** The rows of ranges, or of stretches in them, as the snapshot before has them, one at a time; good until the next one is asked for. */
export async function* storedRanges(
  folder: TableFolder,
  { base, runFiles }: Pick<TableBefore, "base" | "runFiles">,
  wanted: readonly StoredStretch[],
): AsyncGenerator<{ readonly index: number; readonly rows: readonly StoredRow[] }, void> {
  const { order } = folder;
  const overlay = await Overlay.open(folder, runFiles);
  const gathered = withoutGaps(wanted);
  await using near = readAhead(folder, chunksIn(folder, base, gathered));
  for (const neighbours of gathered) {
    let next = 0;
    let rows: StoredRow[] = [];
    // Of batches before the one at hand, whose last rows are in the stretch at hand.
    const releases: (() => void)[] = [];
    const taken = (): void => {
      rows = [];
      next++;
      for (const release of releases.splice(0)) release();
    };
    for await (const { lines, ends, release } of mergedRows(near.folder, base, overlay, spanOf(neighbours))) {
      const view = viewOf(lines);
      let line = 0;
      for (let at = 0; at < lines.length;) {
        const { index = 0, below } = neighbours[next] ?? {};
        const behind = below === undefined ? lines.length : lowerBound(order, lines, at, lines.length, below);
        while (at < behind) {
          const end = ends ? (ends[line++] ?? 0) - 1 : lineEnd(lines, at, behind);
          rows.push(new StoredRow(lines, view, at, keyEnd(order, lines, at, end), end));
          at = end + 1;
        }
        if (at === lines.length) break;
        yield { index, rows };
        taken();
      }
      if (release) releases.push(release);
    }
    for (let stretch = neighbours[next]; stretch; stretch = neighbours[next]) {
      yield { index: stretch.index, rows };
      taken();
    }
  }
}

async function* chunksIn(
  { order }: TableFolder,
  base: StoredBase,
  gathered: readonly (readonly StoredStretch[])[],
): AsyncGenerator<StoredChunk, void> {
  for (const neighbours of gathered) {
    const { from, below } = spanOf(neighbours);
    let isFirst = true;
    for await (const chunk of base.chunks(from)) {
      if (!isFirst && below !== undefined && order.compare(chunk.firstKey, below) >= 0) break;
      isFirst = false;
      yield chunk;
    }
  }
}

/** From where the first begins to where the last ends. */
function spanOf(neighbours: readonly StoredStretch[]): Pick<StoredStretch, "from" | "below"> {
  return { from: neighbours[0]?.from, below: neighbours.at(-1)?.below };
}

/** Stretches in order, those together that follow each other. */
function withoutGaps(stretches: readonly StoredStretch[]): readonly (readonly StoredStretch[])[] {
  const found: StoredStretch[][] = [];
  for (const stretch of stretches) {
    const last = found.at(-1);
    const below = last?.at(-1)?.below;
    if (last && below !== undefined && below === stretch.from) last.push(stretch);
    else found.push([stretch]);
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
export function startsOf(ranges: readonly Pick<RangeSums, "firstKey">[]): readonly RowKey[] {
  return ranges.flatMap(({ firstKey }) => firstKey ?? []);
}

/** Numbers of the ranges that this audit is of. */
export function audited(ranges: readonly RangeSums[], audit: number): readonly number[] {
  return [...ranges.keys()].filter((index) => index % auditEvery === audit);
}
