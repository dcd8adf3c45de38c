import { auditEvery, keyParts, type RowKey, type StretchSums, type TableChanges } from "../../database/database.ts";
import { ParentRows } from "./parent-rows.ts";
import { countRow, type RangeSums, rowHashes } from "./ranges-file.ts";
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

/** More than this is read from the table itself: it is held in memory. */
const mostBytes = 48 << 20;

/**
 * Turns what a database tells of a table's changes into the rows that differ from the snapshot before: rows that are gone
 * are found by the sums of keys of each range, and each step is checked by what the sums must be then. `undefined` when
 * something does not add up or is too much: then the table has to be read.
 */
export async function changedRows(
  folder: TableFolder,
  before: TableBefore,
  changes: TableChanges,
  audit: number,
): Promise<readonly ChangedRow[] | undefined> {
  // Two sessions of the database are at work at once.
  const [stretches, written] = await Promise.all([changes.stretches(), writtenRows(folder, before, changes)]);
  if (!written || stretches.length !== before.ranges.length) return undefined;
  const sums = before.ranges.map((range) => ({ ...range }));
  for (const row of written) apply(folder.order, sums, row);
  const gone = await goneRows(folder, before, { changes, stretches, sums, written });
  if (!gone) return undefined;
  for (const row of gone) apply(folder.order, sums, row);
  const wrong = sums.some(({ rows, keySum, rowSum }, index) => {
    const now = stretches[index];
    if (!now || rows !== keysOf(now) || keySum !== keySumOf(now)) return true;
    return index % auditEvery === audit && rowSum !== now.rowSum;
  });
  if (wrong) return undefined;
  return [...written, ...gone].toSorted((a, b) => folder.order.compare(a.key, b.key));
}

