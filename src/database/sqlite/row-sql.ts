import type { DatabaseSync } from "node:sqlite";

import { createRealEncoder } from "./real.ts";
import { quoteName } from "./identifier.ts";

/** Values above this many bytes are left out of grouped reads, so that one group of rows cannot fill the memory. */
const bigValueBytes = 16_384;

/** Stands in a line for a value that a grouped read leaves out. No encoded field contains these two bytes. */
const leftOutMark = Buffer.from("\\B");

/** JSON's escape for NUL; a text that holds this very escape has a backslash more. */
const nulEscape = Buffer.from("\\u0000");

/** Whether one of the lines of a grouped read must be read by itself. */
export function needsSingles(lines: Buffer): boolean {
  return lines.includes(leftOutMark) || lines.includes(nulEscape);
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

/**
 * SQL that yields the line of a row, without LF, encoded by SQLite itself.
 * @param grouped leave big values out and do not look for unusual texts, both of which `needsSingles` tells: faster, and
 *   bounded in size
 */
export function lineExpression(
  columns: readonly string[],
  encoding: TextEncoding,
  grouped: "grouped" | "single",
): string {
  const fields = columns.map((column) => fieldExpression(quoteName(column), encoding, grouped));
  return joinFields(fields);
}

/** `concat_ws` takes at most 1,000 arguments and a chain of `||` is at most 1,000 deep; a table has up to 2,000 columns. */
function joinFields(fields: readonly string[]): string {
  if (fields.length === 1) return fields[0] ?? "";
  if (fields.length <= 100) return `concat_ws(char(9),${fields.join(",")})`;
  const groups: string[] = [];
  for (let at = 0; at < fields.length; at += 100) groups.push(joinFields(fields.slice(at, at + 100)));
  return joinFields(groups);
}

function fieldExpression(column: string, encoding: TextEncoding, grouped: "grouped" | "single"): string {
  const mark = `'${leftOutMark.toString()}'`;
  const big = `octet_length(${column})>${bigValueBytes}`;
  // JSON has an escape for NUL, but SQLite's shell before 3.45 ends the text there: such text goes as hex. Looking for it
  // in every value costs a fifth of all reading.
  const withNul = `instr(${column},char(0))`;
  const rawText = `'t'||hex(CAST(${column} AS BLOB))`;
  let text: string;
  if (encoding === "UTF-8") {
    text =
      grouped === "grouped"
        ? `iif(${big},${mark},json_quote(${column}))`
        : `iif(${withNul},${rawText},json_quote(${column}))`;
  } else {
    const bigEndian = encoding === "UTF-16be" ? 1 : 0;
    text = `holdfast_utf16_text(CAST(${column} AS BLOB),${bigEndian})`;
    if (grouped === "grouped") text = `iif(${big},${mark},${text})`;
  }
  const hex = `'b'||hex(${column})`;
  const blob = grouped === "grouped" ? `iif(${big},${mark},${hex})` : hex;
  return (
    `CASE typeof(${column}) WHEN 'text' THEN ${text} WHEN 'integer' THEN 'i'||${column} ` +
    `WHEN 'real' THEN holdfast_real(${column}) WHEN 'blob' THEN ${blob} ELSE '\\N' END`
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
