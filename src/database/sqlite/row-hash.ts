/**
 * A fast 64-bit hash of a row's line, for sums over ranges of rows; not cryptographic. Its values stand in repositories, so
 * it never changes; test vectors are in `row-hash.test.ts`.
 *
 * Two 32-bit lanes start at `seedLow ^ length` and `seedHigh ^ length`. The bytes are taken as little-endian 32-bit words, the last padded with
 * zeros. For each word w: `low = rotl(low ^ imul(w, c1), 15) * 5 + n1`, `high = rotl(high ^ imul(w, c2), 13) * 5 + n2`, all mod 2^32.
 * At the end the lanes are mixed into each other and through MurmurHash3's 32-bit finaliser. c1, c2, n1, n2 are MurmurHash3's.
 */
const seedLow = 0x484f4c44;
const seedHigh = 0x46415354;

/** 64-bit sums without a BigInt a row: `high` and `low` are sums of 32-bit lanes with the carry left in `low`. */
export interface HashSum {
  rows: number;
  low: number;
  high: number;
}

export function rowHash(line: Uint8Array, start: number, end: number): bigint {
  const sum: HashSum = { rows: 0, low: 0, high: 0 };
  addRowHash(sum, line, start, end);
  return hashSumValue(sum);
}

/** Adds the hashes of all lines in `lines`, each ended by LF. Good for 2 million rows a sum; start a new one then. */
export function addLineHashes(sum: HashSum, lines: Uint8Array): void {
  let start = 0;
  while (start < lines.length) {
    const found = lines.indexOf(0x0a, start);
    const end = found === -1 ? lines.length : found;
    addRowHash(sum, lines, start, end);
    start = end + 1;
  }
}

/** Number of rows and sum of row hashes, mod 2^64, of lines each ended by LF. */
export function hashLines(lines: Uint8Array): { readonly rows: number; readonly sum: bigint } {
  const sum: HashSum = { rows: 0, low: 0, high: 0 };
  addLineHashes(sum, lines);
  return { rows: sum.rows, sum: hashSumValue(sum) };
}

export function hashSumValue(sum: HashSum): bigint {
  return BigInt.asUintN(64, (BigInt(sum.high) << 32n) + BigInt(sum.low));
}

function addRowHash(sum: HashSum, bytes: Uint8Array, start: number, end: number): void {
  const length = end - start;
  let low = seedLow ^ length;
  let high = seedHigh ^ length;
  let at = start;
  const whole = end - (length & 3);
  for (; at < whole; at += 4) {
    const word =
      (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
    low ^= Math.imul(word, 0xcc9e2d51);
    low = (Math.imul((low << 15) | (low >>> 17), 5) + 0xe6546b64) | 0;
    high ^= Math.imul(word, 0x1b873593);
    high = (Math.imul((high << 13) | (high >>> 19), 5) + 0x561ccd1b) | 0;
  }
  if (at < end) {
    let word = bytes[at] ?? 0;
    if (at + 1 < end) word |= (bytes[at + 1] ?? 0) << 8;
    if (at + 2 < end) word |= (bytes[at + 2] ?? 0) << 16;
    low ^= Math.imul(word, 0xcc9e2d51);
    low = (Math.imul((low << 15) | (low >>> 17), 5) + 0xe6546b64) | 0;
    high ^= Math.imul(word, 0x1b873593);
    high = (Math.imul((high << 13) | (high >>> 19), 5) + 0x561ccd1b) | 0;
  }
  low = finish(low ^ ((high << 16) | (high >>> 16)));
  high = finish((high + low) | 0);
  sum.rows += 1;
  sum.low += low >>> 0;
  sum.high += high >>> 0;
}

function finish(lane: number): number {
  let mixed = lane ^ (lane >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
