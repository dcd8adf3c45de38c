import type { ColumnSchema } from "../database.ts";

/**
 * How the values of a column stand in a line. It follows from the type alone, as `inspect.ts` writes it:
 * `int(11) unsigned`, `varchar(20) character set latin1 collate latin1_bin`.
 *
 * - `integer`, `plain`: the server's text, which holds nothing to escape.
 * - `float`: the shortest decimal that gives the same 64 bits. A FLOAT is written as the DOUBLE that it is, since the
 *   server itself writes only six digits of it.
 * - `text`: UTF-8.
 * - `enum`: likewise; NUL is the value that the server keeps for what was no member.
 * - `hex`: bytes in hexadecimal: binary, BIT, geometry, and text in a character set that UTF-8 does not give back exactly.
 */
export type ColumnKind = "integer" | "plain" | "float" | "text" | "enum" | "hex";

/** Character sets whose bytes are UTF-8 already. */
const sameBytes = new Set(["utf8mb4", "utf8mb3", "utf8", "ascii"]);

/** Character sets of one byte a character of which each byte comes back from UTF-8 as it was: `round-trip.test.ts` asks a server. */
export const convertibleBytes = [
  "latin1",
  "latin2",
  "latin5",
  "latin7",
  "koi8r",
  "koi8u",
  "cp850",
  "cp852",
  "cp866",
  "macroman",
];

/** Character sets that hold the same characters as UTF-8. */
const unicode = ["ucs2", "utf16", "utf16le", "utf32"];

const convertible = new Set([...convertibleBytes, ...unicode]);

const integers = new Set(["tinyint", "smallint", "mediumint", "int", "integer", "bigint", "year"]);
const plain = new Set(["decimal", "numeric", "date", "time", "datetime", "timestamp", "uuid", "inet4", "inet6"]);

export function columnKind({ type }: Pick<ColumnSchema, "type">): ColumnKind {
  const word = /^[a-z0-9]+/i.exec(type)?.[0]?.toLowerCase() ?? "";
  if (integers.has(word)) return "integer";
  if (plain.has(word)) return "plain";
  if (word === "float" || word === "double" || word === "real") return "float";
  if (word === "json") return "text";
  const charset = charsetOf(type);
  if (charset === undefined || !(sameBytes.has(charset) || convertible.has(charset))) return "hex";
  return word === "enum" ? "enum" : "text";
}

/** What web standards call the character set of a text whose bytes stand in hexadecimal; `undefined` where they have no name for it. */
export function encodingOf({ type }: Pick<ColumnSchema, "type">): string | undefined {
  return encodings[charsetOf(type) ?? ""];
}

const encodings: Readonly<Record<string, string>> = {
  ...{ gbk: "gbk", gb2312: "gbk", gb18030: "gb18030", big5: "big5" },
  ...{ sjis: "shift_jis", cp932: "shift_jis", ujis: "euc-jp", eucjpms: "euc-jp", euckr: "euc-kr" },
  ...{ cp1250: "windows-1250", cp1251: "windows-1251", cp1256: "windows-1256", cp1257: "windows-1257" },
  ...{ greek: "iso-8859-7", hebrew: "iso-8859-8", tis620: "windows-874" },
};

/** Whether a text must be converted to be UTF-8. */
export function isConverted({ type }: Pick<ColumnSchema, "type">): boolean {
  const charset = charsetOf(type);
  return charset !== undefined && !sameBytes.has(charset);
}

/** Bytes of a BIT column. */
export function bitBytes({ type }: Pick<ColumnSchema, "type">): number | undefined {
  const bits = /^bit\((\d+)\)/i.exec(type)?.[1];
  return bits === undefined ? undefined : Math.ceil(Number(bits) / 8);
}

function charsetOf(type: string): string | undefined {
  return / character set (\w+) collate \w+$/.exec(type)?.[1];
}
