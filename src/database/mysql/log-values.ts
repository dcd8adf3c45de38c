import { HoldfastError } from "../../lib/errors.ts";
import type { ColumnSchema } from "../database.ts";
import { columnKind, isConverted } from "./column-kind.ts";
import { fixedField } from "./log-fixed.ts";
import { jsonParts } from "./log-json.ts";
import { dateText, decimalBytes, decimalText, doubleSql, two } from "./log-numbers.ts";

/** How values of one column stand in the log: https://mariadb.com/docs/server/reference/clientserver-protocol/replication-protocol */
export interface LogColumn {
  readonly name: string;
  readonly type: number;
  readonly meta: number;
}

/** A field of a line, or SQL that the server writes it with. */
export type LogField = string | { readonly sql: string };

const types = {
  tiny: 1,
  short: 2,
  long: 3,
  float: 4,
  double: 5,
  longlong: 8,
  int24: 9,
  date: 10,
  year: 13,
  newdate: 14,
  varchar: 15,
  bit: 16,
  timestamp2: 17,
  datetime2: 18,
  time2: 19,
  vector: 242,
  json: 245,
  decimal: 246,
  enumeration: 247,
  set: 248,
  tinyBlob: 249,
  mediumBlob: 250,
  longBlob: 251,
  blob: 252,
  varString: 253,
  string: 254,
  geometry: 255,
} as const;

/** Whether values of such a column can be told; what is not here is kept in another form than it is read in. */
export function canFollow({ type }: ColumnSchema): boolean {
  const word = /^[a-z0-9]+/i.exec(type)?.[0]?.toLowerCase() ?? "";
  return !/\bcompressed\b/i.test(type) && !(/zerofill/i.test(type) && !isInteger(word));
}

function isInteger(word: string): boolean {
  return /^(tinyint|smallint|mediumint|int|integer|bigint|year)$/.test(word);
}

/** Bytes of the metadata of a type in a table's description. */
export function metadataBytes(type: number): number {
  switch (type) {
    case types.varchar:
    case types.bit:
    case types.decimal:
    case types.enumeration:
    case types.set:
    case types.varString:
    case types.string:
      return 2;
    case types.float:
    case types.double:
    case types.timestamp2:
    case types.datetime2:
    case types.time2:
    case types.json:
    case types.tinyBlob:
    case types.mediumBlob:
    case types.longBlob:
    case types.blob:
    case types.geometry:
    case types.vector:
      return 1;
    default:
      return 0;
  }
}

