import {
  auditEvery,
  type FollowedRows,
  type RowBatch,
  type RowKey,
  type RowSums,
  type TableReader,
  type WrittenRows,
} from "../../database/database.ts";
import { ParentRows } from "./parent-rows.ts";
import { Overlay } from "./overlay.ts";
import { addLines, countRow, emptyRange, type RangeSums, totalSums } from "./ranges-file.ts";
import { keyAt, lineEnd, type RowOrder } from "./row-order.ts";
import { sortedRows } from "./sorted-rows.ts";
import type { TableFolder } from "./stored-parts.ts";
import { mergedRows } from "./merged-rows.ts";
import type { TableBefore } from "./table-before.ts";

/** A row that differs from the snapshot compared with. Lines without LF. */
export interface ChangedRow {
  readonly key: RowKey;
  /** Absent: the row is new. */
  readonly before?: Buffer;
  /** Absent: the row is gone. */
  readonly now?: Buffer;
}

/** What is asked of a database about a table that was stored before. */
export interface ChangedRowsInput {
  readonly folder: TableFolder;
  readonly before: TableBefore;
  readonly reader: TableReader;
  /** What a journal that was kept meanwhile says; absent: there is none that leads from there to here. */
  readonly followed?: FollowedRows | undefined;
  /** Of which ranges whole rows are compared, as a check: those whose number leaves this rest when divided by `auditEvery`. */
  readonly audit: number;
}

/** More than this is read from the table itself: it is held in memory. */
const mostBytes = 48 << 20;

/**
 * The rows that differ, from the journal. Every thirtieth range is summed up by the database, where it can; `undefined` when
 * that is not what the journal says.
 */
