/**
 * Blowfish (Schneier 1993) in ECB mode, which SuiteCRM stores passwords with and which OpenSSL 3 no longer gives by
 * default. Its tables are the first 1,042 words of the fraction of pi, so they are worked out instead of listed.
 */
const rounds = 16;
const boxes = 4;
const words = rounds + 2 + boxes * 256;

/** Deciphers whole blocks of 8 bytes; `undefined` where that does not fit. Keys have 1 to 56 bytes. */
export function blowfishDecrypt(key: Buffer, data: Buffer): Buffer | undefined {
  if (key.length === 0 || key.length > 56 || data.length === 0 || data.length % 8 !== 0) return undefined;
  const cipher = keyed(key);
  const plain = Buffer.alloc(data.length);
  for (let at = 0; at < data.length; at += 8) {
    const [left, right] = crypt(cipher, data.readUInt32BE(at), data.readUInt32BE(at + 4), "backwards");
    plain.writeUInt32BE(left, at);
    plain.writeUInt32BE(right, at + 4);
  }
  return plain;
}

interface Keyed {
  readonly p: Uint32Array;
  readonly s: Uint32Array;
}

function keyed(key: Buffer): Keyed {
  const digits = piWords();
  const p = digits.slice(0, rounds + 2);
  const s = digits.slice(rounds + 2);
  for (let at = 0; at < p.length; at++) {
    let word = 0;
    for (let byte = 0; byte < 4; byte++) word = (word << 8) | (key[(at * 4 + byte) % key.length] ?? 0);
    p[at] = (p[at] ?? 0) ^ word;
  }
  let pair: readonly [number, number] = [0, 0];
  for (const table of [p, s]) {
    for (let at = 0; at < table.length; at += 2) {
      pair = crypt({ p, s }, pair[0], pair[1], "forwards");
      [table[at], table[at + 1]] = pair;
    }
  }
  return { p, s };
}

function crypt(
  { p, s }: Keyed,
  left: number,
  right: number,
  direction: "forwards" | "backwards",
): readonly [number, number] {
  const key = (at: number): number => p[direction === "forwards" ? at : rounds + 1 - at] ?? 0;
  const box = (number: number, byte: number): number => s[number * 256 + (byte & 255)] ?? 0;
  let [a, b] = [left, right];
  for (let round = 0; round < rounds; round++) {
    a = (a ^ key(round)) >>> 0;
    const sum = (box(0, a >>> 24) + box(1, a >>> 16)) >>> 0;
    const mixed = ((sum ^ box(2, a >>> 8)) + box(3, a)) >>> 0;
    [a, b] = [(b ^ mixed) >>> 0, a];
  }
  return [(b ^ key(rounds + 1)) >>> 0, (a ^ key(rounds)) >>> 0];
}

/** Machin: pi = 16 arctan(1/5) − 4 arctan(1/239), in fixed point with some bits to spare. */
function piWords(): Uint32Array {
  const spare = 64n;
  const bits = BigInt(words * 32) + spare;
  const arctanOfInverse = (x: bigint): bigint => {
    let power = (1n << bits) / x;
    let sum = power;
    for (let n = 3n, sign = -1n; power > 0n; n += 2n, sign = -sign) {
      power /= x * x;
      sum += (sign * power) / n;
    }
    return sum;
  };
  const fraction = (16n * arctanOfInverse(5n) - 4n * arctanOfInverse(239n)) & ((1n << bits) - 1n);
  const hex = (fraction >> spare).toString(16).padStart(words * 8, "0");
  return Uint32Array.from({ length: words }, (_, at) => Number.parseInt(hex.slice(at * 8, at * 8 + 8), 16));
}
