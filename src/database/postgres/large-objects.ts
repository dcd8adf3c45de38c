import type { DatabaseSchema, TableSchema } from "../database.ts";
import type { PostgresConnection } from "./connection.ts";

/**
 * Large objects are kept as rows of a table: number, place of a page, its bytes. An object without bytes has one page
 * without bytes. It is the one table of `pg_catalog` in a snapshot, and none that could be loaded by itself.
 */
const table: TableSchema = {
  schema: "pg_catalog",
  name: "pg_largeobject",
  columns: [
    { name: "loid", type: "oid", nullable: false },
    { name: "pageno", type: "bigint", nullable: false },
    { name: "data", type: "bytea", nullable: false },
  ],
  keyLength: 2,
  foreignKeys: [],
  fingerprint: "large-objects-1",
};

const pageBytes = 256 * 1024;

export function isLargeObjects({ schema, name }: TableSchema): boolean {
  return schema === table.schema && name === table.name;
}

/** The table where there are large objects; those that this user may not read are named. */
export async function largeObjectTable(
  connection: PostgresConnection,
): Promise<Pick<DatabaseSchema, "tables" | "uncovered">> {
  const readable = `(current_setting('is_superuser') = 'on' OR pg_has_role(m.lomowner, 'USAGE')
    OR EXISTS (SELECT FROM aclexplode(m.lomacl) AS g WHERE g.privilege_type = 'SELECT'
      AND (g.grantee = 0 OR pg_has_role(g.grantee, 'USAGE'))))`;
  const [row = []] = await connection.rows(
    `SELECT count(*), count(*) FILTER (WHERE NOT ${readable}), min(m.oid) FILTER (WHERE NOT ${readable})
     FROM pg_largeobject_metadata m`,
  );
  if (row[0] === "0") return { tables: [], uncovered: [] };
  const refused = Number(row[1]);
  return {
    tables: [table],
    uncovered:
      refused === 0 ? [] : [{ subject: `large object ${row[2] ?? ""} (${refused})`, reason: "large-object-rights" }],
  };
}

/** All pages in order, as COPY takes a query. Objects are looked at one by one: none is held in memory whole. */
export const largeObjectQuery = `
  SELECT m.oid, p.number, lo_get(m.oid, p.number * ${pageBytes}, ${pageBytes})
  FROM (SELECT oid, lo_lseek64(lo_open(oid, 262144), 0, 2) AS size FROM pg_largeobject_metadata ORDER BY oid) AS m
  CROSS JOIN LATERAL generate_series(0, greatest((m.size - 1) / ${pageBytes}, 0)) AS p(number)
  ORDER BY m.oid, p.number`;

/** Makes the objects from rows that lie in a table of the same columns. */
export function largeObjectsFrom(rows: string): readonly string[] {
  return [
    `SELECT count(lo_create(loid)) FROM (SELECT DISTINCT loid FROM ${rows}) AS objects`,
    `SELECT count(*) FROM (SELECT lo_put(loid, pageno * ${pageBytes}, data) FROM ${rows}) AS pages`,
  ];
}

/** What a table for such rows is made of. */
export const largeObjectColumns = "loid oid, pageno bigint, data bytea";
