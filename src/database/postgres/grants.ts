import { grantee, isNotAmong, option } from "./acl-sql.ts";
import type { PostgresConnection } from "./connection.ts";
import { databaseGrants } from "./database-grants.ts";
import { largeObjectGrants } from "./large-objects.ts";
import { ownRelation } from "./tables.ts";

/**
 * Owners and rights as statements, each good by itself: a role that is not there on the other server costs what it had,
 * and nothing else. Owners first, since they may give rights.
 */
export async function readGrants(connection: PostgresConnection): Promise<readonly string[]> {
  const objects = objectsSql(connection.version);
  const owners = await connection.rows(
    `WITH object AS (${objects}) SELECT format('ALTER %s %s OWNER TO %I', kind, name, pg_get_userbyid(owner))
     FROM object WHERE owner <> 10 AND kind <> '' ORDER BY rank, name`,
  );
  // What an object had when initdb or its extension made it is there already, and nobody gave it.
  const rights = await connection.rows(
    `WITH object AS (${objects}),
       item AS (SELECT o.*, coalesce(i.initprivs, acldefault(o.letter, o.owner)) AS usual,
           CASE WHEN o.kind = '' THEN i.initprivs END AS made FROM object o
         LEFT JOIN pg_init_privs i ON i.classoid = o.catalog AND i.objoid = o.oid AND i.objsubid = 0
         WHERE o.acl IS NOT NULL)
     SELECT statement FROM (
       SELECT rank, name, 0 AS step, format('REVOKE %s ON %s %s FROM %s', u.privilege_type, target, name, ${grantee("u")}) AS statement
         FROM item CROSS JOIN LATERAL aclexplode(usual) AS u
         WHERE u.grantee IN (0, owner) AND ${isNotAmong("acl", "u")}
       UNION ALL
       SELECT rank, name, 1, format('GRANT %s ON %s %s TO %s%s', g.privilege_type, target, name, ${grantee("g")}, ${option("g")})
         FROM item CROSS JOIN LATERAL aclexplode(acl) AS g
         WHERE g.grantee <> owner AND ${isNotAmong("coalesce(made, acldefault(letter, owner))", "g")}
     ) AS all_rights ORDER BY rank, name, step, statement`,
  );
  const columns = await connection.rows(
    `SELECT format('GRANT %s (%I) ON TABLE %I.%I TO %s%s', g.privilege_type, a.attname, n.nspname, c.relname, ${grantee("g")}, ${option("g")})
     FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     CROSS JOIN LATERAL aclexplode(a.attacl) AS g
     WHERE a.attacl IS NOT NULL AND NOT a.attisdropped AND c.relkind IN ('r','p','v','m','f') AND ${ownRelation} ORDER BY 1`,
  );
  return [
    ...[...owners, ...rights, ...columns].flatMap(([statement]) => statement ?? []),
    ...(await largeObjectGrants(connection)),
    ...(await defaultRights(connection)),
    ...(await databaseGrants(connection)),
  ];
}

/** What comes with things that are made later: in one schema on top of the usual, in all of them in its place. */
async function defaultRights(connection: PostgresConnection): Promise<readonly string[]> {
  const statement = (what: "GRANT" | "REVOKE", item: string): string =>
    `format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s ${what} %s ON %s ${what === "GRANT" ? "TO" : "FROM"} %s%s', pg_get_userbyid(role), place,
       ${item}.privilege_type, kind, ${grantee(item)}, ${what === "GRANT" ? option(item) : "''"})`;
  const rows = await connection.rows(
    `WITH item AS (SELECT d.defaclrole AS role, d.defaclacl AS acl,
         CASE WHEN n.nspname IS NULL THEN '' ELSE format(' IN SCHEMA %I', n.nspname) END AS place,
         CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES' ELSE 'SCHEMAS' END AS kind,
         CASE WHEN n.nspname IS NULL THEN acldefault(CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype END, d.defaclrole) END AS usual
       FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace WHERE d.defaclobjtype IN ('r','S','f','T','n'))
     SELECT 0, ${statement("REVOKE", "u")} AS statement FROM item CROSS JOIN LATERAL aclexplode(usual) AS u WHERE ${isNotAmong("acl", "u")}
     UNION ALL
     SELECT 1, ${statement("GRANT", "g")} FROM item CROSS JOIN LATERAL aclexplode(acl) AS g WHERE ${isNotAmong("usual", "g")}
     ORDER BY 1, 2`,
  );
  return rows.flatMap(([, made]) => made ?? []);
}

/**
 * Everything that has an owner and rights: kind for ALTER, which is empty where the owner comes with something else (an extension, a
 * table, the server), target for GRANT, letter for `acldefault`. An aggregate is named by its types alone, as GRANT wants it, and as ALTER
 * takes it when it is called a routine.
 */
