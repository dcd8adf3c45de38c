import { lineEnd } from "./row-order.ts";

/** Where lines end in the memory in which they wait to be cut, each looked for once, with the rank of each as a place to cut. */
export class PendingLines {
  /** Behind each line's LF, so where the next one begins. Those before `#first` were taken. */
  #ends = new Int32Array(64);
  #ranks = new Float64Array(64);
  #first = 0;
  #count = 0;
  #scanned = 0;

  get count(): number {
    return this.#count - this.#first;
  }

  end(index: number): number {
    return this.#ends[this.#first + index] ?? 0;
  }

  /** Of the line that begins at `end(index)`. NaN: not kept yet. */
  rank(index: number): number {
    return this.#ranks[this.#first + index] ?? Number.NaN;
  }

  keepRank(index: number, rank: number): void {
    this.#ranks[this.#first + index] = rank;
  }

  /** Looks at what was added: the memory is filled up to `end` now. */
  scan(memory: Buffer, end: number): void {
    // What ends within the bytes that were looked at already is known; a line may have begun there.
    for (let from = this.#scanned; ;) {
      const stop = lineEnd(memory, from, end);
      if (stop < 0) break;
      this.#add(stop + 1);
      from = stop + 1;
    }
    this.#scanned = end;
  }

  /** Of what was added from `start` to `end`, whoever adds it knows where lines end: so far from `start`. */
  told(start: number, end: number, ends: Int32Array): void {
    for (const one of ends) this.#add(start + one);
    this.#scanned = end;
  }

  /** Takes the lines up to `end`, where one ends: the end of each, counted from `start`. */
  take(start: number, end: number): Int32Array {
    let lines = this.#first;
    while (lines < this.#count && (this.#ends[lines] ?? 0) <= end) lines++;
    const taken = this.#ends.slice(this.#first, lines);
    for (let at = 0; at < taken.length; at++) taken[at] = (taken[at] ?? 0) - start;
    this.#first = lines;
    return taken;
  }

  /** All that waits was moved, so far towards the memory's beginning. */
  moved(by: number): void {
    for (let at = this.#first; at < this.#count; at++) this.#ends[at - this.#first] = (this.#ends[at] ?? 0) - by;
    this.#ranks.copyWithin(0, this.#first, this.#count);
    this.#count -= this.#first;
    this.#first = 0;
    this.#scanned -= by;
  }

  /** Nothing from `start` on was looked at. */
  forget(start: number): void {
    this.#first = 0;
    this.#count = 0;
    this.#scanned = start;
  }

  #add(end: number): void {
    if (this.#count === this.#ends.length) this.#grow();
    this.#ends[this.#count] = end;
    this.#ranks[this.#count++] = Number.NaN;
  }

  #grow(): void {
    const [ends, ranks] = [this.#ends, this.#ranks];
    this.#ends = new Int32Array(ends.length * 4);
    this.#ranks = new Float64Array(ends.length * 4);
    this.#ends.set(ends);
    this.#ranks.set(ranks);
  }
}
