import type { HashSum } from "../database.ts";
import { hashOf } from "../rows.ts";

/**
 * The 64-bit hash of a row's line, for sums over rows: CRC-32 × 2^32 + CRC-32C of the line with its escapes undone and
 * each NULL as the bytes 7F 4E 4E 7F (valid in any text, so the server mixes them in, and found in none). MariaDB from 10.8 computes both (`CRC32`, `CRC32C`), so that a table is compared without being sent.
 * Together they are a CRC of 64 bits: a change within 64 bits is always seen, any other but once in 2^64. Its
 * values stand in repositories, so it never changes; `row-hash.test.ts` holds it to known values and to the server's.
 */
export const rowHash = hashOf(addRowHash);

export function addRowHash(sum: HashSum, lines: DataView, start: number, end: number): void {
  let crc = -1;
  let castagnoli = -1;
  for (let at = start; at < end;) {
    if (at + 7 < end) {
      const [word, next] = [lines.getInt32(at, true), lines.getInt32(at + 4, true)];
      if (!hasBackslash(word) && !hasBackslash(next)) {
        crc = step(ieeeAhead, crc ^ word) ^ step(ieee, next);
        castagnoli = step(crc32cAhead, castagnoli ^ word) ^ step(crc32c, next);
        at += 8;
        continue;
      }
    }
    if (at + 3 < end) {
      const word = lines.getInt32(at, true);
      if (!hasBackslash(word)) {
        crc = step(ieee, crc ^ word);
        castagnoli = step(crc32c, castagnoli ^ word);
        at += 4;
        continue;
      }
    }
    let byte = lines.getUint8(at++);
    if (byte === 0x5c) {
      const letter = at < end ? lines.getUint8(at) : 0;
      at++;
      if (letter === 0x4e) {
        crc = step(ieee, crc ^ nullWord);
        castagnoli = step(crc32c, castagnoli ^ nullWord);
        continue;
      }
      byte = unescaped(letter);
    }
    crc = (ieee[(crc ^ byte) & 255] ?? 0) ^ (crc >>> 8);
    castagnoli = (crc32c[(castagnoli ^ byte) & 255] ?? 0) ^ (castagnoli >>> 8);
  }
  sum.high += ~crc >>> 0;
  sum.low += ~castagnoli >>> 0;
}

/** Whether one of four bytes is a backslash: the well-known test for a zero byte. */
function hasBackslash(word: number): boolean {
  const zero = word ^ 0x5c5c5c5c;
  return (((zero - 0x01010101) | 0) & ~zero & 0x80808080) !== 0;
}

/** What the letter after a backslash stands for (`field.ts`). */
function unescaped(letter: number): number {
  switch (letter) {
    case 0x30: // 0
      return 0;
    case 0x74: // t
      return 0x09;
    case 0x6e: // n
      return 0x0a;
    case 0x72: // r
      return 0x0d;
    default:
      return letter;
  }
}

/** 7F 4E 4E 7F, little-endian. */
const nullWord = 0x7f4e4e7f;

/** Four bytes at once, with four tables behind each other; eight are two times four that do not wait for each other. */
function step(table: Int32Array, mixed: number): number {
  return (
    (table[768 + (mixed & 255)] ?? 0) ^
    (table[512 + ((mixed >>> 8) & 255)] ?? 0) ^
    (table[256 + ((mixed >>> 16) & 255)] ?? 0) ^
    (table[mixed >>> 24] ?? 0)
  );
}

/** Reversed polynomials: ISO 3309 and Castagnoli. */
const [ieee, ieeeAhead] = crcTables(0xedb88320);
const [crc32c, crc32cAhead] = crcTables(0x82f63b78);

/** For four bytes, and for four that have as many behind them. */
function crcTables(polynomial: number): readonly [four: Int32Array, ahead: Int32Array] {
  const table = new Int32Array(2048);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? (value >>> 1) ^ polynomial : value >>> 1;
    table[byte] = value;
  }
  for (let at = 256; at < 2048; at++) {
    const before = table[at - 256] ?? 0;
    table[at] = (before >>> 8) ^ (table[before & 255] ?? 0);
  }
  return [table.subarray(0, 1024), table.subarray(1024)];
}
