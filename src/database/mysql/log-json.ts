import { HoldfastError } from "../../lib/errors.ts";
import { decimalText, doubleSql, packedTime } from "./log-numbers.ts";

/**
 * JSON as MySQL keeps it and its log has it, as the text that the server makes of it:
 * https://dev.mysql.com/doc/dev/mysql-server/latest/json__binary_8h.html. What only the server knows how to write, a number with
 * an exponent, is SQL.
 */
export type JsonPart = string | { readonly sql: string };

const kinds = {
  smallObject: 0,
  largeObject: 1,
  smallArray: 2,
  largeArray: 3,
  literal: 4,
  int16: 5,
  uint16: 6,
  int32: 7,
  uint32: 8,
  int64: 9,
  uint64: 10,
  double: 11,
  text: 12,
  opaque: 15,
} as const;

const literals = ["null", "true", "false"];

/** Types of columns that a value may be of, which JSON has not. */
const opaque = { timestamp: 7, date: 10, time: 11, datetime: 12, decimal: 246 } as const;

/** A JSON document in pieces of UTF-8 text; no bytes at all are what is left of one that was NULL before its column was not. */
export function jsonParts(bytes: Buffer): readonly JsonPart[] {
  const parts: JsonPart[] = [];
  if (bytes.length === 0) return ["null"];
  write(bytes, bytes[0] ?? 0, 1, parts);
  // Of neighbours that are texts, one.
  return parts.reduce<JsonPart[]>((joined, part) => {
    const last = joined.at(-1);
    if (typeof last === "string" && typeof part === "string") joined[joined.length - 1] = last + part;
    else joined.push(part);
    return joined;
  }, []);
}

function write(bytes: Buffer, kind: number, at: number, parts: JsonPart[]): void {
  switch (kind) {
    case kinds.smallObject:
    case kinds.largeObject:
    case kinds.smallArray:
    case kinds.largeArray:
      return writeMembers(bytes, kind, at, parts);
    case kinds.literal:
      return void parts.push(literals[bytes[at] ?? 0] ?? "null");
    case kinds.int16:
      return void parts.push(String(bytes.readInt16LE(at)));
    case kinds.uint16:
      return void parts.push(String(bytes.readUInt16LE(at)));
    case kinds.int32:
      return void parts.push(String(bytes.readInt32LE(at)));
    case kinds.uint32:
      return void parts.push(String(bytes.readUInt32LE(at)));
    case kinds.int64:
      return void parts.push(String(bytes.readBigInt64LE(at)));
    case kinds.uint64:
      return void parts.push(String(bytes.readBigUInt64LE(at)));
    case kinds.double:
      return void parts.push({ sql: `CAST(${doubleSql(bytes.readDoubleLE(at))} AS JSON)` });
    case kinds.text:
      return void parts.push(quoted(lengthened(bytes, at).toString("utf8")));
    case kinds.opaque:
      return void parts.push(opaqueText(bytes[at] ?? 0, lengthened(bytes, at + 1)));
    default:
      throw new HoldfastError("follow-unsupported", { path: `JSON ${kind}` });
  }
}

/** Of an object or an array: how many, how long all is, where each name is and each value. Places count from `start`. */
function writeMembers(bytes: Buffer, kind: number, start: number, parts: JsonPart[]): void {
  const isObject = kind === kinds.smallObject || kind === kinds.largeObject;
  const isLarge = kind === kinds.largeObject || kind === kinds.largeArray;
  const width = isLarge ? 4 : 2;
  const number = (at: number): number => bytes.readUIntLE(start + at, width);
  const count = number(0);
  const names = 2 * width;
  const values = names + (isObject ? count * (width + 2) : 0);
  parts.push(isObject ? "{" : "[");
  for (let member = 0; member < count; member++) {
    if (member > 0) parts.push(", ");
    if (isObject) {
      const name = names + member * (width + 2);
      const from = start + number(name);
      parts.push(`${quoted(bytes.toString("utf8", from, from + bytes.readUInt16LE(start + name + width)))}: `);
    }
    const value = values + member * (width + 1);
    const of = bytes[start + value] ?? 0;
    write(bytes, of, isShort(of, isLarge) ? start + value + 1 : start + number(value + 1), parts);
  }
  parts.push(isObject ? "}" : "]");
}

/** Whether such a value stands where its place would. */
function isShort(kind: number, isLarge: boolean): boolean {
  if (kind === kinds.literal || kind === kinds.int16 || kind === kinds.uint16) return true;
  return isLarge && (kind === kinds.int32 || kind === kinds.uint32);
}

/** Bytes behind their length, of which each byte has seven bits and the last one no eighth. */
function lengthened(bytes: Buffer, at: number): Buffer {
  let length = 0;
  let shift = 0;
  for (;;) {
    const byte = bytes[at++] ?? 0;
    length += (byte & 0x7f) * 2 ** shift;
    shift += 7;
    if (byte < 0x80) return bytes.subarray(at, at + length);
  }
}

function opaqueText(type: number, bytes: Buffer): JsonPart {
  switch (type) {
    case opaque.decimal:
      // As it is read (`line-sql.ts`).
      return { sql: `CAST('${decimalText(bytes.subarray(2), bytes[0] ?? 0, bytes[1] ?? 0)}' AS JSON)` };
    case opaque.date:
      return quoted(packedTime(bytes.readBigInt64LE()).slice(0, 10));
    case opaque.datetime:
    case opaque.timestamp:
      return quoted(packedTime(bytes.readBigInt64LE()));
    case opaque.time:
      return quoted(packedTime(bytes.readBigInt64LE(), "time"));
    default:
      return quoted(`base64:type${type}:${bytes.toString("base64")}`);
  }
}

const escapes: Readonly<Record<string, string>> = {
  '"': String.raw`\"`,
  "\\": String.raw`\\`,
  "\b": String.raw`\b`,
  "\f": String.raw`\f`,
  "\n": String.raw`\n`,
  "\r": String.raw`\r`,
  "\t": String.raw`\t`,
};

function quoted(text: string): string {
  // oxlint-disable-next-line no-control-regex -- those are what JSON escapes
  const inside = text.replaceAll(/["\\\u0000-\u001f]/g, (one) => {
    return escapes[one] ?? `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
  return `"${inside}"`;
}
