import type { DatabaseSync } from "node:sqlite";

import { affinity } from "./affinity.ts";
import { createRealEncoder } from "./real.ts";
import { quoteName } from "./identifier.ts";

/** JSON's escape for NUL; a text that holds this very escape has a backslash more. */
const nulEscape = Buffer.from("\\u0000");

/** Whether one of the lines of a grouped read must be read by itself. */
export function needsSingles(lines: Buffer): boolean {
  return lines.includes(nulEscape);
}

/** SQL functions that the row expressions need. */
export function registerRowFunctions(connection: DatabaseSync): void {
  const encodeReal = createRealEncoder();
  connection.function("holdfast_real", { deterministic: true }, (value) =>
    typeof value === "number" ? encodeReal(value) : null,
  );
  connection.function("holdfast_utf16_text", { deterministic: true }, (bytes, bigEndian) =>
    encodeUtf16(bytes instanceof Uint8Array ? Buffer.from(bytes) : Buffer.alloc(0), bigEndian === 1),
  );
}

export type TextEncoding = "UTF-8" | "UTF-16le" | "UTF-16be";

/** A column, with its declared type where it is known, which tells what most of its values are. */
export interface LineColumn {
  readonly name: string;
  readonly type?: string;
}

/**
 * SQL that yields the line of a row, without LF, encoded by SQLite itself.
 * @param grouped do not look for unusual texts, which `needsSingles` tells: faster
 */
export function lineExpression(
  columns: readonly LineColumn[],
  encoding: TextEncoding,
  grouped: "grouped" | "single",
): string {
  return joinFields(columns.map((column) => fieldExpression(column, encoding, grouped)));
}

/** `concat_ws` takes at most 1,000 arguments and a chain of `||` is at most 1,000 deep; a table has up to 2,000 columns. */
function joinFields(fields: readonly string[]): string {
  if (fields.length === 1) return fields[0] ?? "";
  if (fields.length <= 100) return `concat_ws(char(9),${fields.join(",")})`;
  const groups: string[] = [];
  for (let at = 0; at < fields.length; at += 100) groups.push(joinFields(fields.slice(at, at + 100)));
  return joinFields(groups);
}

function fieldExpression(
  { name, type = "" }: LineColumn,
  encoding: TextEncoding,
  grouped: "grouped" | "single",
): string {
  const column = quoteName(name);
  let text: string;
  if (encoding === "UTF-8") {
    // JSON has an escape for NUL, but SQLite's shell before 3.45 ends the text there: such text goes as hex. Looking for it
    // in every value costs a fifth of all reading.
    const withNul = `iif(instr(${column},char(0)),'t'||hex(CAST(${column} AS BLOB)),json_quote(${column}))`;
    text = grouped === "grouped" ? `json_quote(${column})` : withNul;
  } else text = `holdfast_utf16_text(CAST(${column} AS BLOB),${encoding === "UTF-16be" ? 1 : 0})`;
  const cases = [`WHEN 'text' THEN ${text}`, `WHEN 'integer' THEN 'i'||${column}`];
  // What most values are is asked first.
  if (["integer", "numeric"].includes(affinity(type, false))) cases.reverse();
  return (
    `CASE typeof(${column}) ${cases.join(" ")} WHEN 'real' THEN holdfast_real(${column}) ` +
    `WHEN 'blob' THEN 'b'||hex(${column}) ELSE '\\N' END`
  );
}

/** In a UTF-16 database `CAST(line AS BLOB)` yields UTF-16. All parts of a line are valid text there. */
export function lineBytes(value: Uint8Array, encoding: TextEncoding): Buffer {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (encoding === "UTF-8") return bytes;
  return Buffer.from((encoding === "UTF-16be" ? bytes.swap16() : bytes).toString("utf16le"), "utf8");
}

function encodeUtf16(bytes: Buffer, bigEndian: boolean): string {
  if (bytes.length % 2 === 0) {
    const text = (bigEndian ? Buffer.from(bytes).swap16() : bytes).toString("utf16le");
    if (text.isWellFormed() && !text.includes("\0")) return JSON.stringify(text);
  }
  return `t${bytes.toString("hex").toUpperCase()}`;
}
