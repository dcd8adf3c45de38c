import type { RowKey } from "../database.ts";
import { unquote } from "./field.ts";

/**
 * The order in which SQLite's binary index walks: column by column, integers before text before blobs; integers by value,
 * text and blobs by their bytes.
 */
export function compareKeys(a: RowKey, b: RowKey): number {
  if (a === b) return 0;
  if (!a.includes("\t") && !b.includes("\t")) return compareFields(a, b);
  const left = a.split("\t");
  const right = b.split("\t");
  for (let index = 0; index < left.length && index < right.length; index++) {
    const order = compareFields(left[index] ?? "", right[index] ?? "");
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

function compareFields(a: string, b: string): number {
  if (a === b) return 0;
  const rank = classRank(a);
  const other = classRank(b);
  if (rank !== other) return rank - other;
  if (rank === 0) return compareIntegers(a, b);
  const left = fieldBytes(a);
  const right = fieldBytes(b);
  if (left === right) return a < b ? -1 : 1;
  return left < right ? -1 : 1;
}

/** SQLite's order of storage classes; keys hold neither NULL nor reals. */
function classRank(field: string): number {
  switch (field.charCodeAt(0)) {
    case 0x69: // i
      return 0;
    case 0x22: // "
    case 0x74: // t
      return 1;
    default:
      return 2;
  }
}

/** Decimal integers of up to 64 bits after their letter, without leading zeros: by sign, length, digits. */
function compareIntegers(a: string, b: string): number {
  const negative = a.charCodeAt(1) === 0x2d;
  if (negative !== (b.charCodeAt(1) === 0x2d)) return negative ? -1 : 1;
  const larger = a.length === b.length ? (a < b ? -1 : 1) : a.length - b.length;
  return negative ? -larger : larger;
}

/** The value's bytes in an order-keeping form: text decoded, hex as it is for blobs. */
function fieldBytes(field: string): string {
  switch (field.charCodeAt(0)) {
    case 0x22:
      return unquote(field) ?? field;
    case 0x74:
      return Buffer.from(field.slice(1), "hex").toString("latin1");
    default:
      return field;
  }
}
