import { HoldfastError } from "../../lib/errors.ts";
import type { ColumnSchema } from "../database.ts";
import { fittedValue } from "../fitted-value.ts";
import { columnKind, encodingOf } from "./column-kind.ts";
import { decodeLegacy, encodeLegacy } from "./legacy-text.ts";

/**
 * Fields of a line, as `LOAD DATA … FIELDS ESCAPED BY '\\'` takes them: `\N` is NULL, and `\0`, `\t`, `\n`, `\r` and `\\`
 * stand for NUL, TAB, LF, CR and the backslash.
 */
const letters: Readonly<Record<string, string>> = { "0": "\0", t: "\t", n: "\n", r: "\r", "\\": "\\" };

/** The bytes of a field as a latin1 string; `undefined` is NULL. */
export function unescapeField(field: string): string | undefined {
  if (!field.includes("\\")) return field;
  if (field === "\\N") return undefined;
  return field.replaceAll(/\\(.?)/gs, (_, letter: string) => {
    const byte = letters[letter];
    if (byte === undefined) throw malformedField(field);
    return byte;
  });
}

export function malformedField(field: string): HoldfastError {
  return new HoldfastError("restore-mismatch", { reason: "malformed field", subject: field.slice(0, 20) });
}

/** The value of a field that is valid text. */
export function textOf(field: string, column: ColumnSchema): string | undefined {
  const kind = columnKind(column);
  if (kind === "hex") return decodedText(field, column);
  if (kind !== "text" && kind !== "enum") return undefined;
  const value = unescapeField(field);
  if (value === undefined) return undefined;
  const bytes = Buffer.from(value, "latin1");
  const text = bytes.toString("utf8");
  return Buffer.from(text, "utf8").equals(bytes) ? text : undefined;
}

/** Of a character set that UTF-8 does not give back exactly: good enough to be read. */
function decodedText(field: string, column: ColumnSchema): string | undefined {
  const encoding = field === "\\N" ? undefined : encodingOf(column);
  return encoding === undefined ? undefined : decodeLegacy(Buffer.from(field, "hex"), encoding);
}

export function searchable(column: ColumnSchema): "text" | "number" | "coded" | "nothing" {
  const kind = columnKind(column);
  if (kind === "text" || kind === "enum") return "text";
  if (kind === "hex" && encodingOf(column) !== undefined) return "coded";
  return kind === "integer" ? "number" : "nothing";
}

/** A field as a person reads it. */
export function readable(field: string, column: ColumnSchema): string | null {
  const value = unescapeField(field);
  if (value === undefined) return null;
  if (columnKind(column) !== "hex") return Buffer.from(value, "latin1").toString("utf8");
  const text = decodedText(field, column);
  const isSame =
    text !== undefined && !typedHex.test(text) && legacyBytes(text, column)?.equals(Buffer.from(value, "hex")) === true;
  return isSame ? text : `x'${value.toLowerCase()}'`;
}

/** The bytes of a text in a column's own character set; `undefined` where they are not known, or it has none. */
function legacyBytes(text: string, column: ColumnSchema): Buffer | undefined {
  const encoding = encodingOf(column);
  return encoding === undefined ? undefined : encodeLegacy(text, encoding);
}

/** As `fittedValue`, and in the column's character set. */
export function fitted(text: string, column: ColumnSchema): string | undefined {
  const value = fittedValue(text, column);
  const isText = columnKind(column) === "hex" && encodingOf(column) !== undefined;
  return isText && value !== undefined && legacyBytes(value, column) === undefined ? undefined : value;
}

/** Bytes as people read and write them; a text that looks so is shown like this, too. */
const typedHex = /^x'((?:[0-9a-f]{2})*)'$/i;

/** A value as a line holds it. */
export function lineField(text: string | null, column: ColumnSchema): string {
  if (text === null) return "\\N";
  if (columnKind(column) === "hex") {
    const typed = typedHex.exec(text)?.[1];
    const hex = typed ?? (legacyBytes(text, column) ?? Buffer.from(text, "utf8")).toString("hex");
    return hex.toUpperCase();
  }
  const bytes = Buffer.from(text, "utf8").toString("latin1");
  return bytes.replaceAll(/[\0\t\n\r\\]/g, (byte) => `\\${byteLetters[byte] ?? byte}`);
}

const byteLetters: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(letters).map(([letter, byte]) => [byte, letter]),
);
