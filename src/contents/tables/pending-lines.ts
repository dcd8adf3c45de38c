import { lineEnd } from "./row-order.ts";

/** Where the lines of a growing stretch of bytes begin, each looked for once, with the rank of each as a place to cut. */
export class PendingLines {
  /** Where each line after the first begins, or the next one will. */
  #starts = new Int32Array(64);
  #ranks = new Float64Array(64);
  #count = 0;
  #scanned = 0;

  get count(): number {
    return this.#count;
  }

  start(index: number): number {
    return index < 0 ? 0 : (this.#starts[index] ?? 0);
  }

  /** NaN: not kept yet. */
  rank(index: number): number {
    return this.#ranks[index] ?? Number.NaN;
  }

  keepRank(index: number, rank: number): void {
    this.#ranks[index] = rank;
  }

  /** Looks at what was added: there are `length` bytes now. */
  scan(bytes: Buffer, length: number): void {
    // What ends within the bytes that were looked at already is known; a line may have begun there.
    for (let from = this.#scanned; ;) {
      const end = lineEnd(bytes, from, length);
      if (end < 0) break;
      if (this.#count === this.#starts.length) this.#grow();
      this.#starts[this.#count] = end + 1;
      this.#ranks[this.#count++] = Number.NaN;
      from = end + 1;
    }
    this.#scanned = length;
  }

  /** Forgets the first `size` bytes, which end where a line does; gives the ends of the lines there, each behind its LF. */
  take(size: number): Int32Array {
    let lines = 0;
    while (lines < this.#count && (this.#starts[lines] ?? 0) <= size) lines++;
    const taken = this.#starts.slice(0, lines);
    const left = this.#count - lines;
    for (let at = 0; at < left; at++) this.#starts[at] = (this.#starts[at + lines] ?? 0) - size;
    this.#ranks.copyWithin(0, lines, this.#count);
    this.#count = left;
    this.#scanned = Math.max(0, this.#scanned - size);
    return taken;
  }

  #grow(): void {
    const [starts, ranks] = [this.#starts, this.#ranks];
    this.#starts = new Int32Array(starts.length * 4);
    this.#ranks = new Float64Array(starts.length * 4);
    this.#starts.set(starts);
    this.#ranks.set(ranks);
  }
}
