import type { RowBatch } from "../../database/database.ts";
import { LineEnds } from "../../database/line-ends.ts";
import { ascendsByBytes, keyEnd, lineEnd, type RowOrder } from "./row-order.ts";

const batchBytes = 1 << 20;
/** What is held for a line besides its bytes. */
const lineBytes = 24;
/** A line's number is below this, but where there are very many. */
const fewLines = 1 << 20;
const mostDigits = 16;

/**
 * Lines in one piece of memory, given out in order. What is sorted is numbers, by V8's own code: what each key begins with
 * and, below it, which line it is. Lines that begin with the same are compared, and so is each line with the one
 * before it; where an order is not that of bytes, all of them are.
 */
export class LineSorter {
  readonly #order: RowOrder;
  #memory: Buffer = Buffer.alloc(0);
  #filled = 0;
  #ends = new LineEnds();
  readonly #spare: Buffer[] = [];

  constructor(order: RowOrder) {
    this.#order = order;
  }

  /** What all its lines take. */
  get bytes(): number {
    return this.#filled + this.#ends.count * lineBytes;
  }

  /**
   * Takes whole lines.
   * @param ends where each line ends, behind its LF, counted from `start`: by whoever knows
   */
  add(lines: Buffer, start: number, end: number, ends?: Int32Array): void {
    this.#makeRoom(end - start);
    if (ends) {
      for (const one of ends) this.#ends.add(this.#filled + one);
    } else {
      for (let from = start; from < end;) {
        from = lineEnd(lines, from, end) + 1;
        this.#ends.add(this.#filled + from - start);
      }
    }
    this.#filled += lines.copy(this.#memory, this.#filled, start, end);
  }

