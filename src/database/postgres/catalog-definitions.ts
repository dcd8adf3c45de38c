import type { PostgresConnection } from "./connection.ts";
import { catalogObjects, type Definition, lateRank } from "./catalog-objects.ts";
import { catalogLast } from "./catalog-last.ts";
import { catalogOperators } from "./catalog-operators.ts";
import { catalogRelations } from "./catalog-relations.ts";
import type { Definitions } from "./definitions.ts";
import { ownRelation } from "./tables.ts";

/**
 * DDL from the catalog alone, for servers that no `pg_dump` here is new enough for. The server writes most of it itself
 * (`pg_get_viewdef`, `pg_get_indexdef`, …); what it does not write and we neither is named as not covered.
 */
export async function definitionsFromCatalog(connection: PostgresConnection): Promise<Definitions> {
  const made = [
    ...(await catalogObjects(connection)),
    ...(await catalogOperators(connection)),
    ...(await catalogRelations(connection)),
  ];
  const { before, late } = sorted(made, await dependencies(connection));
  return {
    source: "catalog",
    before: before.flatMap(({ statements }) => statements),
    after: [
      ...(await afterRows(connection)),
      ...late.flatMap(({ statements }) => statements),
      ...(await lastStatements(connection)),
      ...(await catalogLast(connection)),
    ],
    uncovered: (await uncoveredKinds(connection)).map((subject) => ({ subject, reason: "catalog-definitions" })),
  };
}

/** Who needs whom, both as `Definition.id`; `late` is everything that only exists after the rows (keys). */
async function dependencies(connection: PostgresConnection): Promise<readonly (readonly [string, string])[]> {
  const member = (catalog: string, family: string, oid: string) =>
    `(SELECT CASE WHEN i.refclassid = 'pg_opclass'::regclass THEN 'pg_opclass ' || i.refobjid ELSE 'loose ' || m.${family} END
       FROM ${catalog} m LEFT JOIN pg_depend i ON i.classid = '${catalog}'::regclass AND i.objid = m.oid AND i.refclassid = 'pg_opclass'::regclass AND i.deptype = 'i'
       WHERE m.oid = ${oid})`;
  // A view is its rule, a column's default its own object, a row type or an array the thing that it is of.
  const owner = (catalog: string, oid: string) => `CASE ${catalog}::regclass::text
    WHEN 'pg_rewrite' THEN (SELECT 'pg_class ' || r.ev_class FROM pg_rewrite r WHERE r.oid = ${oid})
    WHEN 'pg_type' THEN (SELECT CASE WHEN t.typrelid <> 0 AND c.relkind <> 'c' THEN 'pg_class ' || t.typrelid
        WHEN t.typelem <> 0 AND t.typcategory = 'A' THEN coalesce((SELECT 'pg_class ' || e.typrelid FROM pg_type e JOIN pg_class k ON k.oid = e.typrelid
          WHERE e.oid = t.typelem AND k.relkind <> 'c'), 'pg_type ' || t.typelem)
        ELSE 'pg_type ' || t.oid END
      FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid WHERE t.oid = ${oid})
    WHEN 'pg_class' THEN (SELECT CASE WHEN c.relkind = 'c' THEN 'pg_type ' || c.reltype ELSE 'pg_class ' || c.oid END FROM pg_class c WHERE c.oid = ${oid})
    WHEN 'pg_constraint' THEN (SELECT CASE WHEN o.contypid <> 0 THEN 'pg_type ' || o.contypid
        WHEN o.contype IN ('c', 'n') THEN 'pg_class ' || o.conrelid ELSE 'late' END FROM pg_constraint o WHERE o.oid = ${oid})
    WHEN 'pg_attrdef' THEN (SELECT CASE WHEN a.attgenerated <> '' THEN 'pg_class ' || f.adrelid ELSE 'pg_attrdef ' || f.oid END
      FROM pg_attrdef f JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum WHERE f.oid = ${oid})
    WHEN 'pg_amop' THEN ${member("pg_amop", "amopfamily", oid)}
    WHEN 'pg_amproc' THEN ${member("pg_amproc", "amprocfamily", oid)}
    ELSE ${catalog}::regclass::text || ' ' || ${oid} END`;
  const rows = await connection.rows(
    `SELECT DISTINCT ${owner("d.classid", "d.objid")}, ${owner("d.refclassid", "d.refobjid")}
     FROM pg_depend d WHERE d.refobjid >= 16384 AND d.objid >= 16384 AND d.deptype IN ('n', 'a', 'i', 'P', 'S')
     UNION SELECT 'pg_class ' || inhrelid, 'pg_class ' || inhparent FROM pg_inherits`,
  );
  return rows.flatMap(([from, to]) => (from && to && from !== to ? [[from, to] as const] : []));
}

