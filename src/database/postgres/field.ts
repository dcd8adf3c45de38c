import { isUtf8 } from "node:buffer";

import type { ColumnSchema } from "../database.ts";

/**
 * A field of a line is a field of PostgreSQL's COPY in text format: `\N` is NULL, `\b \f \n \r \t \v \\` stand for one
 * character each, every other byte for itself. What the text means, the column's type says.
 */
const escapes: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" };

/** The value's bytes as a latin1 string. */
export function unescaped(field: string): string {
  return field.includes("\\") ? field.replaceAll(/\\(.)/gs, (_, letter: string) => escapes[letter] ?? letter) : field;
}

/** For a person: text and numbers as they are, binary as `x'…'`, NULL as `null`. */
export function readable(field: string, column: ColumnSchema): string | null {
  if (field === "\\N") return null;
  const value = unescaped(field);
  if (column.type === "bytea") return `x'${value.slice(2)}'`;
  return Buffer.from(value, "latin1").toString("utf8");
}

const noText =
  /^(smallint|integer|bigint|oid|numeric|real|double precision|money|boolean|bytea|date|time|timestamp|interval|bit)\b/;

export function searchable({ type }: ColumnSchema): "text" | "number" | "nothing" {
  if (type.endsWith("[]")) return "nothing";
  if (/^(smallint|integer|bigint|oid)$/.test(type)) return "number";
  return noText.test(type) ? "nothing" : "text";
}

export function textOf(field: string, column: ColumnSchema): string | undefined {
  if (field === "\\N" || noText.test(column.type) || column.type.endsWith("[]")) return undefined;
  const bytes = Buffer.from(unescaped(field), "latin1");
  return isUtf8(bytes) ? bytes.toString("utf8") : undefined;
}

const letters: Readonly<Record<string, string>> = Object.fromEntries(
  [...Object.entries(escapes), ["\\", "\\"] as const].map(([letter, character]) => [character, `\\${letter}`]),
);

/** A value as `COPY` writes it. */
export function lineField(text: string | null, { type }: Pick<ColumnSchema, "type">): string {
  if (text === null) return "\\N";
  const hex = type === "bytea" ? /^x'((?:[0-9a-f]{2})*)'$/i.exec(text)?.[1] : undefined;
  const value = hex === undefined ? text : `\\x${hex.toLowerCase()}`;
  const bytes = Buffer.from(value, "utf8").toString("latin1");
  return bytes.replaceAll(/[\b\f\n\r\t\v\\]/g, (character) => letters[character] ?? character);
}
