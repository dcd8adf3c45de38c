import type { RowBatch, RowKey, TableReader } from "../database/database.ts";
import { LineWalk } from "./tables/line-walk.ts";
import type { StoredTable } from "./tables/stored-table.ts";
import { readingOf, TableSource } from "./tables/table-source.ts";

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

/** Rows of a live table that the database takes for one with a stored row, though their keys are written otherwise: `Ab` and `AB`, say. */
export class AlikeKeys {
  readonly #stored = new Set<RowKey>();
  readonly #live = new Set<RowKey>();

  /** The key of a stored row that is not live as it is written, and that of the live row which is meant. */
  add(stored: RowKey, live: RowKey): void {
    this.#stored.add(stored);
    this.#live.add(live);
  }

  get size(): number {
    return this.#live.size;
  }

  hasStored(key: RowKey): boolean {
    return this.#stored.has(key);
  }

  hasLive(key: RowKey): boolean {
    return this.#live.has(key);
  }
}

export interface MergeOptions {
  readonly alike?: AlikeKeys | undefined;
  /** Told of each key of a stored row that is not live as it is written; of a table with a key. */
  readonly onMissing?: ((key: RowKey) => Promise<void>) | undefined;
}

/**
 * Both sides have the same columns and key. Adds to `counts` as it goes. Without a key, whole lines are what rows are known by,
 * so that equal rows are counted against each other.
 */
export async function* mergeRows(
  live: TableReader,
  stored: StoredTable,
  switches: MergeSwitches,
  counts: MergeCounts,
  signal: AbortSignal,
  { alike, onMissing }: MergeOptions = {},
): AsyncGenerator<RowBatch> {
  const { order } = stored;
  const source = new TableSource({ reader: live, order, signal });
  await using now = new LineWalk(order, source.rows(readingOf(live.table)));
  await using then = new LineWalk(order, stored.rows({}, signal));
  const output = new LineOutput();
  for (;;) {
    const [nowKey, thenKey] = [await now.below(undefined), await then.below(undefined)];
    if (nowKey === undefined && thenKey === undefined) break;
    const step = nowKey === undefined ? 1 : thenKey === undefined ? -1 : order.compare(nowKey, thenKey);
    const isOneWritten = (step < 0 && alike?.hasLive(nowKey ?? "")) || (step > 0 && alike?.hasStored(thenKey ?? ""));
    if (step > 0 && onMissing && order.keyLength > 0) await onMissing(thenKey ?? "");
    const line = isOneWritten
      ? chooseAlike(step < 0 ? now.line : then.line, step < 0 ? "live" : "stored", switches, counts)
      : choose(step <= 0 ? now.line : undefined, step >= 0 ? then.line : undefined, switches, counts);
    if (line && output.add(line)) yield output.take();
    if (step <= 0) now.step();
    if (step >= 0) then.step();
  }
  if (output.rows > 0) yield output.take();
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

/** Of two rows that are one, each comes at the place of its key: one of them stays, and they differ in their keys at least. */
function chooseAlike(
  line: Buffer | undefined,
  whose: "live" | "stored",
  { updateChanged }: MergeSwitches,
  counts: MergeCounts,
): Buffer | undefined {
  if (whose === "stored") counts[updateChanged ? "updated" : "differ"]++;
  return updateChanged === (whose === "stored") ? line : undefined;
}

class LineOutput {
  #lines: Buffer[] = [];
  #bytes = 0;
  rows = 0;

  /** Whether there is enough for a batch. */
  add(line: Buffer): boolean {
    this.#lines.push(Buffer.from(line), lineFeed);
    this.#bytes += line.length + 1;
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

const lineFeed = Buffer.from("\n");
