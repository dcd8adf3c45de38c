import { type CutKey, cutHash } from "./cut-hash.ts";
import { PendingLines } from "./pending-lines.ts";
import { keyEnd, type RowOrder } from "./row-order.ts";
import type { TableSizes } from "./table-sizes.ts";

/** What a place to cut was in the base before: chunks always, sometimes more. */
export type CutMark = "chunk" | "range" | "part" | "part-and-range";

export interface CutChunk {
  /** Whole lines, in memory of their own. */
  readonly bytes: Buffer;
  /** Where each line ends, behind its LF. */
  readonly ends: Int32Array;
  /** What its start was before; `chunk` for a new cut. */
  readonly mark: CutMark;
}

/**
 * Cuts a stream of lines into chunks that end at row ends. Cuts of the base before are kept: `cutHere` says where they
 * are. A chunk over the maximum is split at the row with the smallest keyed hash of its key, one under the minimum
 * joins its neighbour. So a changed value moves no cut and a new or deleted row only those next to it; cutting after
 * every so many rows would store the whole rest of the table again for one deleted row.
 *
 * Memory: two chunks.
 */
export class LineCutter {
  readonly #sizes: TableSizes;
  readonly #order: RowOrder;
  readonly #cutKey: CutKey;
  /** Grows as needed: most tables are small, and a run is cut for every one. */
  #pending: Buffer = Buffer.alloc(0);
  #length = 0;
  #lines = new PendingLines();
  /** Do not look for a cut before there are so many bytes: the rows at hand are too large for one. */
  #tryAt: number;
  #mark: CutMark = "chunk";
  /** The newest chunk waits here, since the last rows of the table may have to join it. */
  #held: CutChunk | undefined;
  #ready: CutChunk[] = [];

  constructor(sizes: TableSizes, order: RowOrder, cutKey: CutKey) {
    this.#sizes = sizes;
    this.#order = order;
    this.#cutKey = cutKey;
    this.#tryAt = sizes.chunkMax + sizes.chunkMin;
  }

  /** Takes lines, or a stretch of bytes of them. */
  add(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end) {
      const size = Math.min(end - at, Math.max(this.#tryAt - this.#length, 1));
      this.#grow(this.#length + size);
      bytes.copy(this.#pending, this.#length, at, at + size);
      this.#length += size;
      at += size;
      if (this.#length >= this.#tryAt) this.#cutOne();
    }
  }

  /** Ends a line that was added without its LF. */
  endLine(): void {
    this.add(lineFeed, 0, 1);
  }

  /** A cut of the base before lies here. */
  cutHere(mark: CutMark): void {
    if (this.#length < this.#sizes.chunkMin && this.#length > 0) return;
    this.#cutAll();
    this.#mark = mark;
  }

  /** Chunks that are done, each given once. */
  take(): readonly CutChunk[] {
    if (this.#ready.length === 0) return none;
    const ready = this.#ready;
    this.#ready = [];
    return ready;
  }

  get hasReady(): boolean {
    return this.#ready.length > 0;
  }

  /** The rest, when all lines were added. */
  finish(): readonly CutChunk[] {
    const held = this.#held;
    if (held && this.#length > 0 && this.#length < this.#sizes.chunkMin && held.bytes.length <= this.#sizes.chunkMax) {
      this.#held = undefined;
      this.#mark = held.mark;
      this.#replacePending(Buffer.concat([held.bytes, this.#pending.subarray(0, this.#length)]));
      this.#lines = new PendingLines();
    }
    this.#cutAll();
    if (this.#held) this.#ready.push(this.#held);
    this.#held = undefined;
    return this.take();
  }

  #cutAll(): void {
    while (this.#length > this.#sizes.chunkMax) {
      const cut = this.#findCut(this.#length - this.#sizes.chunkMin);
      if (cut === undefined) break;
      this.#emit(cut);
    }
    if (this.#length > 0) this.#emit(this.#length);
  }

  #cutOne(): void {
    const cut = this.#findCut(this.#length);
    if (cut === undefined) this.#tryAt = this.#length * 2;
    else this.#emit(cut);
  }

  /** Where the next chunk should begin, not beyond `last`; never 0 or the end of what is pending. */
  #findCut(last: number): number | undefined {
    const { chunkMin, chunkMax } = this.#sizes;
    const length = this.#length;
    const lastCut = Math.min(chunkMax, length - chunkMin);
    let best: number | undefined;
    let bestHash = Infinity;
    let beforeMin: number | undefined;
    this.#lines.scan(this.#pending, length);
    for (let index = 0; index < this.#lines.count; index++) {
      const at = this.#lines.start(index);
      if (at === length) break;
      if (at < chunkMin) {
        beforeMin = at;
      } else if (at <= lastCut) {
        const hash = this.#rankOf(index);
        if (hash < bestHash) {
          best = at;
          bestHash = hash;
        }
      } else {
        // Past the last place to cut: rows here are larger than a chunk, so the large one gets a chunk of its own.
        return best ?? beforeMin ?? (at <= last ? at : undefined);
      }
    }
    return best ?? (length > chunkMax ? beforeMin : undefined);
  }

  #rankOf(index: number): number {
    const [previous, at] = [this.#lines.start(index - 1), this.#lines.start(index)];
    // The last line may not have come to its end.
    if (index + 1 === this.#lines.count) return this.#rank(previous, at, this.#length);
    const known = this.#lines.rank(index);
    if (!Number.isNaN(known)) return known;
    const rank = this.#rank(previous, at, this.#lines.start(index + 1) - 1);
    this.#lines.keepRank(index, rank);
    return rank;
  }

  /** Equal rows of a table without a key stay together as long as there is another place. */
  #rank(previous: number, at: number, end: number): number {
    const bytes = this.#pending;
    if (this.#order.keyLength === 0 && bytes.compare(bytes, previous, at - 1, at, end) === 0) return 2 ** 32;
    return cutHash(this.#cutKey, bytes, at, keyEnd(this.#order, bytes, at, end));
  }

  #emit(end: number): void {
    // A copy in memory of its own, since blobs are handed over to worker threads.
    const bytes = Buffer.allocUnsafeSlow(end);
    this.#pending.copy(bytes, 0, 0, end);
    this.#lines.scan(this.#pending, this.#length);
    if (this.#held) this.#ready.push(this.#held);
    this.#held = { bytes, ends: this.#lines.take(end), mark: this.#mark };
    this.#mark = "chunk";
    this.#pending.copyWithin(0, end, this.#length);
    this.#length -= end;
    this.#tryAt = Math.max(this.#sizes.chunkMax + this.#sizes.chunkMin, this.#length + 1);
    // One large row should not hold on to its memory.
    if (this.#pending.length > this.#tryAt * 8) this.#replacePending(this.#pending.subarray(0, this.#length));
  }

  #grow(size: number): void {
    if (size <= this.#pending.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(size, this.#pending.length * 2, 4096));
    this.#pending.copy(larger, 0, 0, this.#length);
    this.#pending = larger;
  }

  #replacePending(bytes: Buffer): void {
    this.#pending = Buffer.concat([bytes]);
    this.#length = bytes.length;
  }
}

const lineFeed = Buffer.from("\n");
const none: readonly CutChunk[] = [];