/** Each after what it needs; `late`: what needs a key. */
function sorted(
  definitions: readonly Definition[],
  edges: readonly (readonly [string, string])[],
): { readonly before: readonly Definition[]; readonly late: readonly Definition[] } {
  const byId = new Map(definitions.map((one) => [one.id, one]));
  const needs = Map.groupBy(edges, ([from]) => from);
  const states = new Map<string, "open" | "before" | "late">();
  const before: Definition[] = [];
  const late: Definition[] = [];
  const visit = (id: string): "open" | "before" | "late" => {
    if (id === "late") return "late";
    const state = states.get(id);
    if (state !== undefined) return state;
    const definition = byId.get(id);
    states.set(id, "open");
    let place: "before" | "late" = "before";
    const required = (needs.get(id) ?? []).map(([, to]) => to).toSorted();
    // A table never waits for a key: it is its keys that wait for the table.
    const mayWait = definition === undefined || definition.rank >= lateRank;
    for (const one of required) if (visit(one) === "late" && mayWait) place = "late";
    states.set(id, place);
    if (definition) (place === "late" ? late : before).push(definition);
    return place;
  };
  for (const { id } of definitions.toSorted((a, b) => a.rank - b.rank)) visit(id);
  return { before, late };
}

/** Keys and other constraints, indexes, triggers, rules, policies. */
async function afterRows(connection: PostgresConnection): Promise<readonly string[]> {
  const relation = "format('%I.%I', n.nspname, c.relname)";
  const from = (alias: string, column: string) =>
    `JOIN pg_class c ON c.oid = ${alias}.${column} JOIN pg_namespace n ON n.oid = c.relnamespace`;
  const only = "CASE WHEN c.relkind = 'p' THEN '' ELSE 'ONLY ' END";
  const isOfKey = (index: string) =>
    `EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = ${index} AND k.contype IN ('p', 'u', 'x'))`;
  const rows = await connection.rows(
    `SELECT 1, o.oid::bigint, format('ALTER TABLE %s%s ADD CONSTRAINT %I %s', ${only}, ${relation}, o.conname, pg_get_constraintdef(o.oid))
       FROM pg_constraint o ${from("o", "conrelid")} WHERE o.contype IN ('p', 'u', 'x') AND o.conparentid = 0 AND ${ownRelation}
     UNION ALL
     SELECT 2, i.indexrelid::bigint, pg_get_indexdef(i.indexrelid) FROM pg_index i ${from("i", "indrelid")}
       WHERE ${ownRelation} AND c.relkind IN ('r', 'p', 'm') AND NOT ${isOfKey("i.indexrelid")}
         AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = i.indexrelid AND ${isOfKey("h.inhparent")})
     UNION ALL
     SELECT 2.5, h.inhrelid::bigint, format('ALTER INDEX %I.%I ATTACH PARTITION %I.%I', n.nspname, c.relname, xn.nspname, x.relname)
       FROM pg_inherits h ${from("h", "inhparent")} JOIN pg_class x ON x.oid = h.inhrelid JOIN pg_namespace xn ON xn.oid = x.relnamespace
       WHERE c.relkind = 'I' AND ${ownRelation} AND NOT ${isOfKey("h.inhparent")}
     UNION ALL
     SELECT 3, i.indexrelid::bigint, format('ALTER TABLE %s CLUSTER ON %I', ${relation}, x.relname)
       FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid ${from("i", "indrelid")} WHERE i.indisclustered AND ${ownRelation}
     UNION ALL
     SELECT 3, c.oid::bigint, format('ALTER TABLE %s REPLICA IDENTITY %s', ${relation}, CASE c.relreplident WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING'
         ELSE 'USING INDEX ' || (SELECT quote_ident(x.relname) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = c.oid AND i.indisreplident) END)
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND c.relreplident NOT IN ('d') AND ${ownRelation}
     UNION ALL
     SELECT 4, s.oid::bigint, pg_get_statisticsobjdef(s.oid) FROM pg_statistic_ext s ${from("s", "stxrelid")} WHERE ${ownRelation}
     UNION ALL
     SELECT 5, o.oid::bigint, format('ALTER TABLE %s%s ADD CONSTRAINT %I %s', ${only}, ${relation}, o.conname, pg_get_constraintdef(o.oid))
       FROM pg_constraint o ${from("o", "conrelid")} WHERE o.contype = 'f' AND o.conparentid = 0 AND ${ownRelation}
     UNION ALL
     SELECT 6, o.oid::bigint, format('ALTER TABLE %s%s ADD CONSTRAINT %I %s', ${only}, ${relation}, o.conname, pg_get_constraintdef(o.oid))
       FROM pg_constraint o ${from("o", "conrelid")} WHERE o.contype = 'c' AND NOT o.convalidated AND o.conislocal AND ${ownRelation}
     ORDER BY 1, 2`,
  );
  return rows.flatMap(([, , statement]) => statement ?? []);
}

