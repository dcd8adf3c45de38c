import { hash } from "node:crypto";
import type { RowKey } from "../../database/database.ts";
import { freeMemory } from "../../lib/memory-pool.ts";
import { OrderError } from "./base-writer.ts";
import type { CutMark } from "./line-cutter.ts";
import type { LineWindow } from "./line-window.ts";
import type { Overlay } from "./overlay.ts";
import { commonLines, keyAt, lastLineStart, lineEnd, lowerBound, type RowOrder } from "./row-order.ts";
import type { BaseChunk } from "./stored-base.ts";

type Waiting = Promise<void> | undefined;

/**
 * What a walk over the rows tells. Lines without LF, `undefined` where there is no row. Keys in order. What is told is
 * good until its promise, or the call, has ended.
 */
export interface RowListener {
  /** Lines of the table as it is now, in order and complete. */
  lines(bytes: Buffer, start: number, end: number): Waiting;
  /** A chunk of the base ends here. */
  cut(mark: CutMark): void;
  /** A row differs from the base. */
  sinceBase(key: RowKey, now: Buffer | undefined): Waiting;
  /** A row differs from the snapshot before, which is base and runs. */
  sinceParent(key: RowKey, before: Buffer | undefined, now: Buffer | undefined): Waiting;
}

export interface CompareInput {
  readonly order: RowOrder;
  readonly window: LineWindow;
  readonly overlay: Overlay;
  readonly chunks: AsyncIterable<BaseChunk>;
  readonly load: (chunk: BaseChunk) => Promise<Buffer>;
  /** Keys at which a range of the base begins. */
  readonly rangeStarts: ReadonlySet<RowKey>;
  readonly signal: AbortSignal;
}

/**
 * Walks a table as it is now beside its base, and tells all that differs in one pass. A chunk whose bytes are found
 * again at the same place is known by its hash and need not be loaded; else the old chunk is loaded, and stretches of
 * equal lines are skipped by comparing memory, so that only rows that differ are looked at one by one.
 */
export async function compareRows(input: CompareInput, listener: RowListener): Promise<void> {
  const walk = new Walk(input, listener);
  let chunks = 0;
  for await (const chunk of input.chunks) {
    input.signal.throwIfAborted();
    if (chunks++ > 0) {
      const range = input.rangeStarts.has(chunk.firstKey);
      const part = chunk.startsPart === "yes";
      listener.cut(part ? (range ? "part-and-range" : "part") : range ? "range" : "chunk");
    }
    await walk.chunk(chunk);
  }
  if (chunks === 0) await walk.region(Buffer.alloc(0), undefined);
  await input.window.need(1);
  if (input.window.length > 0) throw new OrderError();
}

class Walk {
  readonly #input: CompareInput;
  readonly #listener: RowListener;
  readonly #order: RowOrder;
  readonly #window: LineWindow;
  readonly #overlay: Overlay;
  #lastKey: RowKey | undefined;

  constructor(input: CompareInput, listener: RowListener) {
    this.#input = input;
    this.#listener = listener;
    this.#order = input.order;
    this.#window = input.window;
    this.#overlay = input.overlay;
  }

  async chunk(chunk: BaseChunk): Promise<void> {
    const window = this.#window;
    await window.need(chunk.bytes);
    if (!holdsChunk(window, chunk)) {
      const old = await this.#input.load(chunk);
      await this.region(old, chunk.nextKey);
      freeMemory(old);
    } else if (this.#overlay.before(chunk.nextKey)) {
      await this.region(window.bytes.subarray(window.start, window.start + chunk.bytes), chunk.nextKey);
    } else {
      await this.#consume(chunk.bytes);
      await this.region(Buffer.alloc(0), chunk.nextKey);
    }
  }

  /** Compares the base's lines `old`, all below `nextKey`, with all lines now below it. */
  async region(old: Buffer, nextKey: RowKey | undefined): Promise<void> {
    const order = this.#order;
    const window = this.#window;
    const overlay = this.#overlay;
    let at = 0;
    for (;;) {
      if (window.length === 0) await window.need(1);
      if (at < old.length && window.length > 0) {
        let equal = commonLines(old, at, old.length, window.bytes, window.start, window.bytes.length);
        if (equal > 0 && overlay.key !== undefined && overlay.before(nextKey)) {
          equal = lowerBound(order, old, at, at + equal, overlay.key) - at;
        }
        if (equal > 0) {
          await this.#consume(equal);
          at += equal;
          continue;
        }
      }
      const oldEnd = at < old.length ? lineEnd(old, at, old.length) : -1;
      const oldKey = oldEnd < 0 ? undefined : keyAt(order, old, at, oldEnd);
      const newEnd = window.length > 0 ? lineEnd(window.bytes, window.start, window.bytes.length) : -1;
      let newKey = newEnd < 0 ? undefined : keyAt(order, window.bytes, window.start, newEnd);
      if (newKey !== undefined && nextKey !== undefined && order.compare(newKey, nextKey) >= 0) newKey = undefined;
      const key = smallest(order, smallest(order, oldKey, newKey), overlay.before(nextKey) ? overlay.key : undefined);
      if (key === undefined) return;

      const base = oldKey === key ? old.subarray(at, oldEnd) : undefined;
      const now = newKey === key ? window.bytes.subarray(window.start, newEnd) : undefined;
      const over = overlay.key === key;
      const parent = over ? overlay.line : base;
      if (now) this.#inOrder(key);
      if (!sameLine(base, now)) await this.#listener.sinceBase(key, now);
      if (!sameLine(parent, now)) await this.#listener.sinceParent(key, parent, now);
      if (base) at = oldEnd + 1;
      if (over) await overlay.advance();
      if (now) await this.#consumeLine(newEnd, key);
    }
  }

  #inOrder(key: RowKey): void {
    if (this.#lastKey === undefined) return;
    const step = this.#order.compare(this.#lastKey, key);
    if (step > 0 || (step === 0 && this.#order.keyLength > 0)) throw new OrderError();
  }

  #consumeLine(end: number, key: RowKey): Waiting {
    const { bytes, start } = this.#window;
    this.#window.start = end + 1;
    this.#lastKey = key;
    return this.#listener.lines(bytes, start, end + 1);
  }

  /** Lines that the base holds too, so in order among themselves. */
  #consume(length: number): Waiting {
    const { bytes, start } = this.#window;
    const end = start + length;
    this.#inOrder(keyAt(this.#order, bytes, start, lineEnd(bytes, start, end)));
    this.#lastKey = keyAt(this.#order, bytes, lastLineStart(bytes, start, end), end - 1);
    this.#window.start = end;
    return this.#listener.lines(bytes, start, end);
  }
}

/** Whether the window begins with the chunk's very bytes. */
function holdsChunk(window: LineWindow, chunk: BaseChunk): boolean {
  if (window.length < chunk.bytes || window.bytes[window.start + chunk.bytes - 1] !== 10) return false;
  let at = window.start;
  for (const { id, bytes } of chunk.blobs) {
    if (hash("sha256", window.bytes.subarray(at, at + bytes), "hex") !== id) return false;
    at += bytes;
  }
  return true;
}

function smallest(order: RowOrder, a: RowKey | undefined, b: RowKey | undefined): RowKey | undefined {
  if (a === undefined) return b;
  return b === undefined || order.compare(a, b) <= 0 ? a : b;
}

function sameLine(a: Buffer | undefined, b: Buffer | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.equals(b);
}
