import type { RowKey, TableSchema } from "../database.ts";
import { unescaped } from "./field.ts";

type Order = (a: string, b: string) => number;

const integers = /^(smallint|integer|bigint|oid)$/;

/**
 * Column by column: integers by value, everything else by the bytes of its text, whatever the database's own order: where
 * that is another one (a collation, numbers with decimals), the rows are sorted on our side.
 */
export function keyOrder(table: TableSchema): (a: RowKey, b: RowKey) => number {
  const orders = table.columns.slice(0, table.keyLength).map(({ type }) => (integers.test(type) ? byValue : byBytes));
  const [only] = orders;
  if (only && orders.length === 1) return only;
  return (a, b) => {
    const left = a.split("\t");
    const right = b.split("\t");
    for (const [index, order] of orders.entries()) {
      const step = order(left[index] ?? "", right[index] ?? "");
      if (step !== 0) return step;
    }
    return left.length - right.length;
  };
}

/** Decimal integers without leading zeros: by sign, length, digits. */
const byValue: Order = (a, b) => {
  if (a === b) return 0;
  const negative = a.charCodeAt(0) === 0x2d;
  if (negative !== (b.charCodeAt(0) === 0x2d)) return negative ? -1 : 1;
  const larger = a.length === b.length ? (a < b ? -1 : 1) : a.length - b.length;
  return negative ? -larger : larger;
};

const byBytes: Order = (a, b) => {
  if (a === b) return 0;
  const [left, right] = a.includes("\\") || b.includes("\\") ? [unescaped(a), unescaped(b)] : [a, b];
  if (left === right) return a < b ? -1 : 1;
  return left < right ? -1 : 1;
};
