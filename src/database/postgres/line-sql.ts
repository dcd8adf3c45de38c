import type { ColumnSchema, TableSchema } from "../database.ts";
import { quoteName } from "./identifier.ts";

/** Types whose text holds neither a backslash nor a control character. */
const plainTypes =
  /^(smallint|integer|bigint|oid|numeric|real|double precision|money|boolean|date|time|timestamp|interval|uuid|inet|cidr|macaddr8?|bit|pg_lsn|xid8?)\b[^[\]]*$/;
/** Types that are text already; `character(n)` is not: as text it loses its blanks. */
const textTypes = /^(text|character varying(\(\d+\))?)$/;

/** A function takes at most a hundred arguments, of which a field is one or two; a table has up to 1,600 columns. */
const mostFields = 45;

/** Whether any text has a backslash that must be doubled: to look for one in each takes a third of the time of all. */
export type Backslashes = "possible" | "none";

/**
 * SQL for the text that `rowHash` hashes: the fields of a line separated by TAB, backslashes doubled, NULL as `\N`.
 * `concat` writes a value as COPY does; a cast to text would not (`true` for `t`).
 */
export function lineSql(columns: readonly ColumnSchema[], backslashes: Backslashes = "possible"): string {
  return joined(columns.map((column) => fieldSql(column, backslashes)));
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
  if (fields.length <= mostFields) return `concat_ws(E'\\t',${fields.join(",")})`;
  const groups: string[] = [];
  for (let at = 0; at < fields.length; at += mostFields) groups.push(joined(fields.slice(at, at + mostFields)));
  return joined(groups);
}

/** By bytes, since a collation may be one in which nothing can be searched for. */
function fieldSql({ name, type, nullable }: ColumnSchema, backslashes: Backslashes): string {
  const column = quoteName(name);
  if (!plainTypes.test(type) && !textTypes.test(type)) {
    const text = `replace(concat(${column}) COLLATE "C",'\\','\\\\')`;
    return nullable ? `CASE WHEN ${column} IS NULL THEN '\\N' ELSE ${text} END` : text;
  }
  const isDoubled = textTypes.test(type) && backslashes === "possible";
  const value = isDoubled ? `replace(${column} COLLATE "C",'\\','\\\\')` : column;
  if (!nullable) return value;
  // What is NULL is passed over, so one of the two is there. A text that would look like NULL is made another one.
  const mistaken = textTypes.test(type) && !isDoubled ? ` WHEN ${column} COLLATE "C" = '\\N' THEN '\\\\'` : "";
  return `${value},CASE WHEN ${column} IS NULL THEN '\\N'${mistaken} END`;
}
