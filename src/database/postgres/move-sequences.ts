import type { TableSchema } from "../database.ts";
import type { PostgresConnection } from "./connection.ts";
import { quoteName, quoteQualified, quoteText } from "./identifier.ts";

/**
 * Sequences whose numbers are defaults of the table's columns, or their identities, which partitions have of the table that they are of.
 * They move onward only.
 */
export async function moveSequences(connection: PostgresConnection, table: TableSchema): Promise<void> {
  const found = await connection.rows(
    `SELECT DISTINCT a.attname, s.oid::regclass::text, q.seqincrement > 0, q.seqmin, q.seqmax FROM pg_depend d
       JOIN pg_class s ON s.relkind = 'S' AND s.oid = CASE d.classid WHEN 'pg_class'::regclass THEN d.objid ELSE d.refobjid END
       LEFT JOIN pg_attrdef f ON d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid
       JOIN pg_attribute a ON a.attrelid IN (SELECT $1::regclass UNION SELECT pg_catalog.pg_partition_ancestors($1::regclass))
         AND (a.attrelid, a.attnum) = (coalesce(f.adrelid, d.refobjid), coalesce(f.adnum, d.refobjsubid))
       JOIN pg_sequence q ON q.seqrelid = s.oid JOIN pg_type t ON t.oid = a.atttypid AND coalesce(nullif(t.typbasetype, 0), t.oid)::regtype::text
         IN ('smallint', 'integer', 'bigint', 'numeric')
       WHERE (d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass)
          OR (d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i'))`,
    [quoteQualified(table)],
  );
  for (const [column, sequence, upward, least, most] of found) {
    const [farthest, beyond] = upward === "t" ? ["max", ">"] : ["min", "<"];
    await connection.run(
      `SELECT pg_catalog.setval(${quoteText(sequence ?? "")}::regclass, trunc(m.far)::bigint)
         FROM (SELECT ${farthest}(${quoteName(column ?? "")})::numeric AS far FROM ONLY ${quoteQualified(table)}) AS m, ${sequence} AS s
         WHERE m.far BETWEEN ${least} AND ${most}
           AND (m.far ${beyond} s.last_value OR (m.far = s.last_value AND NOT s.is_called))`,
      `${table.schema}.${table.name}`,
    );
  }
}