/** What must not see the rows come. */
async function lastStatements(connection: PostgresConnection): Promise<readonly string[]> {
  const relation = "format('%I.%I', n.nspname, c.relname)";
  const from = (alias: string, column: string) =>
    `JOIN pg_class c ON c.oid = ${alias}.${column} JOIN pg_namespace n ON n.oid = c.relnamespace`;
  const rows = await connection.rows(
    `SELECT 1, r.oid::bigint, rtrim(pg_get_ruledef(r.oid), ';') FROM pg_rewrite r ${from("r", "ev_class")} WHERE r.rulename <> '_RETURN' AND ${ownRelation}
     UNION ALL
     SELECT 2, t.oid::bigint, pg_get_triggerdef(t.oid) FROM pg_trigger t ${from("t", "tgrelid")}
       WHERE NOT t.tgisinternal AND ${ownRelation} AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_trigger'::regclass AND d.objid = t.oid AND d.refclassid = 'pg_trigger'::regclass)
     UNION ALL
     SELECT 3, t.oid::bigint, format('ALTER TABLE %s %s TRIGGER %I', ${relation}, CASE t.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, t.tgname)
       FROM pg_trigger t ${from("t", "tgrelid")} WHERE NOT t.tgisinternal AND t.tgenabled <> 'O' AND ${ownRelation}
     UNION ALL
     SELECT 4, c.oid::bigint, format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', ${relation}) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relrowsecurity AND ${ownRelation}
     UNION ALL
     SELECT 4, c.oid::bigint, format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', ${relation}) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relforcerowsecurity AND ${ownRelation}
     UNION ALL
     SELECT 5, p.oid::bigint, format('CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s', p.polname, ${relation},
         CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
         CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
         (SELECT string_agg(CASE WHEN r = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r)) END, ', ') FROM unnest(p.polroles) r),
         CASE WHEN p.polqual IS NULL THEN '' ELSE ' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')' END,
         CASE WHEN p.polwithcheck IS NULL THEN '' ELSE ' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')' END)
       FROM pg_policy p ${from("p", "polrelid")} WHERE ${ownRelation}
     ORDER BY 1, 2`,
  );
  return rows.flatMap(([, , statement]) => statement ?? []);
}

/** Kinds of things of the database's own that are not written here, with their numbers. */
async function uncoveredKinds(connection: PostgresConnection): Promise<readonly string[]> {
  const kinds: readonly (readonly [string, string, string])[] = [
    ["base types", "pg_type", "AND x.typtype = 'b' AND x.typelem = 0"],
    [
      "subscriptions",
      "pg_subscription",
      "AND x.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
    ],
    ["foreign data wrappers", "pg_foreign_data_wrapper", ""],
    ["foreign servers", "pg_foreign_server", ""],
  ];
  const sql = kinds.map(
    ([name, catalog, condition]) =>
      `SELECT '${name}', count(*) FROM ${catalog} x WHERE x.oid >= 16384 ${condition}
         AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = '${catalog}'::regclass AND d.objid = x.oid AND d.deptype IN ('e', 'i'))`,
  );
  const rows = await connection.rows(sql.join(" UNION ALL "));
  return rows.filter(([, count]) => count !== "0").map(([name, count]) => `${name} (${count})`);
}