/** New and changed rows beside what they were, in key order. */
async function writtenRows(
  folder: TableFolder,
  before: TableBefore,
  changes: TableChanges,
): Promise<readonly ChangedRow[] | undefined> {
  const { order, signal } = folder;
  const parent = await ParentRows.open(folder, before);
  const written: ChangedRow[] = [];
  let bytes = 0;
  for await (const { lines } of sortedRows(changes.rows(), order, signal)) {
    bytes += lines.length;
    if (bytes > mostBytes) return undefined;
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
  readonly changes: TableChanges;
  readonly stretches: readonly StretchSums[];
  /** What the ranges would be if nothing was gone. */
  readonly sums: readonly RangeSums[];
  readonly written: readonly ChangedRow[];
}

/** Rows of the snapshot that are gone from ranges where the sums of keys say that some are, in key order. */
async function goneRows(
  folder: TableFolder,
  before: TableBefore,
  { changes, stretches, sums, written }: Known,
): Promise<readonly ChangedRow[] | undefined> {
  const { order } = folder;
  const lacking: number[] = [];
  for (const [index, { rows, keySum }] of sums.entries()) {
    const now = stretches[index];
    if (!now || rows < keysOf(now)) return undefined;
    if (rows !== keysOf(now) || keySum !== keySumOf(now)) lacking.push(index);
  }
  const added = new Map<number, bigint[]>();
  for (const { key, before: was, now } of written) {
    if (was || !now) continue;
    const index = rangeOf(order, before.ranges, key);
    const hashes = added.get(index) ?? [];
    hashes.push(rowHashes(order, key, now, 0, now.length).keyHash);
    added.set(index, hashes);
  }
  const gone: ChangedRow[] = [];
  const unsolved: number[] = [];
  let bytes = 0;
  const take = (rows: readonly KeyedRow[]): void => {
    for (const { key, line } of rows) {
      bytes += line.length;
      gone.push({ key, before: Buffer.from(line) });
    }
  };
  for (const [first, last] of spans(lacking)) {
    for await (const { index, rows } of storedRanges(folder, before, first, last)) {
      const now = stretches[index];
      const found = now && goneFrom(rows, now, added.get(index) ?? []);
      if (found) take(found);
      else unsolved.push(index);
      if (bytes > mostBytes) return undefined;
    }
  }
  if (unsolved.length === 0) return gone;
  // Many are gone from one place: the keys that are there have to be asked for.
  const present = new KeyWalk(order, sortedRows(changes.keys(), order, folder.signal)[Symbol.asyncIterator]());
  for (const index of unsolved) {
    for await (const { rows } of storedRanges(folder, before, index, index)) {
      const lost: KeyedRow[] = [];
      for (const row of rows) if (!(await present.has(row.key))) lost.push(row);
      take(lost);
      if (bytes > mostBytes) return undefined;
    }
  }
  return gone;
}

interface KeyedRow {
  readonly key: RowKey;
  readonly line: Buffer;
  readonly hash: bigint;
}

/**
 * Which of a range's rows are gone, told from sums alone: in each part of its keys a few at most are, and the few whose
 * hashes add up to what the part's sum lacks are found by trying. `undefined`: they are too many for that.
 */
function goneFrom(
  rows: readonly KeyedRow[],
  now: StretchSums,
  added: readonly bigint[],
): readonly KeyedRow[] | undefined {
  const parts = Array.from({ length: keyParts }, () => ({ rows: [] as KeyedRow[], keys: 0, sum: 0n }));
  const count = (hash: bigint) => {
    const part = parts[Number(hash & BigInt(keyParts - 1))];
    if (part) {
      part.keys++;
      part.sum += hash;
    }
    return part;
  };
  for (const row of rows) count(row.hash)?.rows.push(row);
  for (const hash of added) count(hash);
  const gone: KeyedRow[] = [];
  for (const [index, part] of parts.entries()) {
    const is = now.parts[index];
    if (!is) return undefined;
    const lack = part.keys - is.keys;
    const sum = BigInt.asUintN(64, part.sum - is.sum);
    if (lack === 0 && sum === 0n) continue;
    const found = lack === part.rows.length ? part.rows : subsetOf(part.rows, lack, sum);
    if (!found) return undefined;
    gone.push(...found);
  }
  return gone;
}

/** `count` rows whose hashes add up to `sum` modulo 2^64; tried for up to three. */
function subsetOf(rows: readonly KeyedRow[], count: number, sum: bigint): readonly KeyedRow[] | undefined {
  if (count < 1 || count > 3) return undefined;
  const byHash = new Map(rows.map((row) => [row.hash, row]));
  const lastOf = (chosen: readonly KeyedRow[], left: bigint) => {
    const row = byHash.get(BigInt.asUintN(64, left));
    return row && !chosen.includes(row) ? [...chosen, row] : undefined;
  };
  if (count === 1) return lastOf([], sum);
  for (const [index, first] of rows.entries()) {
    if (count === 2) {
      const found = lastOf([first], sum - first.hash);
      if (found) return found;
      continue;
    }
    for (let next = index + 1; next < rows.length; next++) {
      const second = rows[next];
      const found = second && lastOf([first, second], sum - first.hash - second.hash);
      if (found) return found;
    }
  }
  return undefined;
}

function keysOf({ parts }: StretchSums): number {
  return parts.reduce((total, { keys }) => total + keys, 0);
}

function keySumOf({ parts }: StretchSums): bigint {
  return BigInt.asUintN(
    64,
    parts.reduce((total, { sum }) => total + sum, 0n),
  );
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

/** The rows of some neighbouring ranges as the snapshot before has them, a range at a time. */
async function* storedRanges(
  folder: TableFolder,
  { base, runFiles, ranges }: TableBefore,
  first: number,
  last: number,
): AsyncGenerator<{ readonly index: number; readonly rows: readonly KeyedRow[] }, void> {
  const { order } = folder;
  // What is asked for begins behind a key, and a range begins with one: so the range before is read too.
  const after = first > 0 ? ranges[first - 1]?.firstKey : undefined;
  const upTo = ranges[last + 1]?.firstKey;
  let index = Math.max(0, first - 1);
  let rows: KeyedRow[] = [];
  const range = { ...(after !== undefined && { after }), ...(upTo !== undefined && { upTo }) };
  for await (const { lines } of mergedRows(folder, base, runFiles, range)) {
    for (let at = 0; at < lines.length;) {
      const end = lineEnd(lines, at, lines.length);
      const key = keyAt(order, lines, at, end);
      for (let next = ranges[index + 1]?.firstKey; next !== undefined; next = ranges[index + 1]?.firstKey) {
        if (order.compare(next, key) > 0) break;
        if (index >= first && index <= last) yield { index, rows };
        rows = [];
        index++;
      }
      const line = lines.subarray(at, end);
      if (index >= first && index <= last)
        rows.push({ key, line, hash: rowHashes(order, key, line, 0, line.length).keyHash });
      at = end + 1;
    }
  }
  if (index >= first && index <= last) yield { index, rows };
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

/** Keys that are there, asked for in order. */
class KeyWalk {
  readonly #order: RowOrder;
  readonly #batches: AsyncIterator<{ readonly lines: Buffer }>;
  #lines: Buffer = Buffer.alloc(0);
  #at = 0;

  constructor(order: RowOrder, batches: AsyncIterator<{ readonly lines: Buffer }>) {
    this.#order = order;
    this.#batches = batches;
  }

  async has(key: RowKey): Promise<boolean> {
    for (;;) {
      if (this.#at >= this.#lines.length) {
        const step = await this.#batches.next();
        if (step.done) return false;
        this.#lines = step.value.lines;
        this.#at = 0;
        continue;
      }
      const end = lineEnd(this.#lines, this.#at, this.#lines.length);
      const found = this.#lines.toString("latin1", this.#at, end);
      if (found === key) return true;
      if (this.#order.compare(found, key) > 0) return false;
      this.#at = end + 1;
    }
  }
}
