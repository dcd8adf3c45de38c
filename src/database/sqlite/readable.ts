import type { ColumnSchema } from "../database.ts";
import { affinity } from "./affinity.ts";
import { decodeField } from "./field.ts";
import { createRealEncoder } from "./real.ts";

/** The value of a field that is valid text. */
export function textOf(field: string): string | undefined {
  const decoded = decodeField(field);
  return decoded.type === "text" ? decoded.value : undefined;
}

/** A field as a person reads it: text and numbers as they are, what is no text as `x'…'`, NULL as `null`. */
export function readable(field: string): string | null {
  const decoded = decodeField(field);
  switch (decoded.type) {
    case "null":
      return null;
    case "integer":
    case "real":
    case "text":
      return String(decoded.value);
    default:
      return `x'${decoded.bytes.toString("hex")}'`;
  }
}

/** A value as SQLite would store it in a column of this type: where any class may stand, digits alone are a number. */
export function lineField(text: string | null, { type }: Pick<ColumnSchema, "type">): string {
  if (text === null) return "\\N";
  const kind = affinity(type, false);
  const hex = /^x'((?:[0-9a-f]{2})*)'$/i.exec(text)?.[1];
  if (hex !== undefined && kind !== "text") return `b${hex.toUpperCase()}`;
  if (kind !== "text" && kind !== "real" && isInteger(text)) return `i${BigInt(text)}`;
  const isNumber = kind !== "text" && text.trim() !== "" && Number.isFinite(Number(text));
  if (isNumber && (kind !== "blob" || text === String(Number(text)))) return createRealEncoder()(Number(text));
  if (text.includes("\0")) return `t${Buffer.from(text, "utf8").toString("hex").toUpperCase()}`;
  return Buffer.from(JSON.stringify(text), "utf8").toString("latin1");
}

function isInteger(text: string): boolean {
  return /^-?(?:0|[1-9]\d{0,18})$/.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text);
}
