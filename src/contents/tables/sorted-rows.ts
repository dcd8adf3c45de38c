import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RowBatch } from "../../database/database.ts";
import { keyAt, lineEnd, type RowOrder } from "./row-order.ts";

/** Lines held while they are sorted; their strings take about twice as much. */
const sortBytes = 12 << 20;
/** Buffers for reading all sorted stretches at once. */
const mergeBytes = 16 << 20;
const batchBytes = 1 << 20;

/**
 * The same lines in order, whatever order they came in: sorted in stretches, which go to a temporary file that nobody
 * else can open, then merged. Memory is bounded whatever the size of the table.
 */
export async function* sortedRows(
  batches: AsyncIterable<RowBatch>,
  order: RowOrder,
  signal: AbortSignal,
  stretchBytes = sortBytes,
): AsyncGenerator<RowBatch, void> {
  const compare = lineOrder(order);
  let lines: string[] = [];
  let size = 0;
  using spill = new Spill();
  for await (const { lines: bytes } of batches) {
    signal.throwIfAborted();
    for (let at = 0; at < bytes.length;) {
      const end = lineEnd(bytes, at, bytes.length);
      lines.push(bytes.toString("latin1", at, end));
      at = end + 1;
    }
    size += bytes.length;
    if (size < stretchBytes) continue;
    spill.write(lines.sort(compare));
    lines = [];
    size = 0;
  }
  lines.sort(compare);
  if (spill.stretches.length === 0) {
    yield* inBatches(lines);
    return;
  }
  spill.write(lines);
  lines = [];
  yield* inBatches(merge(spill, compare));
}

type LineOrder = (a: string, b: string) => number;

function lineOrder(order: RowOrder): LineOrder {
  const bytes: LineOrder = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  if (order.keyLength === 0) return bytes;
  const keyOf = (line: string): string => {
    const buffer = Buffer.from(line, "latin1");
    return keyAt(order, buffer, 0, buffer.length);
  };
  return (a, b) => order.compare(keyOf(a), keyOf(b));
}

/** Sorted stretches of lines in one unlinked file. */
class Spill implements Disposable {
  readonly stretches: { readonly start: number; readonly end: number }[] = [];
  #file: number | undefined;
  #end = 0;

  write(lines: readonly string[]): void {
    this.#file ??= openUnlinked();
    const start = this.#end;
    for (let at = 0; at < lines.length; at += 4096) {
      const bytes = Buffer.from(`${lines.slice(at, at + 4096).join("\n")}\n`, "latin1");
      let written = 0;
      while (written < bytes.length) {
        written += writeSync(this.#file, bytes, written, bytes.length - written, this.#end + written);
      }
      this.#end += bytes.length;
    }
    if (this.#end > start) this.stretches.push({ start, end: this.#end });
  }

  read(into: Buffer, offset: number, length: number, position: number): number {
    return this.#file === undefined ? 0 : readSync(this.#file, into, offset, length, position);
  }

  [Symbol.dispose](): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}

function openUnlinked(): number {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-sort-"));
  try {
    return openSync(join(folder, "rows"), "wx+", 0o600);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Reads one stretch line by line. */
class StretchReader {
  readonly #spill: Spill;
  #position: number;
  readonly #end: number;
  #buffer: Buffer;
  #at = 0;
  #filled = 0;
  line: string | undefined;

  constructor(spill: Spill, stretch: { readonly start: number; readonly end: number }, bufferBytes: number) {
    this.#spill = spill;
    this.#position = stretch.start;
    this.#end = stretch.end;
    this.#buffer = Buffer.allocUnsafe(bufferBytes);
    this.next();
  }

  next(): void {
    for (;;) {
      const end = this.#buffer.subarray(0, this.#filled).indexOf(10, this.#at);
      if (end >= 0) {
        this.line = this.#buffer.toString("latin1", this.#at, end);
        this.#at = end + 1;
        return;
      }
      if (this.#position >= this.#end) {
        this.line = undefined;
        return;
      }
      this.#fill();
    }
  }

  #fill(): void {
    this.#buffer.copyWithin(0, this.#at, this.#filled);
    this.#filled -= this.#at;
    this.#at = 0;
    if (this.#filled === this.#buffer.length) {
      this.#buffer = Buffer.concat([this.#buffer, Buffer.allocUnsafe(this.#buffer.length)]);
    }
    const length = Math.min(this.#buffer.length - this.#filled, this.#end - this.#position);
    const read = this.#spill.read(this.#buffer, this.#filled, length, this.#position);
    if (read === 0) throw new Error("the file of sorted rows was cut short");
    this.#filled += read;
    this.#position += read;
  }
}

/** Merges by a heap of stretches, least line first. */
function* merge(spill: Spill, compare: LineOrder): Generator<string, void> {
  const bufferBytes = Math.max(4096, Math.floor(mergeBytes / spill.stretches.length));
  const heap = spill.stretches.map((stretch) => new StretchReader(spill, stretch, bufferBytes));
  const before = (a: StretchReader | undefined, b: StretchReader | undefined): boolean =>
    a?.line !== undefined && (b?.line === undefined || compare(a.line, b.line) < 0);
  const sink = (from: number): void => {
    for (let at = from; ;) {
      let least = at;
      for (const child of [at * 2 + 1, at * 2 + 2]) if (before(heap[child], heap[least])) least = child;
      const parent = heap[at];
      const child = heap[least];
      if (least === at || !parent || !child) return;
      heap[at] = child;
      heap[least] = parent;
      at = least;
    }
  };
  for (let at = heap.length >> 1; at >= 0; at--) sink(at);
  for (let first = heap[0]; first?.line !== undefined; first = heap[0]) {
    yield first.line;
    first.next();
    sink(0);
  }
}

function* inBatches(lines: Iterable<string>): Generator<RowBatch, void> {
  let batch: string[] = [];
  let size = 0;
  for (const line of lines) {
    batch.push(line);
    size += line.length + 1;
    if (size < batchBytes) continue;
    yield asBatch(batch);
    batch = [];
    size = 0;
  }
  if (batch.length > 0) yield asBatch(batch);
}

function asBatch(lines: readonly string[]): RowBatch {
  return { lines: Buffer.from(`${lines.join("\n")}\n`, "latin1"), rows: lines.length };
}
