import { HoldfastError } from "../../lib/errors.ts";
import type { TableSchema } from "../database.ts";
import type { PostgresConnection } from "./connection.ts";
import { sqlState } from "./failure.ts";
import { quoteQualified } from "./identifier.ts";

/**
 * A session searches nothing but the server's own schema, so that nobody who may make functions in a database can have ours taken for
 * theirs: a function whose arguments fit better is preferred, whatever is searched first. What a database's own functions name
 * without a schema they find only as in daily work, so a session searches as that does where they are called, and nowhere else.
 */
export async function withDailyPath<T>(
  session: PostgresConnection,
  work: () => Promise<T>,
  path: SearchPath = "daily",
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const state = sqlState(error instanceof HoldfastError ? error.cause : undefined);
    if (!notFound.has(state)) throw error;
    await session.search(path);
    const result = await work();
    await session.search("nothing");
    return result;
  }
}

/** A function, a table, something else, a schema. */
const notFound = new Set(["42883", "42P01", "42704", "3F000"]);

/** Tables that cannot be read without their database's own functions: the server calls those of an index as it plans. */
export async function tablesThatCall(connection: PostgresConnection): Promise<ReadonlySet<string>> {
  const rows = await connection.rows(
    `SELECT DISTINCT n.nspname, c.relname FROM pg_depend d
     JOIN (SELECT 'pg_class'::regclass AS classid, indexrelid AS objid, indrelid AS relation FROM pg_index
       UNION ALL SELECT 'pg_attrdef'::regclass, f.oid, f.adrelid FROM pg_attrdef f
       JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum AND a.attgenerated = 'v') o USING (classid, objid)
     CROSS JOIN LATERAL (SELECT o.relation UNION SELECT relid FROM pg_partition_ancestors(o.relation)) AS t(relation)
     JOIN pg_class c ON c.oid = t.relation JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid >= 16384`,
  );
  return new Set(rows.map(([schema, name]) => quoteQualified({ schema: schema ?? "", name: name ?? "" })));
}

/** What a session searches that reads a table: the text of a name of the database depends on it, and is written with its schema. */
export function searched(table: TableSchema, calling: ReadonlySet<string>): SearchPath {
  const { columns, keyLength } = table;
  // What compares values of a type of an extension lies where that does.
  const isForeign = columns.slice(0, keyLength).some(({ type }) => type.includes("."));
  if (!isForeign && !calling.has(quoteQualified(table))) return "nothing";
  const names = /^reg(class|proc|procedure|oper|operator|type|config|dictionary|collation)\b/;
  return columns.some(({ type }) => names.test(type)) ? "daily to plan" : "daily";
}

/**
 * `nothing`: every name but the server's own is written with its schema. `daily`: a function that is called for rows finds what it names
 * without one. `daily to plan`: so does one that the server calls while it plans with an index of it, and rows are written as with `nothing`.
 */
export type SearchPath = "nothing" | "daily" | "daily to plan";

/** The same query, which searches nothing any more once it is planned: its condition is looked at once, before the first row. */
export function searchingNothing(sql: string): string {
  const [, copied] = /^COPY \((.*)\) TO STDOUT$/s.exec(sql) ?? [];
  if (copied !== undefined) return `COPY (${searchingNothing(copied)}) TO STDOUT`;
  return `SELECT planned.* FROM (${sql}) AS planned WHERE (SELECT pg_catalog.set_config('search_path', '', false)) = ''`;
}