function objectsSql(version: number): string {
  const kindOf = (kind: string, catalog: string, oid: string, other = "false") =>
    `CASE WHEN ${other} OR EXISTS (SELECT FROM pg_depend d WHERE d.classid = '${catalog}'::regclass AND d.objid = ${oid} AND d.deptype = 'e') THEN '' ELSE ${kind} END`;
  const ownSchema = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'";
  const relationKinds =
    "CASE c.relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END";
  // The schema that every database begins with belongs to its owner from 14 on.
  const databaseOwner = version >= 140_000 ? "n.nspowner = 'pg_database_owner'::regrole" : "false";
  const ofTable =
    "c.relkind = 'S' AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a','i'))";
  return `
    SELECT 1 AS rank, ${kindOf("'SCHEMA'", "pg_namespace", "n.oid", databaseOwner)} AS kind, 'SCHEMA' AS target, quote_ident(n.nspname) AS name,
        n.nspowner AS owner, n.nspacl AS acl, 'n'::"char" AS letter, 'pg_namespace'::regclass AS catalog, n.oid
      FROM pg_namespace n WHERE ${ownSchema}
    UNION ALL
    SELECT 2, ${kindOf("CASE WHEN t.typtype = 'd' THEN 'DOMAIN' ELSE 'TYPE' END", "pg_type", "t.oid")}, 'TYPE', format('%I.%I', n.nspname, t.typname),
        t.typowner, t.typacl, 'T', 'pg_type'::regclass, t.oid
      FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class r ON r.oid = t.typrelid
      WHERE ${ownSchema} AND t.typtype IN ('e','d','r','c','b') AND (t.typrelid = 0 OR r.relkind = 'c') AND t.typelem = 0
    UNION ALL
    SELECT 3, ${kindOf("CASE p.prokind WHEN 'p' THEN 'PROCEDURE' WHEN 'a' THEN 'ROUTINE' ELSE 'FUNCTION' END", "pg_proc", "p.oid", "n.nspname = 'pg_catalog'")},
        CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END,
        format('%I.%I(%s)', n.nspname, p.proname, CASE p.prokind WHEN 'a' THEN oidvectortypes(p.proargtypes)
          ELSE pg_get_function_identity_arguments(p.oid) END), p.proowner, p.proacl, 'f', 'pg_proc'::regclass, p.oid
      FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE (${ownSchema} OR n.nspname = 'pg_catalog')
    UNION ALL
    SELECT CASE WHEN c.relkind = 'S' THEN 5 ELSE 4 END, ${kindOf(relationKinds, "pg_class", "c.oid", ofTable)}, CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
        format('%I.%I', n.nspname, c.relname), c.relowner, c.relacl, CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", 'pg_class'::regclass, c.oid
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r','p','v','m','f','S') AND ${ownSchema}
    UNION ALL
    SELECT 6, ${kindOf("'LANGUAGE'", "pg_language", "l.oid")}, 'LANGUAGE', quote_ident(l.lanname), l.lanowner, l.lanacl, 'l', 'pg_language'::regclass, l.oid
      FROM pg_language l WHERE l.lanispl
    UNION ALL
    SELECT 7, ${kindOf("'FOREIGN DATA WRAPPER'", "pg_foreign_data_wrapper", "w.oid")}, 'FOREIGN DATA WRAPPER', quote_ident(w.fdwname),
        w.fdwowner, w.fdwacl, 'F', 'pg_foreign_data_wrapper'::regclass, w.oid
      FROM pg_foreign_data_wrapper w
    UNION ALL
    SELECT 8, ${kindOf("'SERVER'", "pg_foreign_server", "s.oid")}, 'FOREIGN SERVER', quote_ident(s.srvname),
        s.srvowner, s.srvacl, 'S', 'pg_foreign_server'::regclass, s.oid
      FROM pg_foreign_server s
    ${withoutRights
      .map(
        ([kind, catalog, owner]) => `UNION ALL
    SELECT 9, ${kindOf(`'${kind}'`, catalog, "x.oid")}, '', (pg_identify_object('${catalog}'::regclass, x.oid, 0)).identity,
        x.${owner}, NULL, NULL, '${catalog}'::regclass, x.oid
      FROM ${catalog} x WHERE x.oid >= 16384`,
      )
      .join("\n    ")}`;
}

/** Things that somebody owns and to which nobody is given rights: what ALTER calls them, their catalogue, and who owns them. */
const withoutRights: readonly (readonly [kind: string, catalog: string, owner: string])[] = [
  ["COLLATION", "pg_collation", "collowner"],
  ["CONVERSION", "pg_conversion", "conowner"],
  ["OPERATOR", "pg_operator", "oprowner"],
  ["OPERATOR FAMILY", "pg_opfamily", "opfowner"],
  ["OPERATOR CLASS", "pg_opclass", "opcowner"],
  ["TEXT SEARCH DICTIONARY", "pg_ts_dict", "dictowner"],
  ["TEXT SEARCH CONFIGURATION", "pg_ts_config", "cfgowner"],
  ["STATISTICS", "pg_statistic_ext", "stxowner"],
  ["PUBLICATION", "pg_publication", "pubowner"],
  ["EVENT TRIGGER", "pg_event_trigger", "evtowner"],
];
