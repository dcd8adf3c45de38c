import { type CutKey, cutHash } from "./cut-hash.ts";
import { PendingLines } from "./pending-lines.ts";
import { keyEnd, type RowOrder } from "./row-order.ts";
import type { TableSizes } from "./table-sizes.ts";

/** What a place to cut was in the base before: chunks always, sometimes more. */
export type CutMark = "chunk" | "range" | "part" | "part-and-range";

export interface CutChunk {
  /** Whole lines. Good until more is added: the memory is the cutter's own. */
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
 * Memory: two chunks, and what is added at once.
 */
export class LineCutter {
  readonly #sizes: TableSizes;
  readonly #order: RowOrder;
  readonly #cutKey: CutKey;
  /** Grows as needed: most tables are small, and a run is cut for every one. Never full, so no chunk is all of it. */
  #memory: Buffer = Buffer.alloc(0);
  /** What waits to be cut stands from `#start` to `#end`. */
  #start = 0;
  #end = 0;
  readonly #lines = new PendingLines();
  /** Do not look for a cut before there are so many bytes: the rows at hand are too large for one. */
  #tryAt: number;
  #mark: CutMark = "chunk";
  /** The newest chunk waits here, right before what is pending, since the last rows of the table may have to join it. */
  #held: CutChunk | undefined;
  #ready: CutChunk[] = [];

  constructor(sizes: TableSizes, order: RowOrder, cutKey: CutKey) {
    this.#sizes = sizes;
    this.#order = order;
    this.#cutKey = cutKey;
    this.#tryAt = sizes.chunkMax + sizes.chunkMin;
  }

  /**
   * Takes lines, or a stretch of bytes of them.
   * @param ends where each line ends, behind its LF, counted from `start`: for whole lines, by whoever knows
   */
  add(bytes: Buffer, start: number, end: number, ends?: Int32Array): void {
    this.#makeRoom(end - start);
    if (ends) {
      this.#lines.scan(this.#memory, this.#end);
      this.#lines.told(this.#end, this.#end + end - start, ends);
    }
    this.#end += bytes.copy(this.#memory, this.#end, start, end);
    // However much comes at once, cuts are looked for in as much as if it came byte by byte.
    while (this.#length >= this.#tryAt) this.#cutOne();
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
      this.#start -= held.bytes.length;
      this.#lines.forget(this.#start);
    }
    this.#cutAll();
    if (this.#held) this.#ready.push(this.#held);
    this.#held = undefined;
    return this.take();
  }

  get #length(): number {
    return this.#end - this.#start;
  }

  #cutAll(): void {
    while (this.#length > this.#sizes.chunkMax) {
      const cut = this.#findCut(this.#length, this.#length - this.#sizes.chunkMin);
      if (cut === undefined) break;
      this.#emit(cut);
    }
    if (this.#length > 0) this.#emit(this.#length);
    this.#tryAt = this.#sizes.chunkMax + this.#sizes.chunkMin;
  }

  #cutOne(): void {
    const length = this.#tryAt;
    const cut = this.#findCut(length, length);
    if (cut === undefined) {
      this.#tryAt *= 2;
      return;
    }
    this.#emit(cut);
    this.#tryAt = Math.max(this.#sizes.chunkMax + this.#sizes.chunkMin, length - cut + 1);
  }

  /** Where the next chunk should begin, in the first `length` bytes and not beyond `last`; never 0 or `length`. */
  #findCut(length: number, last: number): number | undefined {
    const { chunkMin, chunkMax } = this.#sizes;
    const lastCut = Math.min(chunkMax, length - chunkMin);
    let best: number | undefined;
    let bestHash = Infinity;
    let beforeMin: number | undefined;
    this.#lines.scan(this.#memory, this.#end);
    for (let index = 0; index < this.#lines.count; index++) {
      const at = this.#lines.end(index) - this.#start;
      if (at >= length) break;
      if (at < chunkMin) {
        beforeMin = at;
      } else if (at <= lastCut) {
        const hash = this.#rankOf(index, this.#start + length);
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

  /** Of the line that begins where the one numbered `index` ends; what stands from `limit` on does not count. */
  #rankOf(index: number, limit: number): number {
    const known = this.#lines.rank(index);
    if (!Number.isNaN(known)) return known;
    const previous = index === 0 ? this.#start : this.#lines.end(index - 1);
    const at = this.#lines.end(index);
    // The last line may not have come to its end.
    const next = index + 1 < this.#lines.count ? this.#lines.end(index + 1) : Infinity;
    if (next > limit) return this.#rank(previous, at, limit);
    const rank = this.#rank(previous, at, next - 1);
    this.#lines.keepRank(index, rank);
    return rank;
  }

  /** Equal rows of a table without a key stay together as long as there is another place. */
  #rank(previous: number, at: number, end: number): number {
    const bytes = this.#memory;
    if (this.#order.keyLength === 0 && bytes.compare(bytes, previous, at - 1, at, end) === 0) return 2 ** 32;
    return cutHash(this.#cutKey, bytes, at, keyEnd(this.#order, bytes, at, end));
  }

  #emit(length: number): void {
    const [start, end] = [this.#start, this.#start + length];
    this.#lines.scan(this.#memory, this.#end);
    if (this.#held) this.#ready.push(this.#held);
    const bytes = this.#memory.subarray(start, end);
    this.#held = { bytes, ends: this.#lines.take(start, end), mark: this.#mark };
    this.#mark = "chunk";
    this.#start = end;
  }

  /** What is held and what is pending moves to the beginning, or into other memory, where there is no room behind it. */
  #makeRoom(size: number): void {
    const from = this.#start - (this.#held?.bytes.length ?? 0);
    const kept = this.#end - from;
    // So much that it is not moved again for each line, and not so much that one large row holds on to its memory.
    const needed = kept * 2 + size + 1;
    const isHuge = this.#memory.length > (needed + this.#tryAt) * 8;
    if (this.#end + size < this.#memory.length && !isHuge) return;
    // Chunks that nobody took stand in it.
    const isFree = this.#ready.length === 0 && needed <= this.#memory.length && !isHuge;
    const memory = isFree ? this.#memory : Buffer.allocUnsafeSlow(Math.max(needed, 4096));
    this.#memory.copy(memory, 0, from, this.#end);
    this.#memory = memory;
    this.#lines.moved(from);
    this.#start -= from;
    this.#end = kept;
    if (this.#held) this.#held = { ...this.#held, bytes: memory.subarray(0, this.#start) };
  }
}

const lineFeed = Buffer.from("\n");
const none: readonly CutChunk[] = [];
