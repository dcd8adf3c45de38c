import type { PostgresConnection } from "./connection.ts";

/** A thing that is made before the rows. */
export interface Definition {
  /** `pg_class 16385`: as `pg_depend` names it. */
  readonly id: string;
  /** Among things that do not depend on each other, the lower first. */
  readonly rank: number;
  readonly statements: readonly string[];
}

/** From this rank on, a thing may have to be made after the keys: views. */
export const lateRank = 8;

/** `n` is the schema. */
export const own = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'";
/** Not an extension's, and not part of something else: a range type makes its own functions. */
export const noExtension = (catalog: string, oid: string) =>
  `NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = '${catalog}'::regclass AND d.objid = ${oid} AND d.deptype IN ('e', 'i'))`;

/** Schemas, extensions, collations, types, domains and routines, from the catalog. */
export async function catalogObjects(connection: PostgresConnection): Promise<readonly Definition[]> {
  const type = "JOIN pg_namespace n ON n.oid = t.typnamespace";
  const typeName = "format('%I.%I', n.nspname, t.typname)";
  const { version } = connection;
  // Where an ICU locale stands has changed with each version; libc's two are always there.
  const locale = version >= 170_000 ? "l.colllocale" : version >= 150_000 ? "l.colliculocale" : "l.collcollate";
  const rules = version >= 160_000 ? "coalesce(', RULES = ' || quote_literal(l.collicurules), '')" : "''";
  const multirange =
    version >= 140_000
      ? "(SELECT format(', MULTIRANGE_TYPE_NAME = %I.%I', k.nspname, m.typname) FROM pg_type m JOIN pg_namespace k ON k.oid = m.typnamespace WHERE m.oid = r.rngmultitypid)"
      : "''";
  const ownType = `${own} AND ${noExtension("pg_type", "t.oid")}`;
  const rows = await connection.rows(
    `SELECT 'pg_namespace ' || n.oid, 0, format('CREATE SCHEMA IF NOT EXISTS %I', n.nspname) FROM pg_namespace n
       WHERE ${own} AND ${noExtension("pg_namespace", "n.oid")}
     UNION ALL
     SELECT 'pg_extension ' || e.oid, 1, format('CREATE EXTENSION IF NOT EXISTS %I WITH SCHEMA %I', e.extname, n.nspname)
       FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
     UNION ALL
     SELECT 'pg_collation ' || l.oid, 2, format('CREATE COLLATION %I.%I (PROVIDER = %s, %s%s%s)', n.nspname, l.collname,
         CASE l.collprovider WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END,
         CASE l.collprovider WHEN 'c' THEN format('LC_COLLATE = %L, LC_CTYPE = %L', l.collcollate, l.collctype) ELSE format('LOCALE = %L', ${locale}) END,
         CASE WHEN l.collisdeterministic THEN '' ELSE ', DETERMINISTIC = false' END, ${rules})
       FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace WHERE ${own} AND ${noExtension("pg_collation", "l.oid")}
     UNION ALL
     SELECT 'pg_type ' || t.oid, 2, format('CREATE TYPE %s AS ENUM (%s)', ${typeName},
         (SELECT coalesce(string_agg(quote_literal(l.enumlabel), ', ' ORDER BY l.enumsortorder), '') FROM pg_enum l WHERE l.enumtypid = t.oid))
       FROM pg_type t ${type} WHERE t.typtype = 'e' AND ${ownType}
     UNION ALL
     SELECT 'pg_type ' || t.oid, 2, format('CREATE DOMAIN %s AS %s%s%s%s%s', ${typeName}, format_type(t.typbasetype, t.typtypmod),
         CASE WHEN t.typcollation <> b.typcollation THEN ' COLLATE ' || t.typcollation::regcollation ELSE '' END,
         coalesce(' DEFAULT ' || t.typdefault, ''), CASE WHEN t.typnotnull THEN ' NOT NULL' ELSE '' END,
         coalesce((SELECT string_agg(format(' CONSTRAINT %I %s', o.conname, pg_get_constraintdef(o.oid)), '' ORDER BY o.oid)
           FROM pg_constraint o WHERE o.contypid = t.oid AND o.contype = 'c'), ''))
       FROM pg_type t ${type} JOIN pg_type b ON b.oid = t.typbasetype WHERE t.typtype = 'd' AND ${ownType}
     UNION ALL
     SELECT 'pg_type ' || t.oid, 2, format('CREATE TYPE %s AS (%s)', ${typeName},
         (SELECT coalesce(string_agg(format('%I %s%s', a.attname, format_type(a.atttypid, a.atttypmod),
             CASE WHEN a.attcollation <> e.typcollation THEN ' COLLATE ' || a.attcollation::regcollation ELSE '' END), ', ' ORDER BY a.attnum), '')
           FROM pg_attribute a JOIN pg_type e ON e.oid = a.atttypid WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped))
       FROM pg_type t ${type} JOIN pg_class c ON c.oid = t.typrelid WHERE t.typtype = 'c' AND c.relkind = 'c' AND ${ownType}
     UNION ALL
     SELECT 'pg_type ' || t.oid, 2, format('CREATE TYPE %s AS RANGE (SUBTYPE = %s%s%s%s%s)', ${typeName}, format_type(r.rngsubtype, NULL),
         (SELECT format(', SUBTYPE_OPCLASS = %I.%I', k.nspname, o.opcname) FROM pg_opclass o JOIN pg_namespace k ON k.oid = o.opcnamespace WHERE o.oid = r.rngsubopc),
         CASE WHEN r.rngcollation <> 0 THEN ', COLLATION = ' || r.rngcollation::regcollation ELSE '' END,
         CASE WHEN r.rngsubdiff <> 0 THEN ', SUBTYPE_DIFF = ' || r.rngsubdiff::regproc ELSE '' END, ${multirange})
       FROM pg_range r JOIN pg_type t ON t.oid = r.rngtypid ${type} WHERE ${ownType}
     UNION ALL
     SELECT 'pg_proc ' || p.oid, 3, pg_get_functiondef(p.oid) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
       WHERE p.prokind <> 'a' AND ${own} AND ${noExtension("pg_proc", "p.oid")}`,
  );
  return rows.map(([id, rank, statement]) => ({ id: id ?? "", rank: Number(rank), statements: [statement ?? ""] }));
}
