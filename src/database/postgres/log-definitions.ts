import { createHash, hash } from "node:crypto";
import type { KnownTables, OutsideTable } from "../change-feed.ts";
import type { PostgresConnection } from "./connection.ts";
import { ownRelation } from "./tables.ts";

/** How tables are defined by now, as far as rows depend on it that come later. */
export interface TableDefinitions {
  /** Stands for each table's definition, by the number of the table. */
  readonly tables: ReadonlyMap<string, string>;
  /** Stands for all of it. */
  readonly digest: string;
}

/**
 * Of columns, identity, keys and constraints, and of the values that enums and domains allow: rows that a later definition lets through
 * cannot be put into a table as a backup before it defines it. Keys go by their columns, since an index that is built anew is another one.
 * Columns go by who defined them last (`xmin`): one that had another type meanwhile has other values, which no row of the log tells.
 */
const definitions = `
  SELECT c.oid, md5(concat_ws('|', n.nspname, c.relname, c.relpersistence, c.relreplident,
    (SELECT string_agg(concat_ws(' ', a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.attcollation, a.xmin), ',' ORDER BY a.attnum)
     FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
    (SELECT string_agg(DISTINCT concat_ws(' ', i.indkey, i.indisreplident, md5(i.indpred::text), md5(i.indexprs::text)), ',')
     FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid),
    (SELECT string_agg(k.oid::text, ',' ORDER BY k.oid) FROM pg_constraint k
     WHERE k.conrelid = c.oid OR k.contypid IN (SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0)),
    (SELECT string_agg(concat_ws(' ', e.enumtypid, e.enumlabel), ',' ORDER BY e.enumtypid, e.enumsortorder) FROM pg_enum e
     WHERE e.enumtypid IN (SELECT unnest(ARRAY[t.oid, t.typelem, t.typbasetype]) FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
       WHERE a.attrelid = c.oid AND a.attnum > 0))))
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND ${ownRelation} ORDER BY c.oid`;

export async function tableDefinitions(session: PostgresConnection): Promise<TableDefinitions> {
  const rows = await session.rows(definitions);
  const largeObjects = await session.value("SELECT EXISTS (SELECT FROM pg_largeobject_metadata)");
  return {
    tables: new Map(rows.map(([oid, definition]) => [oid ?? "", definition ?? ""])),
    digest: createHash("sha256")
      .update(JSON.stringify([rows, largeObjects]))
      .digest("hex"),
  };
}

/** With what is outside: a table that is told of by now, and was not where somebody stopped, is one of which nobody knows from where on. */
export function knownOf({ digest }: TableDefinitions, outside: readonly OutsideTable[]): KnownTables {
  return { digest: hash("sha256", JSON.stringify([digest, outside])), outside };
}
