import type { ColumnSchema, TableSchema } from "../database.ts";
import { type ColumnKind, columnKind } from "./column-kind.ts";
import { malformedField, textOf } from "./field.ts";
import { rowStatement } from "../row-statement.ts";
import { quoteName, quoteText } from "./identifier.ts";

/**
 * What a session must be told before it loads rows as they are: no check, no value made up for a zero. Unique keys stay checked: without
 * that, MariaDB 10.7 to 10.11 loads an empty table by sorting what comes in order already, and keeps another thread busy as long as that takes.
 */
export const loadSettings: readonly string[] = [
  "SET SESSION sql_mode='ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION'",
  "SET SESSION foreign_key_checks=0",
  "SET SESSION time_zone='+00:00'",
];

/** MariaDB alone checks CHECK constraints by a setting; MySQL's are part of the table. */
export const withoutChecks = "SET SESSION check_constraint_checks=0";

/** `LOAD DATA` of lines as they are; `file` as the client finds it. */
export function loadStatement(table: TableSchema, file: string, into = table.name): string {
  const targets: string[] = [];
  const settings: string[] = [];
  table.columns.forEach((column, at) => {
    const name = quoteName(column.name);
    const value = columnKind(column) === "hex" ? `UNHEX(@c${at})` : hasEmptyMember(column) ? noMember(`@c${at}`) : "";
    targets.push(value === "" ? name : `@c${at}`);
    if (value !== "") settings.push(`${name}=${value}`);
  });
  return (
    `LOAD DATA LOCAL INFILE ${quoteText(file)} INTO TABLE ${quoteName(into)} CHARACTER SET utf8mb4 ` +
    String.raw`FIELDS TERMINATED BY '\t' ESCAPED BY '\\' LINES TERMINATED BY '\n'` +
    ` (${targets.join(",")})${settings.length === 0 ? "" : ` SET ${settings.join(",")}`}`
  );
}

/** Whether a member of this ENUM is the empty text, which MySQL's newer collations take NUL for. */
function hasEmptyMember({ type }: ColumnSchema): boolean {
  return /^enum\(.*(?<=[(,])''(?=[,)])/is.test(type);
}

/** NUL stands for what was no member; a text longer than a member may be is none under any collation. */
function noMember(value: string): string {
  return `IF(HEX(${value})='00',REPEAT('-',300),${value})`;
}

/**
 * The same rows in an `INSERT`, for a server that takes no local files.
 * @param lines whole lines, each ended by LF
 */
export function insertStatement(table: TableSchema, lines: Buffer): string {
  const kinds = table.columns.map(columnKind);
  const rows = lines
    .toString("utf8", 0, lines.length - 1)
    .split("\n")
    .map((line) => {
      const values = line.split("\t").map((field, at) => literalOf(kinds[at], field));
      return `(${values.join(",")})`;
    });
  const names = table.columns.map(({ name }) => quoteName(name)).join(",");
  return `INSERT INTO ${quoteName(table.name)}(${names}) VALUES ${rows.join(",")}`;
}

/** A field of a line as SQL: bytes of a latin1 string. */
export function fieldLiteral(column: ColumnSchema, field: string): string {
  return literalOf(columnKind(column), Buffer.from(field, "latin1").toString("utf8"));
}

/** Lines come from a repository: what is no field of one must not end up outside of its literal. */
function literalOf(kind: ColumnKind | undefined, field: string): string {
  if (field === String.raw`\N`) return "NULL";
  if (isNoMember(kind, field)) return "0"; // its number
  if (kind === "hex") {
    if (field.length % 2 !== 0 || /[^0-9A-F]/i.test(field)) throw malformedField(field);
    return `X'${field}'`;
  }
  if (field.includes("\\") && field.replaceAll(escapes, "").includes("\\")) throw malformedField(field);
  // The escapes of a line mean the same in a text of SQL.
  return `'${field.replaceAll("'", "''")}'`;
}

/** NUL is the value of what is none of an ENUM's members. */
function isNoMember(kind: ColumnKind | undefined, field: string): boolean {
  return kind === "enum" && field === String.raw`\0`;
}

const escapes = /\\[0tnr\\]/g;

/** A row's change as a statement that the server's own client takes under any mode of SQL, be it one in which a backslash stands for itself. */
export function rowSql(table: TableSchema, before: string | undefined, after: string | undefined): string {
  const words = {
    table: ({ name }: TableSchema) => quoteName(name),
    name: quoteName,
    literal: (field: string, column: ColumnSchema) => {
      const kind = columnKind(column);
      const isText = (kind === "text" || kind === "enum") && field.includes("\\") && !isNoMember(kind, field);
      const text = isText ? textOf(field, column) : undefined;
      return text === undefined ? fieldLiteral(column, field) : quoteText(text);
    },
    beforeValues: "",
  };
  return rowStatement(words, table, before, after);
}
