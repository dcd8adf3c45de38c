import type { HashSum } from "../database.ts";
import { hashOf, viewOf } from "../rows.ts";

/**
 * The 64-bit hash of a line, as PostgreSQL computes it by `hashtextextended(line COLLATE "C", 0)`: Bob Jenkins' lookup3,
 * which hash-partitioned tables rest on, so that it never changes. Before it is hashed, a line's escapes for control
 * characters (`\t`, `\n`, …) become these characters again, while `\\` and `\N` stay: so the database gets the
 * same text from a value by one `replace` (`line-sql.ts`).
 */
export const rowHash = hashOf(addRowHash);

export function addRowHash(sum: HashSum, lines: DataView, start: number, end: number): void {
  let a = seed(end - start);
  let b = a;
  let c = a;
  let escapes = 0;
  let at = start;
  // Written out, with the search for backslashes in it: this runs for every row of a CRM.
  for (const last = end - 12; at <= last; at += 12) {
    const first = lines.getInt32(at, true);
    const second = lines.getInt32(at + 4, true);
    const third = lines.getInt32(at + 8, true);
    escapes |= withBackslash(first) | withBackslash(second) | withBackslash(third);
    a = (a + first) | 0;
    b = (b + second) | 0;
    c = (c + third) | 0;
    a = (a - c) ^ ((c << 4) | (c >>> 28));
    c = (c + b) | 0;
    b = (b - a) ^ ((a << 6) | (a >>> 26));
    a = (a + c) | 0;
    c = (c - b) ^ ((b << 8) | (b >>> 24));
    b = (b + a) | 0;
    a = (a - c) ^ ((c << 16) | (c >>> 16));
    c = (c + b) | 0;
    b = (b - a) ^ ((a << 19) | (a >>> 13));
    a = (a + c) | 0;
    c = (c - b) ^ ((b << 4) | (b >>> 28));
    b = (b + a) | 0;
  }
  // The lowest byte of the last word is kept for the length.
  for (let shift = 0; at < end; at++, shift++) {
    const byte = lines.getUint8(at);
    if (byte === backslash) escapes = 1;
    if (shift < 4) a = (a + (byte << (shift * 8))) | 0;
    else if (shift < 8) b = (b + (byte << ((shift - 4) * 8))) | 0;
    else c = (c + (byte << ((shift - 7) * 8))) | 0;
  }
  if (escapes !== 0) {
    const plain = withControls(lines, start, end);
    // What is left of backslashes there, `\\` and `\N`, stands for itself.
    if (plain) return addRowHash(sum, plain, 0, plain.byteLength);
  }
  finish(sum, a, b, c);
}

const backslash = 0x5c;

/** What stands behind a backslash for a control character; `undefined`: another escape. */
function controlOf(letter: number): number | undefined {
  switch (letter) {
    case 0x62:
      return 8; // b
    case 0x74:
      return 9; // t
    case 0x6e:
      return 10; // n
    case 0x76:
      return 11; // v
    case 0x66:
      return 12; // f
    case 0x72:
      return 13; // r
    default:
      return undefined;
  }
}

/** The line with its control characters; `undefined` when it has none. */
function withControls(lines: DataView, start: number, end: number): DataView | undefined {
  if (!hasControls(lines, start, end)) return undefined;
  const plain = Buffer.allocUnsafe(end - start);
  const words = viewOf(plain);
  let length = 0;
  for (let at = start; at < end;) {
    const word = at + 4 <= end ? lines.getInt32(at, true) : allBackslashes;
    if (withBackslash(word) === 0) {
      words.setInt32(length, word, true);
      length += 4;
      at += 4;
      continue;
    }
    const byte = lines.getUint8(at++);
    if (byte === backslash && at < end) {
      const next = lines.getUint8(at++);
      const control = controlOf(next);
      if (control === undefined) plain[length++] = byte;
      plain[length++] = control ?? next;
    } else {
      plain[length++] = byte;
    }
  }
  return viewOf(plain.subarray(0, length));
}

/** Most lines have a NULL, few a line break or a TAB. */
function hasControls(lines: DataView, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    while (at + 4 <= end && withBackslash(lines.getInt32(at, true)) === 0) at += 4;
    if (at + 1 < end && lines.getUint8(at) === backslash && controlOf(lines.getUint8(++at)) !== undefined) return true;
  }
  return false;
}

const allBackslashes = 0x5c5c5c5c;

/** Nonzero when one of a word's four bytes is a backslash: https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord */
function withBackslash(word: number): number {
  const zero = word ^ allBackslashes;
  return (zero - 0x01010101) & ~zero & 0x80808080;
}

/** `hash_bytes_extended` with seed 0: its beginning and its end. */
function seed(length: number): number {
  return (0x9e3779b9 + length + 3_923_095) | 0;
}

function finish(sum: HashSum, first: number, second: number, third: number): void {
  let a = first;
  let b = second;
  let c = third;
  c = ((c ^ b) - ((b << 14) | (b >>> 18))) | 0;
  a = ((a ^ c) - ((c << 11) | (c >>> 21))) | 0;
  b = ((b ^ a) - ((a << 25) | (a >>> 7))) | 0;
  c = ((c ^ b) - ((b << 16) | (b >>> 16))) | 0;
  a = ((a ^ c) - ((c << 4) | (c >>> 28))) | 0;
  b = ((b ^ a) - ((a << 14) | (a >>> 18))) | 0;
  c = ((c ^ b) - ((b << 24) | (b >>> 8))) | 0;
  sum.high += b >>> 0;
  sum.low += c >>> 0;
}
