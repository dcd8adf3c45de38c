import type { DatabaseFindings } from "../database.ts";
import type { PostgresConnection, Row } from "./connection.ts";
import { quoteName, quoteQualified } from "./identifier.ts";

/**
 * Rows that refer to rows that are not there, by our own comparison: a foreign key that says it is valid may have been
 * filled while nobody looked (`session_replication_role`). Of a database that was just loaded, the server has compared those
 * that are valid, when it added them behind the rows. What a server keeps in its files is for its own tools.
 */
export async function checkPostgres(connection: PostgresConnection, what?: "loaded"): Promise<DatabaseFindings> {
  const names = (table: string, numbers: string) =>
    `(SELECT json_agg(a.attname ORDER BY k.place) FROM unnest(${numbers}) WITH ORDINALITY AS k(number, place)
      JOIN pg_attribute a ON a.attrelid = ${table} AND a.attnum = k.number)`;
  const keys = await connection.rows(
    `SELECT cn.nspname, c.relname, ${names("o.conrelid", "o.conkey")}, pn.nspname, p.relname, ${names("o.confrelid", "o.confkey")},
       o.confmatchtype
     FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace
     JOIN pg_class p ON p.oid = o.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
     WHERE o.contype = 'f' AND o.conparentid = 0${what === "loaded" ? " AND NOT o.convalidated" : ""} ORDER BY o.oid`,
  );
  await connection.search("daily");
  const orphans: string[] = [];
  for (const key of keys) {
    const [, child, , , parent] = key;
    const count = Number(await connection.value(antiJoin(key), [], child ?? ""));
    if (count > 0) orphans.push(`${child} -> ${parent}: ${count}`);
  }
  return { damage: [], orphans };
}

function antiJoin([childSchema, child, childColumns, parentSchema, parent, parentColumns, match]: Row): string {
  const from = (JSON.parse(childColumns ?? "[]") as string[]).map((name) => `c.${quoteName(name)}`);
  const to = (JSON.parse(parentColumns ?? "[]") as string[]).map((name) => `p.${quoteName(name)}`);
  // MATCH SIMPLE lets a reference be absent when any of its columns is; MATCH FULL when all are.
  const refers = from.map((column) => `${column} IS NOT NULL`).join(match === "f" ? " OR " : " AND ");
  const same = from.map((column, at) => `${column} = ${to[at] ?? ""}`).join(" AND ");
  return (
    `SELECT count(*) FROM ${quoteQualified({ schema: childSchema ?? "", name: child ?? "" })} c WHERE (${refers}) ` +
    `AND NOT EXISTS (SELECT FROM ${quoteQualified({ schema: parentSchema ?? "", name: parent ?? "" })} p WHERE ${same})`
  );
}
