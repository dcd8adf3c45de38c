/** The secret that decides where chunks are split. */
export interface CutKey {
  readonly k0: number;
  readonly k1: number;
}

export function cutKeyFrom(secret: Buffer): CutKey {
  return { k0: secret.readInt32LE(0), k1: secret.readInt32LE(4) };
}

/**
 * HalfSipHash with 1 and 3 rounds: a keyed 32-bit hash, cheap in JavaScript. Keyed so that the sizes of chunks do not
 * tell which data they hold; it decides nothing but places to cut, and may change between releases.
 */
export function cutHash(key: CutKey, bytes: Buffer, start: number, end: number): number {
  let v0 = key.k0;
  let v1 = key.k1;
  let v2 = key.k0 ^ 0x6c796765;
  let v3 = key.k1 ^ 0x74656462;
  const words = (end - start) >>> 2;
  for (let step = 0; step <= words + 3; step++) {
    const word = step <= words ? wordAt(bytes, start + step * 4, end, end - start) : 0;
    if (step === words + 1) v2 ^= 0xff;
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v2 = (v2 + v3) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v1) | 0;
    v0 = (v0 + v3) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  return (v1 ^ v3) >>> 0;
}

/** Four bytes; at the end fewer, and then the length in the highest byte. */
function wordAt(bytes: Buffer, at: number, end: number, length: number): number {
  if (at + 4 <= end) {
    return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
  }
  let word = length << 24;
  for (let shift = 0; at < end; at++, shift += 8) word |= (bytes[at] ?? 0) << shift;
  return word;
}
