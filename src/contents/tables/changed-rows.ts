import { auditEvery, type RowKey, type TableChanges } from "../../database/database.ts";
import { Overlay } from "./overlay.ts";
import { type RangeSums, rowHashes } from "./ranges-file.ts";
import { keyAt, lineEnd, lowerBound, type RowOrder } from "./row-order.ts";
import { sortedRows } from "./sorted-rows.ts";
import type { BaseChunk } from "./stored-base.ts";
import { loadChunk, type TableFolder } from "./stored-parts.ts";
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
  if (changes.sums.length !== before.ranges.length) return undefined;
  const written = await writtenRows(folder, before, changes);
  if (!written) return undefined;
  const sums = before.ranges.map((range) => ({ ...range }));
  for (const row of written) apply(folder.order, sums, row);
  const gone = await goneRows(folder, before, changes, sums);
  if (!gone) return undefined;
  for (const row of gone) apply(folder.order, sums, row);
  const wrong = sums.some(({ rows, keySum, rowSum }, index) => {
    const now = changes.sums[index];
    if (rows !== now?.rows || keySum !== now.keySum) return true;
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

/** Rows of the snapshot that are gone from ranges where the sums of keys say that some are, in key order. */
async function goneRows(
  folder: TableFolder,
  before: TableBefore,
  changes: TableChanges,
  sums: readonly RangeSums[],
): Promise<readonly ChangedRow[] | undefined> {
  const { order, signal } = folder;
  /** By range: how many are gone, and the sum of their keys' hashes. */
  const lacking = new Map<number, { readonly count: number; readonly hash: bigint }>();
  for (const [index, { rows, keySum }] of sums.entries()) {
    const now = changes.sums[index];
    if (!now || rows < now.rows) return undefined;
    if (rows === now.rows && keySum === now.keySum) continue;
    lacking.set(index, { count: rows - now.rows, hash: BigInt.asUintN(64, keySum - now.keySum) });
  }
  // Where one key is gone, what the sum lacks is its hash; else the keys that are there have to be asked for.
  const some = [...lacking.values()].some(({ count }) => count > 1);
  const keys = some ? sortedRows(changes.keys(), order, signal) : undefined;
  const present = keys && new KeyWalk(order, keys[Symbol.asyncIterator]());
  const gone: ChangedRow[] = [];
  let bytes = 0;
  for (const [first, last] of spans([...lacking.keys()])) {
    for await (const { index, key, line } of storedRows(folder, before, first, last)) {
      const lack = lacking.get(index);
      const isGone =
        lack?.count === 1
          ? rowHashes(order, key, line, 0, line.length).keyHash === lack.hash
          : !(await present?.has(key));
      if (!isGone) continue;
      bytes += line.length;
      if (bytes > mostBytes) return undefined;
      gone.push({ key, before: Buffer.from(line) });
    }
  }
  return gone;
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

/** The rows of some neighbouring ranges as the snapshot before has them. */
async function* storedRows(
  folder: TableFolder,
  { base, runFiles, ranges }: TableBefore,
  first: number,
  last: number,
): AsyncGenerator<{ readonly index: number; readonly key: RowKey; readonly line: Buffer }, void> {
  const { order } = folder;
  // What is asked for begins behind a key, and a range begins with one: so the range before is read too.
  const after = first > 0 ? ranges[first - 1]?.firstKey : undefined;
  const upTo = ranges[last + 1]?.firstKey;
  let index = Math.max(0, first - 1);
  const range = { ...(after !== undefined && { after }), ...(upTo !== undefined && { upTo }) };
  for await (const { lines } of mergedRows(folder, base, runFiles, range)) {
    for (let at = 0; at < lines.length;) {
      const end = lineEnd(lines, at, lines.length);
      const key = keyAt(order, lines, at, end);
      for (let next = ranges[index + 1]?.firstKey; next !== undefined; next = ranges[index + 1]?.firstKey) {
        if (order.compare(next, key) > 0) break;
        index++;
      }
      if (index >= first && index <= last) yield { index, key, line: lines.subarray(at, end) };
      at = end + 1;
    }
  }
}

function apply(order: RowOrder, sums: RangeSums[], { key, before, now }: ChangedRow): void {
  let low = 0;
  let high = sums.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    const start = sums[middle]?.firstKey;
    if (start !== undefined && order.compare(start, key) <= 0) low = middle;
    else high = middle - 1;
  }
  const range = sums[low];
  if (!range) return;
  for (const [line, sign] of [
    [before, -1n],
    [now, 1n],
  ] as const) {
    if (!line) continue;
    const { keyHash, rowHash } = rowHashes(order, key, line, 0, line.length);
    range.rows += Number(sign);
    range.bytes += Number(sign) * (line.length + 1);
    range.keySum = BigInt.asUintN(64, range.keySum + sign * keyHash);
    range.rowSum = BigInt.asUintN(64, range.rowSum + sign * rowHash);
  }
}

/** Rows of the snapshot before by their keys, asked for in key order: each chunk is loaded once, and only if needed. */
class ParentRows {
  readonly #folder: TableFolder;
  readonly #chunks: AsyncGenerator<BaseChunk, void>;
  readonly #overlay: Overlay;
  #chunk: BaseChunk | undefined;
  #lines: Buffer | undefined;

  private constructor(folder: TableFolder, chunks: AsyncGenerator<BaseChunk, void>, overlay: Overlay) {
    this.#folder = folder;
    this.#chunks = chunks;
    this.#overlay = overlay;
  }

  static async open(folder: TableFolder, before: TableBefore): Promise<ParentRows> {
    return new ParentRows(folder, before.base.chunks(), await Overlay.open(folder, before.runFiles));
  }

  async at(key: RowKey): Promise<Buffer | undefined> {
    const { order } = this.#folder;
    const overlay = this.#overlay;
    while (overlay.key !== undefined && order.compare(overlay.key, key) < 0) await overlay.advance();
    if (overlay.key === key) return overlay.line;
    while (!this.#chunk || (this.#chunk.nextKey !== undefined && order.compare(this.#chunk.nextKey, key) <= 0)) {
      const step = await this.#chunks.next();
      if (step.done) return undefined;
      this.#chunk = step.value;
      this.#lines = undefined;
    }
    const lines = (this.#lines ??= await loadChunk(this.#folder, this.#chunk));
    const at = lowerBound(order, lines, 0, lines.length, key);
    if (at >= lines.length) return undefined;
    const end = lineEnd(lines, at, lines.length);
    return keyAt(order, lines, at, end) === key ? lines.subarray(at, end) : undefined;
  }
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