export async function rowsByJournal(
  { folder, before, reader, audit }: ChangedRowsInput,
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
  const full = await reader.sums({ starts: startsOf(before.ranges), only }, "rows", signal);
  return full && only.every((index, at) => sameSums(sums[index], full[at])) ? rows : undefined;
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
  const { folder, before, reader, audit } = input;
  const { signal } = folder;
  const starts = startsOf(before.ranges);
  // Two sessions of the database are at work at once.
  const [counts, written] = await Promise.all([
    reader.sums?.({ starts }, "counts", signal),
    writtenRows(folder, before, changes, mostBytes),
  ]);
  if (!written || !counts) return undefined;
  const sums = before.ranges.map((range) => ({ ...range }));
  for (const row of written) apply(folder.order, sums, row);
  const gone = await goneRows(input, { counts, sums, written });
  if (!gone) return undefined;
  for (const row of gone) apply(folder.order, sums, row);
  const only = audited(sums, audit);
  const full = await reader.sums?.({ starts, only }, "rows", signal);
  const isWrong =
    sums.some(({ rows }, index) => rows !== counts[index]?.rows) ||
    !full ||
    only.some((index, at) => !sameSums(sums[index], full[at]));
  return isWrong ? undefined : inOrder(folder.order, [...written, ...gone]);
}

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
  const present = new LineWalk(
    order,
    sortedRows(counted(reader.rowsIn({ starts: startsOf(ranges), only }, "rows", signal)), order, signal),
  );
  const changed: ChangedRow[] = [];
  let bytes = 0;
  const add = (row: ChangedRow): void => {
    bytes += (row.before?.length ?? 0) + (row.now?.length ?? 0);
    changed.push(row);
  };
  for await (const { rows } of storedRanges(folder, { ...before, ranges }, only)) {
    for (const { key, line } of rows) {
      for (; (await present.below(key)) !== undefined; present.step()) add({ key: present.key, now: present.copy() });
      if (present.isAt(key)) {
        if (!present.line.equals(line)) add({ key, before: Buffer.from(line), now: present.copy() });
        present.step();
      } else {
        add({ key, before: Buffer.from(line) });
      }
      if (bytes > mostBytes) return undefined;
    }
  }
  for (; (await present.below(undefined)) !== undefined; present.step()) {
    add({ key: present.key, now: present.copy() });
    if (bytes > mostBytes) return undefined;
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
  for await (const { index, rows } of storedRanges(folder, before, differ)) {
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

function piecesOf(order: RowOrder, firstKey: RowKey | undefined, rows: readonly KeyedRow[]): readonly RangeSums[] {
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

/** Fewer ranges than these are as quickly read. */
const fewRanges = 4;

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

function startsOf(ranges: readonly RangeSums[]): readonly RowKey[] {
  return ranges.flatMap(({ firstKey }) => firstKey ?? []);
}

function audited(ranges: readonly RangeSums[], audit: number): readonly number[] {
  return [...ranges.keys()].filter((index) => index % auditEvery === audit);
}

function sameSums(a: RowSums | undefined, b: RowSums | undefined): boolean {
  return a?.rows === b?.rows && a?.keySum === b?.keySum && a?.rowSum === b?.rowSum;
}

function inOrder(order: RowOrder, rows: readonly ChangedRow[]): readonly ChangedRow[] {
  return rows.toSorted((a, b) => order.compare(a.key, b.key));
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

interface Known {
  /** How many rows each range has now. */
  readonly counts: readonly RowSums[];
  /** What the ranges would be if nothing was gone. */
  readonly sums: readonly RangeSums[];
  readonly written: readonly ChangedRow[];
}

/** Rows of the snapshot that are gone from ranges that have fewer than they would have, in no order. */
async function goneRows(
  { folder, before, reader }: ChangedRowsInput,
  { counts, sums, written }: Known,
): Promise<readonly ChangedRow[] | undefined> {
  const { order, signal } = folder;
  const lacking: number[] = [];
  for (const [index, { rows }] of sums.entries()) {
    const now = counts[index]?.rows;
    if (now === undefined || rows < now) return undefined;
    if (rows !== now) lacking.push(index);
  }
  if (lacking.length === 0) return [];
  const starts = startsOf(before.ranges);
  const keySums = await reader.sums?.({ starts, only: lacking }, "keys", signal);
  if (!keySums || !reader.rowsIn) return undefined;
  const isNew = new Set(written.flatMap(({ key, before: was }) => (was ? [] : [key])));
  const gone: ChangedRow[] = [];
  const unsolved: number[] = [];
  let bytes = 0;
  const take = (rows: readonly KeyedRow[]): void => {
    for (const { key, line } of rows) {
      bytes += line.length;
      gone.push({ key, before: Buffer.from(line) });
    }
  };
  const sumOf = new Map(lacking.map((index, at) => [index, keySums[at]?.keySum ?? 0n]));
  for await (const { index, rows } of storedRanges(folder, before, lacking)) {
    const range = sums[index];
    const now = counts[index]?.rows ?? 0;
    const sum = BigInt.asUintN(64, (range?.keySum ?? 0n) - (sumOf.get(index) ?? 0n));
    const lack = range && subsetOf(order, rows, range.rows - now, sum);
    if (lack) take(lack);
    else unsolved.push(index);
    if (bytes > mostBytes) return undefined;
  }
  if (unsolved.length === 0) return gone;
  // Many are gone from one place: the keys that are there have to be asked for.
  const keys = sortedRows(reader.rowsIn({ starts, only: unsolved }, "keys", signal), order, signal);
  const present = new LineWalk(order, keys);
  for await (const { rows } of storedRanges(folder, before, unsolved)) {
    const lost: KeyedRow[] = [];
    for (const row of rows) {
      while ((await present.below(row.key)) !== undefined) {
        if (!isNew.has(present.key)) return undefined;
        present.step();
      }
      if (present.isAt(row.key)) present.step();
      else lost.push(row);
    }
    take(lost);
    if (bytes > mostBytes) return undefined;
  }
  return gone;
}

interface KeyedRow {
  readonly key: RowKey;
  readonly line: Buffer;
}

/** Three are looked for among no more rows than these: the time grows with their square. */
const mostForThree = 1500;

/** `count` rows the hashes of whose keys add up to `sum` modulo 2^64; tried for up to three, or for all of them. */
function subsetOf(
  order: RowOrder,
  rows: readonly KeyedRow[],
  count: number,
  sum: bigint,
): readonly KeyedRow[] | undefined {
  if (count === rows.length) return rows;
  if (count < 1 || count > 3 || (count === 3 && rows.length > mostForThree)) return undefined;
  const hashOf = ({ key, line }: KeyedRow) => order.hash(line, 0, key.length);
  if (count === 1) {
    const found = rows.find((row) => hashOf(row) === sum);
    return found && [found];
  }
  const hashed = rows.map((row) => ({ row, hash: hashOf(row) }));
  const byHash = new Map(hashed.map(({ row, hash }) => [hash, row]));
  const lastOf = (chosen: readonly KeyedRow[], left: bigint) => {
    const row = byHash.get(BigInt.asUintN(64, left));
    return row && !chosen.includes(row) ? [...chosen, row] : undefined;
  };
  for (const [index, first] of hashed.entries()) {
    if (count === 2) {
      const found = lastOf([first.row], sum - first.hash);
      if (found) return found;
      continue;
    }
    for (let next = index + 1; next < hashed.length; next++) {
      const second = hashed[next];
      const found = second && lastOf([first.row, second.row], sum - first.hash - second.hash);
      if (found) return found;
    }
  }
  return undefined;
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

/** The rows of some ranges as the snapshot before has them, a range at a time; good until the next one is asked for. */
async function* storedRanges(
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
    for await (const { lines } of mergedRows(folder, base, overlay, range)) {
      for (let at = 0; at < lines.length;) {
        const end = lineEnd(lines, at, lines.length);
        const key = keyAt(order, lines, at, end);
        for (let next = ranges[index + 1]?.firstKey; next !== undefined; next = ranges[index + 1]?.firstKey) {
          if (order.compare(next, key) > 0) break;
          yield { index, rows };
          rows = [];
          index++;
        }
        rows.push({ key, line: lines.subarray(at, end) });
        at = end + 1;
      }
    }
    for (; index <= last; index++) {
      yield { index, rows };
      rows = [];
    }
  }
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

function apply(order: RowOrder, sums: RangeSums[], { key, before, now }: ChangedRow): void {
  const range = sums[rangeOf(order, sums, key)];
  if (!range) return;
  if (before) countRow(range, order, key, before, 0, before.length, -1);
  if (now) countRow(range, order, key, now, 0, now.length);
}

/** Lines in key order, each looked at until it is stepped over. */
class LineWalk {
  readonly #order: RowOrder;
  readonly #batches: AsyncIterator<{ readonly lines: Buffer }>;
  #lines: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = -1;
  #state: "ahead" | "at" | "over" = "ahead";
  key: RowKey = "";

  constructor(order: RowOrder, batches: AsyncIterable<{ readonly lines: Buffer }>) {
    this.#order = order;
    this.#batches = batches[Symbol.asyncIterator]();
  }

  /** The key at hand if it is below this one (`undefined`: whatever it is); `undefined` when it is not, or there is none. */
  async below(key: RowKey | undefined): Promise<RowKey | undefined> {
    while (this.#state === "ahead") {
      if (this.#at < this.#lines.length) this.#look();
      else {
        const step = await this.#batches.next();
        if (step.done) this.#state = "over";
        else [this.#lines, this.#at] = [step.value.lines, 0];
      }
    }
    if (this.#state === "over") return undefined;
    return key === undefined || this.#order.compare(this.key, key) < 0 ? this.key : undefined;
  }

  isAt(key: RowKey): boolean {
    return this.#state === "at" && this.key === key;
  }

  get line(): Buffer {
    return this.#lines.subarray(this.#at, this.#end);
  }

  copy(): Buffer {
    return Buffer.from(this.line);
  }

  step(): void {
    this.#at = this.#end + 1;
    if (this.#state === "at") this.#state = "ahead";
  }

  #look(): void {
    this.#end = lineEnd(this.#lines, this.#at, this.#lines.length);
    this.key = keyAt(this.#order, this.#lines, this.#at, this.#end);
    this.#state = "at";
  }
}
