import type { PostgresConnection } from "./connection.ts";

/** Publications, event triggers and comments, from the catalog: what speaks of things that are all there. */
export async function catalogLast(connection: PostgresConnection): Promise<readonly string[]> {
  const { version } = connection;
  const made =
    version >= 180_000 ? "CASE p.pubgencols WHEN 's' THEN ', publish_generated_columns = stored' ELSE '' END" : "''";
  const columns =
    version >= 150_000
      ? `coalesce(' (' || (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.place) FROM unnest(r.prattrs) WITH ORDINALITY AS k(number, place)
           JOIN pg_attribute a ON a.attrelid = r.prrelid AND a.attnum = k.number) || ')', '') || coalesce(' WHERE (' || pg_get_expr(r.prqual, r.prrelid) || ')', '')`
      : "''";
  const schemas =
    version >= 150_000
      ? `UNION ALL SELECT 3, format('ALTER PUBLICATION %I ADD TABLES IN SCHEMA %I', p.pubname, n.nspname)
           FROM pg_publication_namespace s JOIN pg_publication p ON p.oid = s.pnpubid JOIN pg_namespace n ON n.oid = s.pnnspid`
      : "";
  const rows = await connection.rows(
    `SELECT 1 AS step, format('CREATE PUBLICATION %I %sWITH (publish = %L%s%s)', p.pubname, CASE WHEN p.puballtables THEN 'FOR ALL TABLES ' ELSE '' END,
         concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END, CASE WHEN p.pubdelete THEN 'delete' END,
           CASE WHEN p.pubtruncate THEN 'truncate' END),
         CASE WHEN p.pubviaroot THEN ', publish_via_partition_root = true' ELSE '' END, ${made}) AS statement
       FROM pg_publication p
     UNION ALL
     SELECT 2, format('ALTER PUBLICATION %I ADD TABLE ONLY %I.%I%s', p.pubname, n.nspname, c.relname, ${columns})
       FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     ${schemas}
     UNION ALL
     SELECT 4, format('CREATE EVENT TRIGGER %I ON %s%s EXECUTE FUNCTION %s()', e.evtname, e.evtevent,
         coalesce(' WHEN TAG IN (' || (SELECT string_agg(quote_literal(tag), ', ') FROM unnest(e.evttags) AS tag) || ')', ''), e.evtfoid::regproc)
       FROM pg_event_trigger e WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = e.oid AND d.deptype = 'e')
     UNION ALL
     SELECT 5, format('ALTER EVENT TRIGGER %I %s', e.evtname, CASE e.evtenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END)
       FROM pg_event_trigger e WHERE e.evtenabled <> 'O'
         AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = e.oid AND d.deptype = 'e')
     UNION ALL
     SELECT 6, format('COMMENT ON %s %s IS %L', CASE WHEN i.type LIKE '% column' THEN 'COLUMN'
         WHEN i.type = 'table constraint' THEN 'CONSTRAINT' WHEN i.type = 'composite type' THEN 'TYPE' WHEN i.type = 'statistics object' THEN 'STATISTICS'
         WHEN i.type = 'aggregate' THEN 'ROUTINE' ELSE upper(i.type) END, i.identity, d.description)
       FROM pg_description d CROSS JOIN LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) AS i
       WHERE d.objoid >= 16384 AND coalesce(i.schema, '') !~ '^pg_' AND i.type IN (${commented})
         AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = d.classoid AND x.objid = d.objoid AND x.deptype = 'e')
     ORDER BY step, statement`,
  );
  return rows.flatMap(([, statement]) => statement ?? []);
}

/** Kinds of things that are written here and that somebody may have commented on, as `pg_identify_object` calls them. */
const commented = [
  ...[
    "table",
    "view",
    "materialized view",
    "sequence",
    "index",
    "table column",
    "view column",
    "materialized view column",
  ],
  ...["composite type", "composite type column", "type", "function", "procedure", "schema", "extension", "collation"],
  ...["table constraint", "trigger", "rule", "policy", "statistics object"],
  ...["aggregate", "operator", "operator family", "operator class", "cast", "conversion", "access method", "language"],
  ...["text search parser", "text search template", "text search dictionary", "text search configuration"],
  ...["publication", "event trigger"],
]
  .map((kind) => `'${kind}'`)
  .join(",");
