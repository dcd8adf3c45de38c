import { createHash } from "node:crypto";
import type { PostgresConnection } from "./connection.ts";

/** What users made: the server's own objects have numbers below. Whoever is connected has tables of his own, which are not the database's. */
const made = "oid >= 16384";
const lasting = "JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname !~ '^pg_'";

/**
 * Digest of a database's relations, their columns, and of its functions, types, constraints, triggers, rules and the like; the same under any
 * name. By the catalog alone, where `pg_dump` would take ten times as long.
 */
export async function contentsOf(connection: PostgresConnection): Promise<string> {
  const rows = await connection.rows(
    `SELECT 'relation', n.nspname, c.relname, c.relkind::text,
       (SELECT array_agg(a.attname ORDER BY a.attnum)::text FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
     FROM pg_class c ${lasting} WHERE c.${made}
     UNION ALL SELECT 'function', n.nspname, p.proname, p.proargtypes::text, NULL
       FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.${made}
     UNION ALL SELECT 'type', n.nspname, t.typname, NULL, NULL
       FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace AND n.nspname !~ '^pg_' WHERE t.${made}
     UNION ALL SELECT 'constraint', n.nspname, c.relname, o.conname, NULL
       FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid ${lasting}
     UNION ALL SELECT 'trigger', n.nspname, c.relname, t.tgname, NULL
       FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid ${lasting} WHERE NOT t.tgisinternal
     UNION ALL SELECT 'rule', n.nspname, c.relname, r.rulename, NULL
       FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class ${lasting} WHERE r.${made}
     UNION ALL SELECT 'policy', n.nspname, c.relname, p.polname, NULL
       FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid ${lasting}
     UNION ALL SELECT 'others', count(*)::text, NULL, NULL, NULL
       FROM (SELECT oid FROM pg_extension UNION ALL SELECT oid FROM pg_event_trigger UNION ALL SELECT oid FROM pg_publication
         UNION ALL SELECT oid FROM pg_operator UNION ALL SELECT oid FROM pg_collation UNION ALL SELECT oid FROM pg_cast
         UNION ALL SELECT oid FROM pg_largeobject_metadata UNION ALL SELECT oid FROM pg_statistic_ext) AS o WHERE o.${made}`,
  );
  const lines = rows.map((row) => JSON.stringify(row)).toSorted();
  return createHash("sha256").update(lines.join("\n")).digest("hex").slice(0, 32);
}