  /** All lines in order; none is left. A batch's memory is used again once it was given back. */
  *sorted(): Generator<RowBatch, void> {
    const memory = this.#memory;
    const ends = this.#ends.take();
    this.#filled = 0;
    const sequence = this.#sequence(memory, ends);
    const batchEnds = new LineEnds();
    let batch: Buffer | undefined;
    let filled = 0;
    let left = ends.at(-1) ?? 0;
    for (const [index, line] of sequence.entries()) {
      const start = line === 0 ? 0 : (ends[line - 1] ?? 0);
      const end = ends[line] ?? 0;
      batch ??= this.#batch(Math.max(end - start, Math.min(left, batchBytes)));
      filled += copyLine(memory, start, end, batch, filled);
      batchEnds.add(filled);
      const next = sequence[index + 1];
      const nextLength = next === undefined ? 0 : (ends[next] ?? 0) - (next === 0 ? 0 : (ends[next - 1] ?? 0));
      if (next !== undefined && filled + nextLength <= batch.length) continue;
      const whole = batch;
      const lineEnds = batchEnds.take();
      left -= filled;
      yield {
        lines: whole.subarray(0, filled),
        rows: lineEnds.length,
        ends: lineEnds,
        release: () => void (this.#spare.length < 2 && whole.length === batchBytes && this.#spare.push(whole)),
      };
      batch = undefined;
      filled = 0;
    }
  }

  #batch(size: number): Buffer {
    return (size === batchBytes ? this.#spare.pop() : undefined) ?? Buffer.allocUnsafeSlow(size);
  }

  #makeRoom(size: number): void {
    if (this.#filled + size <= this.#memory.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#filled + size, this.#memory.length * 2, 1 << 12));
    this.#memory.copy(grown, 0, 0, this.#filled);
    this.#memory = grown;
  }

  /** Which line comes first, which second, and so on. */
  #sequence(memory: Buffer, ends: Int32Array): Uint32Array {
    const keys = new Int32Array(ends.length);
    let start = 0;
    for (const [line, end] of ends.entries()) {
      keys[line] = keyEnd(this.#order, memory, start, end - 1);
      start = end;
    }
    // Many come in order already.
    const arrived = Uint32Array.from(ends.keys());
    if (this.#ascends(memory, ends, keys, arrived)) return arrived;
    const mostLines = ends.length <= fewLines ? fewLines : fewLines << 8;
    const signs = signsOf(memory, ends, keys, mostLines).sort();
    const sequence = Uint32Array.from(signs, (sign) => sign % mostLines);
    for (let at = 0; at < signs.length;) {
      const next = (Math.floor((signs[at] ?? 0) / mostLines) + 1) * mostLines;
      let same = at + 1;
      while (same < signs.length && (signs[same] ?? 0) < next) same++;
      if (same - at > 1) this.#sort(memory, ends, keys, sequence.subarray(at, same));
      at = same;
    }
    if (!this.#ascends(memory, ends, keys, sequence)) this.#sort(memory, ends, keys, sequence);
    return sequence;
  }

  #sort(memory: Buffer, ends: Int32Array, keys: Int32Array, lines: Uint32Array): void {
    const keyed = Array.from(lines, (line) => ({ line, key: this.#key(memory, ends, keys, line) }));
    keyed.sort((a, b) => this.#order.compare(a.key, b.key));
    for (const [at, { line }] of keyed.entries()) lines[at] = line;
  }

  #ascends(memory: Buffer, ends: Int32Array, keys: Int32Array, sequence: Uint32Array): boolean {
    const single = this.#order.keyLength === 1;
    let before = sequence[0] ?? 0;
    for (let at = 1; at < sequence.length; at++) {
      const line = sequence[at] ?? 0;
      const a = before === 0 ? 0 : (ends[before - 1] ?? 0);
      const b = line === 0 ? 0 : (ends[line - 1] ?? 0);
      const plain = single && ascendsByBytes(memory, a, keys[before] ?? 0, b, keys[line] ?? 0) === "yes";
      if (
        !plain &&
        this.#order.compare(this.#key(memory, ends, keys, before), this.#key(memory, ends, keys, line)) > 0
      ) {
        return false;
      }
      before = line;
    }
    return true;
  }

  #key(memory: Buffer, ends: Int32Array, keys: Int32Array, line: number): string {
    return memory.toString("latin1", line === 0 ? 0 : ends[line - 1], keys[line]);
  }
}

/**
 * Of each line what its key begins with, behind what all keys begin with, as far as one exact number has room for it beside
 * the line's own: a digit for each byte, of as many as there are different bytes.
 */
function signsOf(memory: Buffer, ends: Int32Array, keys: Int32Array, mostLines: number): Float64Array {
  const common = commonBytes(memory, ends, keys);
  const digits = new Uint8Array(256);
  let start = 0;
  for (let line = 0; line < ends.length; line++) {
    const end = Math.min(keys[line] ?? 0, start + common + mostDigits);
    for (let at = start + common; at < end; at++) digits[memory[at] ?? 0] = 1;
    start = ends[line] ?? 0;
  }
  // 0 is the end of a key, which stands before every byte.
  let radix = 1;
  for (const [byte, found] of digits.entries()) if (found === 1) digits[byte] = radix++;
  const most = Number.MAX_SAFE_INTEGER / mostLines;
  let length = 1;
  while (length < mostDigits && radix ** (length + 1) <= most) length++;
  const signs = new Float64Array(ends.length);
  start = 0;
  for (let line = 0; line < ends.length; line++) {
    const end = keys[line] ?? 0;
    let sign = 0;
    for (let at = start + common, left = length; left > 0; at++, left--) {
      sign = sign * radix + (at < end ? (digits[memory[at] ?? 0] ?? 0) : 0);
    }
    signs[line] = sign * mostLines + line;
    start = ends[line] ?? 0;
  }
  return signs;
}

/** How many bytes all keys begin with. */
function commonBytes(memory: Buffer, ends: Int32Array, keys: Int32Array): number {
  let common = keys[0] ?? 0;
  let start = 0;
  for (let line = 0; line < ends.length; line++) {
    const most = Math.min(common, (keys[line] ?? 0) - start);
    common = 0;
    while (common < most && memory[common] === memory[start + common]) common++;
    start = ends[line] ?? 0;
  }
  return common;
}

/** A call out of JavaScript costs as much as some fifty bytes do within. */
function copyLine(from: Buffer, start: number, end: number, to: Buffer, at: number): number {
  if (end - start > 48) return from.copy(to, at, start, end);
  for (let byte = start, into = at; byte < end; byte++, into++) to[into] = from[byte] ?? 0;
  return end - start;
}