/** Reads the values of rows one after the other. */
export class ValueReader {
  readonly #bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  get isAtEnd(): boolean {
    return this.at >= this.#bytes.length;
  }

  take(length: number): Buffer {
    this.at += length;
    if (this.at > this.#bytes.length) throw new HoldfastError("internal", { reason: "log event" });
    return this.#bytes.subarray(this.at - length, this.at);
  }

  /** `column`: as the database declares it; absent: its value is passed over. */
  value({ type, meta }: LogColumn, column: ColumnSchema | undefined): LogField {
    switch (type) {
      case types.tiny:
        return this.#integer(1, column);
      case types.short:
        return this.#integer(2, column);
      case types.int24:
        return this.#integer(3, column);
      case types.long:
        return this.#integer(4, column);
      case types.longlong:
        return this.#integer(8, column);
      case types.float:
        return floating(this.take(4).readFloatLE());
      case types.double:
        return floating(this.take(8).readDoubleLE());
      case types.decimal:
        return decimalText(this.take(decimalBytes(meta & 0xff, meta >> 8)), meta & 0xff, meta >> 8);
      case types.year: {
        const year = this.take(1)[0] ?? 0;
        return year === 0 ? "0000" : String(1900 + year);
      }
      case types.date:
      case types.newdate: {
        const date = this.take(3).readUIntLE(0, 3);
        return dateText(date >> 9, (date >> 5) & 15, date & 31);
      }
      case types.timestamp2: {
        const seconds = this.take(4).readUInt32BE();
        const fraction = this.#fraction(meta);
        const text =
          seconds === 0 ? "0000-00-00 00:00:00" : new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ");
        return text + fraction;
      }
      case types.datetime2:
        return this.#datetime(meta);
      case types.time2:
        return this.#time(meta);
      case types.bit:
        return hex(this.take((meta >> 8) + ((meta & 0xff) > 0 ? 1 : 0)));
      case types.varchar:
      case types.varString:
        return this.#text(meta > 255 ? 2 : 1, column);
      case types.string:
        return this.#string(meta, column);
      case types.enumeration:
        return enumText(this.take(meta >> 8).readUIntLE(0, meta >> 8), column);
      case types.set:
        return setText(this.take(meta >> 8), column);
      case types.json:
        return this.#json(meta, column);
      case types.tinyBlob:
      case types.mediumBlob:
      case types.longBlob:
      case types.blob:
      case types.geometry:
      case types.vector:
        return this.#text(meta, column);
      default:
        throw new HoldfastError("follow-unsupported", { path: `column type ${type}` });
    }
  }

  #integer(bytes: number, column: ColumnSchema | undefined): string {
    const raw = this.take(bytes);
    const unsigned = /\bunsigned\b/i.test(column?.type ?? "");
    const text =
      bytes === 8
        ? String(unsigned ? raw.readBigUInt64LE() : raw.readBigInt64LE())
        : String(unsigned ? raw.readUIntLE(0, bytes) : raw.readIntLE(0, bytes));
    const width = /^\w+\((\d+)\).*zerofill/i.exec(column?.type ?? "")?.[1];
    return width === undefined ? text : text.padStart(Number(width), "0");
  }

  /** The digits behind the second, with their point. */
  #fraction(digits: number): string {
    if (digits === 0) return "";
    const bytes = Math.ceil(digits / 2);
    const value = this.take(bytes).readUIntBE(0, bytes);
    return `.${String(value)
      .padStart(bytes * 2, "0")
      .slice(0, digits)}`;
  }

  #datetime(digits: number): string {
    const packed = this.take(5).readUIntBE(0, 5) - 0x80_0000_0000;
    const days = Math.floor(packed / 2 ** 17);
    const clock = packed % 2 ** 17;
    const months = days >> 5;
    const date = dateText(Math.floor(months / 13), months % 13, days & 31);
    return `${date} ${two(clock >> 12)}:${two((clock >> 6) & 63)}:${two(clock & 63)}${this.#fraction(digits)}`;
  }

  #time(digits: number): string {
    const bytes = Math.ceil(digits / 2);
    const size = 3 + bytes;
    const raw = BigInt(this.take(size).readUIntBE(0, size)) - (1n << BigInt(size * 8 - 1));
    const negative = raw < 0n;
    const value = negative ? -raw : raw;
    const clock = Number(value >> BigInt(bytes * 8));
    const rest = Number(value & ((1n << BigInt(bytes * 8)) - 1n));
    const fraction =
      digits === 0
        ? ""
        : `.${String(rest)
            .padStart(bytes * 2, "0")
            .slice(0, digits)}`;
    const hours = (clock >> 12) & 1023;
    return `${negative ? "-" : ""}${two(hours)}:${two((clock >> 6) & 63)}:${two(clock & 63)}${fraction}`;
  }

  #string(meta: number, column: ColumnSchema | undefined): LogField {
    const [first, second] = [meta & 0xff, meta >> 8];
    const real = (first & 0x30) === 0x30 ? first : first | 0x30;
    const most = (first & 0x30) === 0x30 ? second : second | (((first & 0x30) ^ 0x30) << 4);
    if (real === types.enumeration) return enumText(this.take(second).readUIntLE(0, second), column);
    if (real === types.set) return setText(this.take(second), column);
    return this.#text(most > 255 ? 2 : 1, column);
  }

  /** As MySQL has it; for MariaDB it is a text. */
  #json(lengthBytes: number, column: ColumnSchema | undefined): LogField {
    const bytes = this.take(this.take(lengthBytes).readUIntLE(0, lengthBytes));
    if (column === undefined) return "";
    const parts = jsonParts(bytes);
    const [only] = parts;
    if (parts.length === 1 && typeof only === "string") return escaped(utf8Bytes(only));
    const pieces = parts.map((part) => (typeof part === "string" ? `_utf8mb4 X'${hex(Buffer.from(part))}'` : part.sql));
    return { sql: `CONCAT(${pieces.join(",")})` };
  }

  #text(lengthBytes: number, column: ColumnSchema | undefined): LogField {
    const length = this.take(lengthBytes).readUIntLE(0, lengthBytes);
    const bytes = this.take(length);
    return column === undefined ? "" : textField(bytes, column);
  }
}

/** How the server writes a number is asked of the server, unless it is whole and short. */
function floating(value: number): LogField {
  if (Number.isInteger(value) && Math.abs(value) < 1e14 && !Object.is(value, -0)) return String(value);
  return { sql: doubleSql(value) };
}

function textField(bytes: Buffer, column: ColumnSchema): LogField {
  const fixed = fixedField(bytes, column);
  if (fixed !== undefined) return fixed;
  const kind = columnKind(column);
  if (kind === "hex") {
    // The log leaves out the zeros at its end.
    const width = Number(/^binary\((\d+)\)/i.exec(column.type)?.[1] ?? 0);
    return hex(bytes).padEnd(width * 2, "0");
  }
  if (!isConverted(column)) return escaped(bytes.toString("latin1"));
  if (bytes.length === 0) return "";
  const charset = / character set (\w+) /.exec(column.type)?.[1] ?? "";
  if (!/^(ucs2|utf16|utf16le|utf32)$/.test(charset) && bytes.every((byte) => byte < 0x80)) {
    return escaped(bytes.toString("latin1"));
  }
  return { sql: `CONVERT(_${charset} X'${hex(bytes)}' USING utf8mb4)` };
}

function enumText(index: number, column: ColumnSchema | undefined): string {
  if (index === 0) return String.raw`\0`;
  return escaped(utf8Bytes(membersOf(column)[index - 1] ?? ""));
}

function setText(raw: Buffer, column: ColumnSchema | undefined): string {
  let bits = 0n;
  for (const [at, byte] of raw.entries()) bits |= BigInt(byte) << BigInt(at * 8);
  const members = membersOf(column).filter((_, at) => ((bits >> BigInt(at)) & 1n) === 1n);
  return escaped(utf8Bytes(members.join(",")));
}

/** `enum('a','b''c')` */
function membersOf(column: ColumnSchema | undefined): readonly string[] {
  return [...(column?.type ?? "").matchAll(/'((?:[^']|'')*)'/g)].map(([, member = ""]) => member.replaceAll("''", "'"));
}

function utf8Bytes(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

function hex(bytes: Buffer): string {
  return bytes.toString("hex").toUpperCase();
}

const letters: Readonly<Record<string, string>> = { "\0": "\\0", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\" };

/** As lines have it; a latin1 string of bytes. */
export function escaped(value: string): string {
  return value.replaceAll(/[\0\t\n\r\\]/g, (one) => letters[one] ?? one);
}
