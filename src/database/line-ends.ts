/** Where the lines of a batch end, gathered by whoever writes them: nobody has to look for them again. */
export class LineEnds {
  #ends = new Int32Array(256);
  count = 0;

  /** @param end behind the line's LF */
  add(end: number): void {
    if (this.count === this.#ends.length) {
      const grown = new Int32Array(this.#ends.length * 4);
      grown.set(this.#ends);
      this.#ends = grown;
    }
    this.#ends[this.count++] = end;
  }

  /** All of them; none is left. */
  take(): Int32Array {
    const taken = this.#ends.slice(0, this.count);
    this.count = 0;
    return taken;
  }
}
