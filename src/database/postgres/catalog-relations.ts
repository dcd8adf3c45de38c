import { type Definition, lateRank } from "./catalog-objects.ts";
import type { PostgresConnection } from "./connection.ts";
import { ownRelation } from "./tables.ts";

const relation = "format('%I.%I', n.nspname, c.relname)";
const from = "pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace";
const options = "coalesce(' WITH (' || array_to_string(c.reloptions, ', ') || ')', '')";

/** Sequences, tables, their defaults, and views, from the catalog. */
export async function catalogRelations(connection: PostgresConnection): Promise<readonly Definition[]> {
  const rows = [
    ...(await connection.rows(sequencesSql)),
    ...(await connection.rows(tablesSql(connection.version))),
    ...(await connection.rows(detailsSql(connection.version))),
    ...(await connection.rows(viewsSql)),
  ];
  return rows.map(([id, rank, statement]) => ({ id: id ?? "", rank: Number(rank), statements: [statement ?? ""] }));
}

const sequenceOptions = `format('AS %s INCREMENT BY %s MINVALUE %s MAXVALUE %s START WITH %s CACHE %s%s', format_type(s.seqtypid, NULL),
  s.seqincrement, s.seqmin, s.seqmax, s.seqstart, s.seqcache, CASE WHEN s.seqcycle THEN ' CYCLE' ELSE '' END)`;

/** Those of identity columns come with their columns. */
const sequencesSql = `
  SELECT 'pg_class ' || c.oid, 4, format('CREATE %sSEQUENCE %s %s', CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED ' ELSE '' END, ${relation}, ${sequenceOptions})
  FROM pg_sequence s JOIN ${from.replace("pg_class c", "pg_class c ON c.oid = s.seqrelid")} WHERE ${ownRelation}
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'i')`;

/** A partition is made by itself, with all its columns, and attached then; a child takes over what it inherits. */
function tablesSql(version: number): string {
  const generated = version >= 180_000 ? "CASE a.attgenerated WHEN 'v' THEN 'VIRTUAL' ELSE 'STORED' END" : "'STORED'";
  const column = `format('%I %s%s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
    CASE WHEN a.attcollation <> t.typcollation THEN ' COLLATE ' || a.attcollation::regcollation ELSE '' END,
    CASE WHEN a.attgenerated <> '' THEN format(' GENERATED ALWAYS AS (%s) %s', pg_get_expr(f.adbin, f.adrelid), ${generated})
      WHEN a.attidentity <> '' THEN (SELECT format(' GENERATED %s AS IDENTITY (SEQUENCE NAME %s %s)',
          CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END, format('%I.%I', qn.nspname, q.relname),
          regexp_replace(${sequenceOptions}, '^AS \\S+ ', ''))
        FROM pg_depend d JOIN pg_sequence s ON s.seqrelid = d.objid JOIN pg_class q ON q.oid = d.objid JOIN pg_namespace qn ON qn.oid = q.relnamespace
        WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum AND d.deptype = 'i')
      ELSE '' END,
    CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END)`;
  return `
    SELECT 'pg_class ' || c.oid, 6, format('CREATE %sTABLE %s (%s)%s%s%s', CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED ' ELSE '' END, ${relation},
      concat_ws(', ', (SELECT string_agg(${column}, ', ' ORDER BY a.attnum) FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
          LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND (a.attislocal OR c.relispartition)),
        (SELECT string_agg(format('CONSTRAINT %I %s', o.conname, pg_get_constraintdef(o.oid)), ', ' ORDER BY o.oid)
          FROM pg_constraint o WHERE o.conrelid = c.oid AND o.contype = 'c' AND o.convalidated AND (o.conislocal OR c.relispartition))),
      CASE WHEN c.relispartition THEN '' ELSE coalesce((SELECT ' INHERITS (' || string_agg(format('%I.%I', pn.nspname, p.relname), ', ' ORDER BY h.inhseqno) || ')'
        FROM pg_inherits h JOIN pg_class p ON p.oid = h.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace WHERE h.inhrelid = c.oid), '') END,
      CASE c.relkind WHEN 'p' THEN ' PARTITION BY ' || pg_get_partkeydef(c.oid) ELSE '' END, ${options})
    FROM ${from} WHERE c.relkind IN ('r', 'p') AND ${ownRelation}`;
}

