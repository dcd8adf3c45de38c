/**
 * Reed–Solomon erasure codes over GF(2^8), polynomial 0x11d: of `data` pieces of one length, `parity` further ones are
 * made, and any `parity` of all may be lost. The matrix is a Cauchy matrix, all of whose square parts can be inverted
 * (Blömer et al., "An XOR-Based Erasure-Resilient Coding Scheme", 1995, section 4).
 */
const logs = new Uint8Array(256);
const powers = new Uint8Array(512);
for (let power = 0, value = 1; power < 255; power++) {
  powers[power] = value;
  powers[power + 255] = value;
  logs[value] = power;
  value = value < 128 ? value * 2 : (value * 2) ^ 0x11d;
}

/** Pieces in all, at most. */
export const mostPieces = 256;

export function multiply(left: number, right: number): number {
  if (left === 0 || right === 0) return 0;
  return powers[(logs[left] ?? 0) + (logs[right] ?? 0)] ?? 0;
}

function invert(value: number): number {
  return powers[255 - (logs[value] ?? 0)] ?? 0;
}

/** What data piece `column` counts for in parity piece `row`. */
export function coefficient(row: number, column: number): number {
  return invert((mostPieces - 1 - row) ^ column);
}

/**
 * `target ^= factor × source`, byte by byte; a shorter source counts as if zeros followed. Two bytes at a time by a table of
 * the factor, which is made for the call: worth it from some 100 kB on, and pieces are packs.
 */
export function addProduct(target: Uint8Array, source: Uint8Array, factor: number): void {
  if (factor === 0) return;
  const pairs = Math.floor(source.length / 2);
  const table = pairTable(factor);
  const into = new Uint16Array(target.buffer, target.byteOffset, pairs);
  const from =
    source.byteOffset % 2 === 0 ? new Uint16Array(source.buffer, source.byteOffset, pairs) : evenCopy(source);
  for (let at = 0; at < pairs; at++) into[at] = (into[at] ?? 0) ^ (table[from[at] ?? 0] ?? 0);
  const last = source.length - 1;
  if (source.length % 2 === 1) target[last] = (target[last] ?? 0) ^ multiply(factor, source[last] ?? 0);
}

function evenCopy(source: Uint8Array): Uint16Array {
  const copy = Uint8Array.from(source);
  return new Uint16Array(copy.buffer, 0, Math.floor(copy.length / 2));
}

function pairTable(factor: number): Uint16Array {
  const table = new Uint16Array(65_536);
  for (let high = 0; high < 256; high++) {
    const product = multiply(factor, high) << 8;
    for (let low = 0; low < 256; low++) table[(high << 8) | low] = product;
  }
  for (let low = 0; low < 256; low++) {
    const product = multiply(factor, low);
    for (let high = 0; high < 256; high++) table[(high << 8) | low] = (table[(high << 8) | low] ?? 0) | product;
  }
  return table;
}

/**
 * How lost data pieces come of what is left. For each lost one: its factors for the sums that `rows` (parity pieces, as many
 * as are lost) give, where a row's sum is that parity piece plus what the data pieces that are there count for in it.
 */
export function recoveryFactors(lost: readonly number[], rows: readonly number[]): readonly Uint8Array[] {
  const size = lost.length;
  // Gauss and Jordan: the square part of the matrix beside the identity.
  const matrix = rows.map((row, at) => {
    const line = new Uint8Array(2 * size);
    for (const [column, piece] of lost.entries()) line[column] = coefficient(row, piece);
    line[size + at] = 1;
    return line;
  });
  for (let column = 0; column < size; column++) {
    const pivot = matrix.findIndex((line, at) => at >= column && line[column] !== 0);
    const line = matrix[pivot];
    const other = matrix[column];
    if (line === undefined || other === undefined) throw new RangeError("singular");
    matrix[pivot] = other;
    matrix[column] = line;
    const scale = invert(line[column] ?? 0);
    for (const [at, value] of line.entries()) line[at] = multiply(value, scale);
    for (const [at, target] of matrix.entries()) {
      const factor = target[column] ?? 0;
      if (at === column || factor === 0) continue;
      for (const [place, value] of line.entries()) target[place] = (target[place] ?? 0) ^ multiply(factor, value);
    }
  }
  return matrix.map((line) => line.subarray(size));
}
