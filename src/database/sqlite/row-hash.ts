import type { HashSum } from "../database.ts";
import { hashOf } from "../rows.ts";

/**
 * A fast 64-bit hash of a row's line, for sums over ranges of rows; not cryptographic. Its values stand in repositories,
 * so it never changes; `row-hash.test.ts` holds it to known values.
 *
 * Two 32-bit lanes start at `seedLow ^ length` and `seedHigh ^ length`. The bytes are taken as little-endian 32-bit
 * words, the last padded with zeros. For each word w, mod 2^32: `low = rotl(low ^ (w * c1), 15) * 5 + n1` and
 * `high = rotl(high ^ (w * c2), 13) * 5 + n2`. At the end `low = finish(low ^ rotl(high, 16))` and
 * `high = finish(high + low)`, where `finish` is the last step of MurmurHash3 for 32 bits. The constants are MurmurHash3's.
 * A million rows of 130 bytes, hashed and summed, take 0.15 s.
 */
export const rowHash = hashOf(addRowHash);

export function addRowHash(sum: HashSum, lines: DataView, start: number, end: number): void {
  const length = end - start;
  let low = seedLow ^ length;
  let high = seedHigh ^ length;
  const whole = end - (length & 3);
  for (let at = start; at < end; at += 4) {
    const word = at < whole ? lines.getInt32(at, true) : lastWord(lines, at, end);
    low ^= Math.imul(word, 0xcc9e2d51);
    low = (Math.imul((low << 15) | (low >>> 17), 5) + 0xe6546b64) | 0;
    high ^= Math.imul(word, 0x1b873593);
    high = (Math.imul((high << 13) | (high >>> 19), 5) + 0x561ccd1b) | 0;
  }
  low = finish(low ^ ((high << 16) | (high >>> 16)));
  high = finish((high + low) | 0);
  sum.low += low >>> 0;
  sum.high += high >>> 0;
}

function lastWord(lines: DataView, at: number, end: number): number {
  let word = lines.getUint8(at);
  if (at + 1 < end) word |= lines.getUint8(at + 1) << 8;
  if (at + 2 < end) word |= lines.getUint8(at + 2) << 16;
  return word;
}

/** "HOLD" and "FAST" in ASCII. */
const seedLow = 0x484f4c44;
const seedHigh = 0x46415354;

function finish(lane: number): number {
  let mixed = lane ^ (lane >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
