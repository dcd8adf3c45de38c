import type { RowBatch, RowKey, RowRange } from "../../database/database.ts";
import { freeMemory } from "../../lib/memory-pool.ts";
import { damaged } from "../checked.ts";
import type { KeysFile } from "./keys-file.ts";
import type { Probe } from "./probe.ts";
import { Overlay } from "./overlay.ts";
import { ascendsByBytes, keyAt, keyEnd, lineEnd, lowerBound } from "./row-order.ts";
import type { BaseChunk, StoredBase } from "./stored-base.ts";
import { loadChunk, type TableFolder } from "./stored-parts.ts";

/** How many chunks are fetched ahead of the one being read. */
const chunksAhead = 4;
const batchBytes = 1 << 20;

/** Or rows between two keys of which the first belongs to it and the last does not, as ranges are. */
export interface StoredRange extends RowRange {
  readonly from?: RowKey | undefined;
  readonly below?: RowKey | undefined;
}

/**
 * The rows of base and runs together, in key order; for each key the newest run wins. With `probe`, rows of chunks that
 * cannot have what is looked for are left out. For several ranges in order, an overlay is opened once and left where each ends.
 */
export async function* mergedRows(
  folder: TableFolder,
  base: StoredBase,
  runs: readonly KeysFile[] | Overlay,
  range: StoredRange,
  probe?: Probe,
): AsyncGenerator<RowBatch, void> {
  const overlay = runs instanceof Overlay ? runs : await Overlay.open(folder, runs, range.from ?? range.after);
  const output = new BatchBuilder(folder, range);
  let chunks = 0;
  for await (const { chunk, rows } of loadedChunks(folder, base, range, probe)) {
    folder.signal.throwIfAborted();
    chunks++;
    yield* mergeChunk(folder, rows, lower(folder, chunk.nextKey, range.below), overlay, output);
  }
  if (chunks === 0) yield* mergeChunk(folder, noRows, range.below, overlay, output);
  if (output.bytes > 0) yield output.take();
}

/** `undefined`: behind all keys. */
function lower({ order }: TableFolder, a: RowKey | undefined, b: RowKey | undefined): RowKey | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return order.compare(a, b) <= 0 ? a : b;
}

async function* loadedChunks(
  folder: TableFolder,
  base: StoredBase,
  range: StoredRange,
  probe: Probe | undefined,
): AsyncGenerator<{ readonly chunk: BaseChunk; readonly rows: RowBatch }, void> {
  const waiting: { readonly chunk: BaseChunk; readonly loading: Promise<Buffer> }[] = [];
  try {
    let chunks = 0;
    for await (const chunk of base.chunks(range.from ?? range.after, probe)) {
      if (chunks++ > 0 && isBehind(folder, range, chunk.firstKey)) break;
      const loading = chunk.candidate === "no" ? Promise.resolve(nothing) : loadChunk(folder, chunk);
      loading.catch(() => {}); // told where it is awaited
      waiting.push({ chunk, loading });
      if (waiting.length <= chunksAhead) continue;
      const next = waiting.shift();
      if (next) yield { chunk: next.chunk, rows: checkedRows(folder, next.chunk, await next.loading) };
    }
    for (const next of waiting.splice(0)) {
      yield { chunk: next.chunk, rows: checkedRows(folder, next.chunk, await next.loading) };
    }
  } finally {
    await Promise.allSettled(waiting.map(({ loading }) => loading));
  }
}

function isBehind({ order }: TableFolder, { upTo, below }: StoredRange, key: RowKey): boolean {
  if (below !== undefined && order.compare(key, below) >= 0) return true;
  return upTo !== undefined && order.compare(key, upTo) > 0;
}

