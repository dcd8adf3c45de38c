import type { RowBatch, RowKey, TableReader } from "../database/database.ts";
import { keyOf } from "../database/rows.ts";
import type { StoredTable } from "./tables/stored-table.ts";

/**
 * A live table and a stored one, merged row by row under the three switches of a restore: what a database built beside
 * the live one is filled with when the operator wants less than an exact copy of the snapshot.
 */
export interface MergeSwitches {
  readonly createMissing: boolean;
  readonly updateChanged: boolean;
  readonly removeNewer: boolean;
}

/** Rows by what happens to them; `differ` and `newer` are those that a switch leaves alone. */
export interface MergeCounts {
  created: number;
  updated: number;
  removed: number;
  /** Only in the snapshot, not created. */
  missing: number;
  /** Differ, and stay as they are now. */
  differ: number;
  /** Only in the live table, and stay. */
  newer: number;
  same: number;
}

export function noCounts(): MergeCounts {
  return { created: 0, updated: 0, removed: 0, missing: 0, differ: 0, newer: 0, same: 0 };
}

const outputBytes = 1 << 20;

/** Both sides have the same columns and key. Adds to `counts` as it goes. */
export async function* mergeRows(
  live: TableReader,
  stored: StoredTable,
  compareKeys: (a: RowKey, b: RowKey) => number,
  switches: MergeSwitches,
  counts: MergeCounts,
  signal: AbortSignal,
): AsyncGenerator<RowBatch> {
  const output = new LineOutput();
  const keyLength = live.table.keyLength;
  const sides = keyLength > 0 ? keyedLines(live, stored, compareKeys, signal) : unkeyedLines(live, stored, signal);
  for await (const { now, before } of sides) {
    const line = choose(now, before, switches, counts);
    if (line && output.add(line)) yield output.take();
  }
  if (output.rows > 0) yield output.take();
}

interface Pair {
  /** Lines with their LF. */
  readonly now?: Buffer;
  readonly before?: Buffer;
}

function choose(
  now: Buffer | undefined,
  then: Buffer | undefined,
  switches: MergeSwitches,
  counts: MergeCounts,
): Buffer | undefined {
  if (now === undefined) {
    counts[switches.createMissing ? "created" : "missing"]++;
    return switches.createMissing ? then : undefined;
  }
  if (then === undefined) {
    counts[switches.removeNewer ? "removed" : "newer"]++;
    return switches.removeNewer ? undefined : now;
  }
  if (now.equals(then)) {
    counts.same++;
    return now;
  }
  counts[switches.updateChanged ? "updated" : "differ"]++;
  return switches.updateChanged ? then : now;
}

async function* keyedLines(
  live: TableReader,
  stored: StoredTable,
  compareKeys: (a: RowKey, b: RowKey) => number,
  signal: AbortSignal,
): AsyncGenerator<Pair> {
  const keyLength = live.table.keyLength;
  const nowLines = lines(live.read({}, signal))[Symbol.asyncIterator]();
  const thenLines = lines(stored.rows({}, signal))[Symbol.asyncIterator]();
  let now = await nowLines.next();
  let then = await thenLines.next();
  while (!now.done || !then.done) {
    const order = now.done
      ? 1
      : then.done
        ? -1
        : compareKeys(
            keyOf(now.value, keyLength, 0, now.value.length - 1),
            keyOf(then.value, keyLength, 0, then.value.length - 1),
          );
    yield {
      ...(order <= 0 && !now.done && { now: now.value }),
      ...(order >= 0 && !then.done && { before: then.value }),
    };
    if (order <= 0) now = await nowLines.next();
    if (order >= 0) then = await thenLines.next();
  }
}

/** Without a key, equal rows are counted against each other. Memory: the live table's distinct rows. */
async function* unkeyedLines(live: TableReader, stored: StoredTable, signal: AbortSignal): AsyncGenerator<Pair> {
  const counted = new Map<string, number>();
  for await (const line of lines(live.read({}, signal))) {
    const text = line.toString("latin1");
    counted.set(text, (counted.get(text) ?? 0) + 1);
  }
  for await (const before of lines(stored.rows({}, signal))) {
    const text = before.toString("latin1");
    const left = counted.get(text) ?? 0;
    if (left > 0) counted.set(text, left - 1);
    yield left > 0 ? { now: before, before } : { before };
  }
  for (const [text, left] of counted) {
    const now = Buffer.from(text, "latin1");
    for (let count = 0; count < left; count++) yield { now };
  }
}

/** Each is good until the next is asked for. */
async function* lines(batches: AsyncIterable<RowBatch>): AsyncGenerator<Buffer> {
  for await (const batch of batches) {
    let start = 0;
    while (start < batch.lines.length) {
      const end = batch.lines.indexOf(10, start) + 1 || batch.lines.length;
      yield batch.lines.subarray(start, end);
      start = end;
    }
    batch.release?.();
  }
}

class LineOutput {
  #lines: Buffer[] = [];
  #bytes = 0;
  rows = 0;

  /** Whether there is enough for a batch. */
  add(line: Buffer): boolean {
    this.#lines.push(Buffer.from(line));
    this.#bytes += line.length;
    this.rows++;
    return this.#bytes >= outputBytes;
  }

  take(): RowBatch {
    const batch = { lines: Buffer.concat(this.#lines, this.#bytes), rows: this.rows };
    this.#lines = [];
    this.#bytes = 0;
    this.rows = 0;
    return batch;
  }
}
