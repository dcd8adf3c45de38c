/** A set of small numbers, one bit each, in memory that every thread sees. Any thread may add at any time. */
export class SharedBits {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;

  /** `from`: how many numbers there are, or the memory of a set in another thread. */
  constructor(from: number | SharedArrayBuffer) {
    this.memory = typeof from === "number" ? new SharedArrayBuffer(((from + 31) >>> 5) * 4) : from;
    this.#words = new Int32Array(this.memory);
  }

  /** Whether the number was not in it before: of several threads that add it, one is told so. */
  add(number: number): boolean {
    const bit = 1 << (number & 31);
    const word = number >>> 5;
    if (((this.#words[word] ?? 0) & bit) !== 0) return false;
    return (Atomics.or(this.#words, word, bit) & bit) === 0;
  }

  has(number: number): boolean {
    return ((this.#words[number >>> 5] ?? 0) & (1 << (number & 31))) !== 0;
  }
}
