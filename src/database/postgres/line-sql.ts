import type { ColumnSchema, TableSchema } from "../database.ts";
import { quoteName } from "./identifier.ts";

/** Types whose text holds neither a backslash nor a control character. */
const plainTypes =
  /^(smallint|integer|bigint|oid|numeric|real|double precision|money|boolean|date|time|timestamp|interval|uuid|inet|cidr|macaddr8?|bit|pg_lsn|xid8?)\b[^[\]]*$/;
/** Types that are text already; `character(n)` is not: as text it loses its blanks. */
const textTypes = /^(text|character varying(\(\d+\))?)$/;

/** A function takes at most a hundred arguments; a table has up to 1,600 columns. */
const mostArguments = 90;

/**
 * SQL for the text that `rowHash` hashes: the fields of a line separated by TAB, backslashes doubled, NULL as `\N`.
 * `concat` writes a value as COPY does; a cast to text would not (`true` for `t`).
 */
export function lineSql(columns: readonly ColumnSchema[]): string {
  return joined(columns.map(fieldSql));
}

/** `\t`-separated key and whole line of a table, as one hash each. */
export function hashSql(line: string): string {
  return `hashtextextended((${line}) COLLATE "C", 0)`;
}

export function keyLineSql({ columns, keyLength }: TableSchema): string {
  return lineSql(columns.slice(0, keyLength));
}

function joined(fields: readonly string[]): string {
  if (fields.length === 0) return "''";
  if (fields.length <= mostArguments) return `concat_ws(E'\\t',${fields.join(",")})`;
  const groups: string[] = [];
  for (let at = 0; at < fields.length; at += mostArguments) groups.push(joined(fields.slice(at, at + mostArguments)));
  return joined(groups);
}

function fieldSql({ name, type, nullable }: ColumnSchema): string {
  const column = quoteName(name);
  const plain = plainTypes.test(type);
  const value = textTypes.test(type) ? column : `concat(${column})`;
  const text = plain ? value : `replace(${value},'\\','\\\\')`;
  if (!nullable) return plain ? column : text;
  return `CASE WHEN ${column} IS NULL THEN '\\N' ELSE ${text} END`;
}
