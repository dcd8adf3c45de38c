import type { LoadedSums, RowKey, RowSums } from "../../database/database.ts";
import { sumBits, viewOf } from "../../database/rows.ts";
import { damaged } from "../checked.ts";
import { keyEnd, lineEnd, type RowOrder } from "./row-order.ts";

/**
 * `ranges`: the table as of this snapshot, in stretches of about 64 KiB of rows and more. Each line is
 *
 *     rows TAB bytes TAB sum of key hashes TAB sum of row hashes TAB first key
 *
 * with sums modulo 2^64 in hexadecimal. A range goes up to the next one's first key; the first begins before every
 * key, and its first key is left empty. Changes subtract the old row and add the new one, so nothing is read again.
 */
export interface RangeSums {
  /** Absent for the first. */
  readonly firstKey: RowKey | undefined;
  rows: number;
  bytes: number;
  keySum: bigint;
  rowSum: bigint;
}

const firstLine = "holdfast ranges 1\n";

export function emptyRange(firstKey: RowKey | undefined): RangeSums {
  return { firstKey, rows: 0, bytes: 0, keySum: 0n, rowSum: 0n };
}

export function serialiseRanges(ranges: readonly RangeSums[]): Buffer {
  const lines = ranges.map(({ firstKey, rows, bytes, keySum, rowSum }) =>
    [rows, bytes, hex(keySum), hex(rowSum), firstKey ?? ""].join("\t"),
  );
  return Buffer.from(`${firstLine}${lines.join("\n")}\n`, "latin1");
}

export function parseRanges(bytes: Buffer, order: RowOrder, subject: string): RangeSums[] {
  const text = bytes.toString("latin1");
  if (!text.startsWith(firstLine) || !text.endsWith("\n")) throw damaged(subject, "ranges");
  const ranges: RangeSums[] = [];
  for (const line of text.slice(firstLine.length, -1).split("\n")) {
    const match = /^(\d{1,15})\t(\d{1,15})\t([0-9a-f]{16})\t([0-9a-f]{16})\t(.*)$/s.exec(line);
    if (!match) throw damaged(subject, "ranges");
    const [, rows, bytesOf, keySum, rowSum, key = ""] = match;
    const before = ranges.at(-1);
    if ((before === undefined) !== (key === "")) throw damaged(subject, "ranges");
    if (before?.firstKey !== undefined && order.compare(before.firstKey, key) >= 0) throw damaged(subject, "ranges");
    ranges.push({
      firstKey: before ? key : undefined,
      rows: Number(rows),
      bytes: Number(bytesOf),
      keySum: BigInt(`0x${keySum}`),
      rowSum: BigInt(`0x${rowSum}`),
    });
  }
  return ranges;
}

export function totalRows(ranges: readonly RangeSums[]): number {
  return ranges.reduce((sum, range) => sum + range.rows, 0);
}

export function totalBytes(ranges: readonly RangeSums[]): number {
  return ranges.reduce((sum, range) => sum + range.bytes, 0);
}

export function totalSums(ranges: readonly RangeSums[]): RowSums {
  const sum = (of: (range: RangeSums) => bigint) =>
    BigInt.asUintN(
      64,
      ranges.reduce((total, range) => total + of(range), 0n),
    );
  return { rows: totalRows(ranges), keySum: sum(({ keySum }) => keySum), rowSum: sum(({ rowSum }) => rowSum) };
}

/** A row's hash is of all of it, its key too. */
export function sameRows(a: LoadedSums | undefined, b: LoadedSums | undefined): boolean {
  return a?.rows === b?.rows && a?.rowSum === b?.rowSum;
}

function hex(sum: bigint): string {
  return BigInt.asUintN(64, sum).toString(16).padStart(16, "0");
}

/** Adds and removes rows; keys must come in order. */
export class RangeTally {
  readonly ranges: readonly RangeSums[];
  readonly #order: RowOrder;
  #at = 0;

  constructor(ranges: readonly RangeSums[], order: RowOrder) {
    this.ranges = ranges;
    this.#order = order;
  }

  add(key: RowKey, line: Buffer): void {
    this.#count(key, line, 1);
  }

  remove(key: RowKey, line: Buffer): void {
    this.#count(key, line, -1);
  }

  #count(key: RowKey, line: Buffer, sign: 1 | -1): void {
    while (this.#nextStart !== undefined && this.#order.compare(this.#nextStart, key) <= 0) this.#at++;
    const range = this.ranges[this.#at];
    if (!range) return;
    countRow(range, this.#order, key, line, 0, line.length, sign);
  }

  get #nextStart(): RowKey | undefined {
    return this.ranges[this.#at + 1]?.firstKey;
  }
}

/** Adds a row to its range, or takes it out; its line stands from `start` to `end`, without LF. */
export function countRow(
  range: RangeSums,
  order: RowOrder,
  key: RowKey,
  bytes: Buffer,
  start: number,
  end: number,
  sign: 1 | -1 = 1,
): void {
  const { keyHash, rowHash } = rowHashes(order, key, bytes, start, end);
  range.rows += sign;
  range.bytes += sign * (end + 1 - start);
  range.keySum = BigInt.asUintN(64, sign === 1 ? range.keySum + keyHash : range.keySum - keyHash);
  range.rowSum = BigInt.asUintN(64, sign === 1 ? range.rowSum + rowHash : range.rowSum - rowHash);
}

/** Adds whole lines, `[start, end)` of these bytes, to their range. */
export function addLines(range: RangeSums, order: RowOrder, lines: Buffer, start: number, end: number): void {
  const view = viewOf(lines);
  const rowSum = { low: 0, high: 0 };
  const keySum = order.keyLength === 0 ? rowSum : { low: 0, high: 0 };
  for (let at = start; at < end;) {
    const stop = lineEnd(lines, at, end);
    order.addHash(rowSum, view, at, stop);
    if (order.keyLength > 0) order.addHash(keySum, view, at, keyEnd(order, lines, at, stop));
    range.rows++;
    at = stop + 1;
  }
  range.bytes += end - start;
  range.keySum = BigInt.asUintN(64, range.keySum + sumBits(keySum));
  range.rowSum = BigInt.asUintN(64, range.rowSum + sumBits(rowSum));
}

/** Hashes of a key and of its row; a table without a key has its whole lines as keys. */
function rowHashes(
  order: RowOrder,
  key: RowKey,
  bytes: Buffer,
  start: number,
  end: number,
): { readonly keyHash: bigint; readonly rowHash: bigint } {
  const rowHash = order.hash(bytes, start, end);
  const keyHash = order.keyLength === 0 ? rowHash : order.hash(bytes, start, start + key.length);
  return { keyHash, rowHash };
}