/** The rows of a chunk, when order, count and bounds are right. */
function checkedRows(folder: TableFolder, chunk: BaseChunk, lines: Buffer): RowBatch {
  const { order, subject } = folder;
  if (chunk.candidate === "no") return noRows;
  const duplicates = order.keyLength === 0;
  const textAt = (start: number, end: number) => lines.toString("latin1", start, end);
  // No chunk says that it has more rows than bytes.
  const ends = new Int32Array(chunk.rows);
  let rows = 0;
  let before = -1;
  let beforeEnd = -1;
  for (let at = 0; at < lines.length; rows++) {
    const end = lineEnd(lines, at, lines.length);
    const stop = keyEnd(order, lines, at, end);
    if (before < 0) {
      if (textAt(at, stop) !== chunk.firstKey) throw damaged(subject, "order of rows");
    } else if (order.keyLength !== 1 || ascendsByBytes(lines, before, beforeEnd, at, stop) === "no") {
      const step = order.compare(textAt(before, beforeEnd), textAt(at, stop));
      if (step > 0 || (step === 0 && !duplicates)) throw damaged(subject, "order of rows");
    }
    before = at;
    beforeEnd = stop;
    at = end + 1;
    ends[rows] = at;
  }
  if (rows !== chunk.rows) throw damaged(subject, "row count");
  if (before >= 0 && chunk.nextKey !== undefined) {
    const step = order.compare(textAt(before, beforeEnd), chunk.nextKey);
    if (step > 0 || (step === 0 && !duplicates)) throw damaged(subject, "row outside its chunk");
  }
  return { lines, rows, ends };
}

async function* mergeChunk(
  folder: TableFolder,
  chunk: RowBatch,
  end: RowKey | undefined,
  overlay: Overlay,
  output: BatchBuilder,
): AsyncGenerator<RowBatch, void> {
  const { lines } = chunk;
  let at = 0;
  while (overlay.before(end) && overlay.key !== undefined) {
    const found = lowerBound(folder.order, lines, at, lines.length, overlay.key);
    output.add(lines.subarray(at, found));
    at = found;
    if (at < lines.length) {
      const stop = lineEnd(lines, at, lines.length);
      if (keyAt(folder.order, lines, at, stop) === overlay.key) at = stop + 1;
    }
    if (overlay.line) output.addLine(overlay.line);
    if (output.bytes >= batchBytes) yield output.take();
    const waiting = overlay.advance();
    if (waiting) await waiting;
  }
  output.add(lines.subarray(at));
  if (output.bytes === 0) return;
  // Counted when it was checked, as long as it goes on whole.
  const batch = output.take(chunk);
  // Most chunks are a batch as they are, and nothing looks at them afterwards.
  yield { ...batch, release: () => freeMemory(batch.lines) };
}

/** Gathers lines that lie in a range. */
class BatchBuilder {
  readonly #folder: TableFolder;
  readonly #range: StoredRange;
  #pieces: Buffer[] = [];
  bytes = 0;

  constructor(folder: TableFolder, range: StoredRange) {
    this.#folder = folder;
    this.#range = range;
  }

  add(lines: Buffer): void {
    const { after, upTo, from, below } = this.#range;
    const { order } = this.#folder;
    const first = (key: RowKey) => lowerBound(order, lines, 0, lines.length, key);
    const start = from !== undefined ? first(from) : after === undefined ? 0 : this.#above(lines, after);
    const end = below !== undefined ? first(below) : upTo === undefined ? lines.length : this.#above(lines, upTo);
    this.#push(lines.subarray(start, Math.max(start, end)));
  }

  addLine(line: Buffer): void {
    const { after, from } = this.#range;
    const key = keyAt(this.#folder.order, line, 0, line.length);
    if (after !== undefined && this.#folder.order.compare(key, after) <= 0) return;
    if (from !== undefined && this.#folder.order.compare(key, from) < 0) return;
    if (isBehind(this.#folder, this.#range, key)) return;
    this.#push(line);
    this.#push(lineFeed);
  }

  take(chunk?: RowBatch): RowBatch {
    const lines = this.#pieces.length === 1 && this.#pieces[0] ? this.#pieces[0] : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.bytes = 0;
    const { buffer, byteOffset, length } = lines;
    const isWhole =
      chunk?.lines.buffer === buffer && chunk.lines.byteOffset === byteOffset && chunk.lines.length === length;
    if (isWhole) return chunk;
    let rows = 0;
    for (let at = lines.indexOf(10); at >= 0; at = lines.indexOf(10, at + 1)) rows++;
    return { lines, rows };
  }

  /** Offset behind the last line whose key is not above `key`. */
  #above(lines: Buffer, key: RowKey): number {
    const { order } = this.#folder;
    let at = lowerBound(order, lines, 0, lines.length, key);
    while (at < lines.length) {
      const end = lineEnd(lines, at, lines.length);
      if (keyAt(order, lines, at, end) !== key) break;
      at = end + 1;
    }
    return at;
  }

  #push(piece: Buffer): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.bytes += piece.length;
  }
}

const lineFeed = Buffer.from("\n");
const nothing = Buffer.alloc(0);
const noRows: RowBatch = { lines: nothing, rows: 0 };
