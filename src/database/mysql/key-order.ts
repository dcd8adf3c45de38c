import type { RowKey, TableSchema } from "../database.ts";
import { columnKind } from "./column-kind.ts";
import { unescapeField } from "./field.ts";

/** Columns in turn: integers by value, all else by the bytes of what the field stands for. */
export function keyOrder({ columns, keyLength }: TableSchema): (a: RowKey, b: RowKey) => number {
  const isInteger = columns.slice(0, keyLength).map((column) => columnKind(column) === "integer");
  if (keyLength === 1) return isInteger[0] === true ? compareIntegers : compareTexts;
  return (a, b) => {
    const left = a.split("\t");
    const right = b.split("\t");
    for (let at = 0; at < keyLength; at++) {
      const compare = isInteger[at] === true ? compareIntegers : compareTexts;
      const order = compare(left[at] ?? "", right[at] ?? "");
      if (order !== 0) return order;
    }
    return 0;
  };
}

/** Decimal numbers by value; the same value in other digits (`007`) by its text, so that only equal bytes are equal. */
function compareIntegers(a: string, b: string): number {
  if (a === b) return 0;
  if (a.length <= 15 && b.length <= 15) {
    const difference = Number(a) - Number(b);
    if (difference !== 0 && !Number.isNaN(difference)) return difference;
  } else if (/^-?\d+$/.test(a) && /^-?\d+$/.test(b)) {
    const left = BigInt(a);
    const right = BigInt(b);
    if (left !== right) return left < right ? -1 : 1;
  }
  return a < b ? -1 : 1;
}

function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  const left = a.includes("\\") ? (unescapeField(a) ?? "") : a;
  const right = b.includes("\\") ? (unescapeField(b) ?? "") : b;
  return left < right ? -1 : left > right ? 1 : a < b ? -1 : 1;
}