/** Owners of sequences, defaults, partitions, storage: each may need what comes after its table. */
function detailsSql(version: number): string {
  const compression =
    version >= 140_000
      ? `UNION ALL SELECT 'compression ' || c.oid || ' ' || a.attnum, 7, format('ALTER TABLE ONLY %s ALTER COLUMN %I SET COMPRESSION %s', ${relation}, a.attname, CASE a.attcompression WHEN 'l' THEN 'lz4' ELSE 'pglz' END)
         FROM ${from} JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relkind IN ('r', 'p') AND NOT a.attisdropped AND a.attcompression <> '' AND ${ownRelation}`
      : "";
  return `
    SELECT 'pg_attrdef ' || f.oid, CASE c.relkind WHEN 'v' THEN ${lateRank + 1} ELSE 7 END, format('ALTER TABLE ONLY %s ALTER COLUMN %I SET DEFAULT %s', ${relation}, a.attname, pg_get_expr(f.adbin, f.adrelid))
      FROM pg_attrdef f JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum JOIN ${from.replace("pg_class c", "pg_class c ON c.oid = f.adrelid")}
      WHERE a.attgenerated = '' AND c.relkind IN ('r', 'p', 'v') AND ${ownRelation}
    UNION ALL
    SELECT 'partition ' || c.oid, 7, format('ALTER TABLE ONLY %s ATTACH PARTITION %s %s', format('%I.%I', pn.nspname, p.relname), ${relation}, pg_get_expr(c.relpartbound, c.oid))
      FROM ${from} JOIN pg_inherits h ON h.inhrelid = c.oid JOIN pg_class p ON p.oid = h.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace
      WHERE c.relispartition AND c.relkind IN ('r', 'p') AND ${ownRelation}
    UNION ALL
    SELECT 'owned ' || c.oid, 7, format('ALTER SEQUENCE %s OWNED BY %s.%I', ${relation}, format('%I.%I', tn.nspname, t.relname), a.attname)
      FROM ${from} JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'a' AND d.refclassid = 'pg_class'::regclass
      JOIN pg_class t ON t.oid = d.refobjid JOIN pg_namespace tn ON tn.oid = t.relnamespace JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
      WHERE c.relkind = 'S' AND ${ownRelation}
    UNION ALL
    SELECT 'storage ' || c.oid || ' ' || a.attnum, 7, format('ALTER TABLE ONLY %s ALTER COLUMN %I SET STORAGE %s', ${relation}, a.attname,
        CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END)
      FROM ${from} JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
      WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND a.attstorage <> t.typstorage AND ${ownRelation}
    UNION ALL
    SELECT 'of ' || c.oid, 7, format('ALTER TABLE ONLY %s OF %s', ${relation}, c.reloftype::regtype) FROM ${from} WHERE c.reloftype <> 0 AND ${ownRelation}
    UNION ALL
    SELECT 'statistics ' || c.oid || ' ' || a.attnum, 7, format('ALTER TABLE ONLY %s ALTER COLUMN %I SET STATISTICS %s', ${relation}, a.attname, a.attstattarget)
      FROM ${from} JOIN pg_attribute a ON a.attrelid = c.oid
      WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND a.attstattarget >= 0 AND ${ownRelation}
    UNION ALL
    SELECT 'options ' || c.oid || ' ' || a.attnum, 7, format('ALTER TABLE ONLY %s ALTER COLUMN %I SET (%s)', ${relation}, a.attname, array_to_string(a.attoptions, ', '))
      FROM ${from} JOIN pg_attribute a ON a.attrelid = c.oid
      WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND a.attoptions IS NOT NULL AND ${ownRelation}
    ${compression}`;
}

const viewsSql = `
  SELECT 'pg_class ' || c.oid, ${lateRank}, format('CREATE %sVIEW %s%s AS %s%s', CASE c.relkind WHEN 'm' THEN 'MATERIALIZED ' ELSE '' END, ${relation}, ${options},
    rtrim(pg_get_viewdef(c.oid), ';'), CASE c.relkind WHEN 'm' THEN ' WITH NO DATA' ELSE '' END)
  FROM ${from} WHERE c.relkind IN ('v', 'm') AND ${ownRelation}`;
