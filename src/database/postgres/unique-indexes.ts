import type { TableSchema } from "../database.ts";
import type { ComparedColumns } from "../row-transaction.ts";
import type { PostgresConnection } from "./connection.ts";
import { quoteName, quoteQualified } from "./identifier.ts";

/** One value of an index: a column, or what is computed of some. */
interface IndexPart {
  readonly name: string;
  readonly kind: "stored" | "generated" | "expression";
  readonly type: string;
  readonly collation: string | null;
}

/** Values that no two rows of a table may share: of columns, of expressions, among all rows or some. */
export async function uniqueIndexes(
  connection: PostgresConnection,
  table: TableSchema,
): Promise<readonly ComparedColumns[]> {
  // Servers before 15 have no column `indnullsnotdistinct`.
  const rows = await connection.rows(
    `SELECT k.parts, k.uses, pg_get_expr(i.indpred, i.indrelid), to_jsonb(i) ->> 'indnullsnotdistinct'
     FROM pg_index i CROSS JOIN LATERAL (
       SELECT json_agg(json_build_object(
           'name', coalesce(a.attname, pg_get_indexdef(i.indexrelid, k.place::int, true)),
           'kind', CASE WHEN a.attname IS NULL THEN 'expression' WHEN a.attgenerated <> '' THEN 'generated' ELSE 'stored' END,
           'type', format_type(t.atttypid, t.atttypmod),
           'collation', CASE WHEN k.coll <> coalesce(a.attcollation, 0) THEN format('%I.%I', n.nspname, c.collname) END)
           ORDER BY k.place),
         (SELECT json_agg(DISTINCT u.attname) FROM pg_depend d JOIN pg_attribute u ON (u.attrelid, u.attnum) = (d.refobjid, d.refobjsubid)
          LEFT JOIN pg_attrdef f ON f.adrelid = i.indrelid AND f.adnum = ANY (i.indkey)
          WHERE d.refobjid = i.indrelid AND ((d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid)
            OR (d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid))) AS uses
       FROM unnest(i.indkey::int2[], i.indcollation::oid[]) WITH ORDINALITY AS k(number, coll, place)
       JOIN pg_attribute t ON t.attrelid = i.indexrelid AND t.attnum = k.place
       LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number AND k.number > 0
       LEFT JOIN pg_collation c ON c.oid = k.coll LEFT JOIN pg_namespace n ON n.oid = c.collnamespace
       WHERE k.place <= i.indnkeyatts) AS k(parts, uses)
     WHERE i.indrelid = $1::regclass AND i.indisunique`,
    [quoteQualified(table)],
  );
  return rows.map(([parts, uses, where, nulls]) => {
    const all = JSON.parse(parts ?? "[]") as IndexPart[];
    const collations = all.map(({ collation }) => collation ?? undefined);
    const by = all.map(({ name, kind, type }) => ({ name: kind === "expression" ? name : quoteName(name), type }));
    return {
      columns: all.map(({ name }) => name),
      ...(collations.some((one) => one !== undefined) && { collations }),
      ...(typeof where === "string" && { where }),
      ...(all.some(({ kind }) => kind !== "stored") && {
        computed: { by, uses: JSON.parse(uses ?? "[]") as string[] },
      }),
      ...(nulls === "true" && { nulls: "equal" as const }),
    };
  });
}

/** Columns that the server computes, and by what. */
export async function generatedColumns(
  connection: PostgresConnection,
  table: TableSchema,
): Promise<readonly { readonly name: string; readonly by: string }[]> {
  const rows = await connection.rows(
    `SELECT a.attname, pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute a
     JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
     WHERE a.attrelid = $1::regclass AND a.attgenerated <> '' AND NOT a.attisdropped`,
    [quoteQualified(table)],
  );
  return rows.map(([name, by]) => ({ name: name ?? "", by: by ?? "NULL" }));
}
