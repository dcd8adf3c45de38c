import type { ColumnSchema } from "../database.ts";
import { bitBytes, columnKind } from "./column-kind.ts";
import { malformedField, unescapeField } from "./field.ts";

/** A value of a key as SQL, such that the server may use its index. */
export function keyLiteral(column: Pick<ColumnSchema, "type">, field: string): string {
  const value = unescapeField(field);
  if (value === undefined) throw malformedField(field);
  const kind = columnKind(column);
  switch (kind) {
    case "integer":
      if (!/^-?\d{1,20}$/.test(value)) throw malformedField(field);
      return value;
    case "float":
      if (!/^-?[\d.]+(?:e[+-]?\d+)?$/i.test(value)) throw malformedField(field);
      return value;
    case "hex":
      if (!/^(?:[0-9A-F]{2})*$/.test(value)) throw malformedField(field);
      // Beside a BIT, bytes would be a text.
      return bitBytes(column) === undefined ? `X'${value}'` : String(BigInt(`0x${value}`));
    default:
      return `_utf8mb4 X'${Buffer.from(value, "latin1").toString("hex")}'`;
  }
}
