import { keyEnd as keyEndOfFields } from "../../database/rows.ts";
import type { DatabaseEngine, HashSum, RowKey, TableSchema } from "../../database/database.ts";

/** What this layer needs of a database engine. */
export type RowRules = Pick<DatabaseEngine, "rowHash" | "addRowHash" | "keyOrder">;

/** The order of a table's lines. A table without a key is ordered by its whole lines, of which equal ones may occur. */
export interface RowOrder {
  readonly keyLength: number;
  compare(a: RowKey, b: RowKey): number;
  hash(line: Buffer, start: number, end: number): bigint;
  addHash(sum: HashSum, lines: DataView, start: number, end: number): void;
}

export function rowOrder(table: TableSchema, rules: RowRules): RowOrder {
  const keys = table.keyLength === 0 ? compareBytes : rules.keyOrder(table);
  const compare = (a: RowKey, b: RowKey): number => (a === b ? 0 : keys(a, b));
  return { keyLength: table.keyLength, compare, hash: rules.rowHash, addHash: rules.addRowHash };
}

/** latin1 strings, so this is the order of bytes. */
function compareBytes(a: RowKey, b: RowKey): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const lineFeed = 10;
const backslash = 0x5c;
const minus = 0x2d;
const integerMark = 0x69; // `i` before SQLite's integers

/**
 * Whether the key `[b, bEnd)` is above the key `[a, aEnd)`, both of one column, as far as their bytes alone tell: in every
 * engine's order, keys of one length and one first byte are in the order of their bytes, unless they are negative numbers or
 * the bytes that differ come after an escape. `no`: it is not, or `compare` has to say.
 */
export function ascendsByBytes(bytes: Buffer, a: number, aEnd: number, b: number, bEnd: number): "yes" | "no" {
  const length = aEnd - a;
  if (length !== bEnd - b || bytes[a] !== bytes[b] || bytes[a] === minus) return "no";
  if (bytes[a] === integerMark && (bytes[a + 1] === minus || bytes[b + 1] === minus)) return "no";
  for (let at = 0; at < length; at++) {
    const left = bytes[a + at] ?? 0;
    const right = bytes[b + at] ?? 0;
    if (left === backslash || right === backslash) return "no";
    if (left !== right) return left < right ? "yes" : "no";
  }
  return "no";
}

/** Where the key of the line at `start` ends; `end` is the line's end without its LF. Without a key, the whole row is it. */
export function keyEnd({ keyLength }: RowOrder, bytes: Buffer, start: number, end: number): number {
  return keyLength === 0 ? end : keyEndOfFields(bytes, keyLength, start, end);
}

export function keyAt(order: RowOrder, bytes: Buffer, start: number, end: number): RowKey {
  return bytes.toString("latin1", start, keyEnd(order, bytes, start, end));
}

/** End of the line at `start`, without its LF; `-1` when there is no LF before `limit`. */
export function lineEnd(bytes: Buffer, start: number, limit: number): number {
  // Most lines are short, and a call out of JavaScript costs more than looking at a hundred bytes.
  const near = Math.min(limit, start + 96);
  for (let at = start; at < near; at++) if (bytes[at] === lineFeed) return at;
  if (near === limit) return -1;
  const at = bytes.indexOf(lineFeed, near);
  return at < limit ? at : -1;
}

/** Start of the last line in `[start, end)`, which ends with LF. */
export function lastLineStart(bytes: Buffer, start: number, end: number): number {
  const before = end - 2 < start ? -1 : bytes.lastIndexOf(lineFeed, end - 2);
  return before < start ? start : before + 1;
}

/** Offset of the first line in `[start, end)` whose key is not below `key`; whole lines in order. */
export function lowerBound(order: RowOrder, bytes: Buffer, start: number, end: number, key: RowKey): number {
  let low = start;
  let high = end;
  while (low < high) {
    const middle = lastLineStart(bytes, low, ((low + high) >>> 1) + 1);
    const stop = lineEnd(bytes, middle, high);
    if (order.compare(keyAt(order, bytes, middle, stop === -1 ? high : stop), key) < 0) {
      low = stop === -1 ? high : stop + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/** Bytes of whole lines that both begin with. */
export function commonLines(a: Buffer, aStart: number, aEnd: number, b: Buffer, bStart: number, bEnd: number): number {
  const most = Math.min(aEnd - aStart, bEnd - bStart);
  let length = 0;
  let step = 256;
  while (length < most) {
    const size = Math.min(step, most - length);
    const from = aStart + length;
    if (b.compare(a, from, from + size, bStart + length, bStart + length + size) !== 0) {
      length += commonBytes(a, from, b, bStart + length, size);
      break;
    }
    length += size;
    step = Math.min(step * 2, 1 << 16);
  }
  if (length === 0) return 0;
  const end = a.lastIndexOf(lineFeed, aStart + length - 1);
  return end < aStart ? 0 : end + 1 - aStart;
}

/** How many of `size` bytes, not all equal, are equal at the start. */
function commonBytes(a: Buffer, aStart: number, b: Buffer, bStart: number, size: number): number {
  let low = 0;
  let high = size;
  while (high - low > 64) {
    const middle = (low + high) >>> 1;
    const equal = b.compare(a, aStart + low, aStart + middle, bStart + low, bStart + middle) === 0;
    if (equal) low = middle;
    else high = middle;
  }
  while (low < high && a[aStart + low] === b[bStart + low]) low++;
  return low;
}
