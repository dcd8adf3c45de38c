import type { HashSum, RowKey, TableReader } from "./database.ts";

/** The 64 bits of a sum of hashes. */
export function sumBits({ low, high }: HashSum): bigint {
  return BigInt.asUintN(64, (BigInt(high) << 32n) + BigInt(low));
}

/** The same bytes, of which four are read at once. */
export function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

/** One hash by itself, by a function that adds hashes up. */
export function hashOf(
  add: (sum: HashSum, lines: DataView, start: number, end: number) => void,
): (line: Buffer, start: number, end: number) => bigint {
  return (line, start, end) => {
    const sum = { low: 0, high: 0 };
    add(sum, viewOf(line), start, end);
    return sumBits(sum);
  };
}

/** The key of a line: its first `keyLength` fields. `start` and `end` bound the line in `bytes`, without LF. */
export function keyOf(bytes: Buffer, keyLength: number, start = 0, end = bytes.length): RowKey {
  return bytes.toString("latin1", start, keyEnd(bytes, keyLength, start, end));
}

/** Where the key of a line ends: at the TAB after its last field, or at the line's end. */
export function keyEnd(bytes: Uint8Array, keyLength: number, start: number, end: number): number {
  if (keyLength === 0) return start;
  let left = keyLength;
  // Not `indexOf`: in a line without a further TAB it would search on through all the lines behind it.
  for (let at = start; at < end; at++) {
    if (bytes[at] === 0x09 && --left === 0) return at;
  }
  return end;
}

/** The line with this key, without its LF, as a table's reader gives it. Only for tables with a key. */
export async function findRow(reader: TableReader, key: RowKey, signal: AbortSignal): Promise<Buffer | undefined> {
  const { keyLength } = reader.table;
  let found: Buffer | undefined;
  for await (const { lines, release } of reader.read({ only: key }, signal)) {
    for (let start = 0; start < lines.length && found === undefined;) {
      const end = lines.indexOf(0x0a, start);
      if (keyOf(lines, keyLength, start, end) === key) found = Buffer.from(lines.subarray(start, end));
      start = end + 1;
    }
    release?.();
  }
  return found;
}
