import type { PostgresConnection } from "./connection.ts";
import { ownRelation } from "./tables.ts";

/**
 * Owners and rights as statements, each good by itself: a role that is not there on the other server costs what it had,
 * and nothing else. Owners first, since they may give rights.
 */
export async function readGrants(connection: PostgresConnection): Promise<readonly string[]> {
  const objects = objectsSql(connection.version);
  const owners = await connection.rows(
    `WITH object AS (${objects}) SELECT format('ALTER %s %s OWNER TO %I', kind, name, pg_get_userbyid(owner))
     FROM object WHERE owner <> 10 ORDER BY rank, name`,
  );
  const rights = await connection.rows(
    `WITH object AS (${objects}),
       item AS (SELECT o.*, coalesce(o.acl, acldefault(o.letter, o.owner)) AS now, acldefault(o.letter, o.owner) AS usual FROM object o
         WHERE o.acl IS NOT NULL)
     SELECT statement FROM (
       SELECT rank, name, 0 AS step, format('REVOKE ALL ON %s %s FROM PUBLIC', target, name) AS statement FROM item
         WHERE EXISTS (SELECT FROM aclexplode(usual) u WHERE u.grantee = 0) AND NOT EXISTS (SELECT FROM aclexplode(now) g WHERE g.grantee = 0)
       UNION ALL
       SELECT rank, name, 1, format('GRANT %s ON %s %s TO %s%s', g.privilege_type, target, name,
           CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END,
           CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
         FROM item CROSS JOIN LATERAL aclexplode(now) AS g
         WHERE g.grantee <> owner
           AND NOT EXISTS (SELECT FROM aclexplode(usual) u WHERE u.grantee = g.grantee AND u.privilege_type = g.privilege_type)
     ) AS all_rights ORDER BY rank, name, step, statement`,
  );
  const columns = await connection.rows(
    `SELECT format('GRANT %s (%I) ON TABLE %I.%I TO %s%s', g.privilege_type, a.attname, n.nspname, c.relname,
        CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END,
        CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
     FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     CROSS JOIN LATERAL aclexplode(a.attacl) AS g
     WHERE a.attacl IS NOT NULL AND NOT a.attisdropped AND c.relkind IN ('r','p','v','m','f') AND ${ownRelation} ORDER BY 1`,
  );
  const defaults = await connection.rows(
    `SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s GRANT %s ON %s TO %s%s', pg_get_userbyid(d.defaclrole),
        CASE WHEN n.nspname IS NULL THEN '' ELSE format(' IN SCHEMA %I', n.nspname) END, g.privilege_type,
        CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES' ELSE 'SCHEMAS' END,
        CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END,
        CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
     FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
     CROSS JOIN LATERAL aclexplode(d.defaclacl) AS g
     WHERE d.defaclobjtype IN ('r','S','f','T','n') AND g.grantee <> d.defaclrole ORDER BY 1`,
  );
  return [...owners, ...rights, ...columns, ...defaults].flatMap(([statement]) => statement ?? []);
}

/** Everything that has an owner and rights: kind for ALTER, target for GRANT, letter for `acldefault`. */
function objectsSql(version: number): string {
  const extension = (catalog: string, oid: string) =>
    `NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = '${catalog}'::regclass AND d.objid = ${oid} AND d.deptype = 'e')`;
  const ownSchema = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'";
  const relationKinds =
    "CASE c.relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END";
  const publicOwner = version >= 140_000 ? "AND n.nspowner::regrole::text <> 'pg_database_owner'" : "";
  return `
    SELECT 1 AS rank, 'SCHEMA' AS kind, 'SCHEMA' AS target, quote_ident(n.nspname) AS name, n.nspowner AS owner, n.nspacl AS acl, 'n'::"char" AS letter
      FROM pg_namespace n WHERE ${ownSchema} ${publicOwner} AND ${extension("pg_namespace", "n.oid")}
    UNION ALL
    SELECT 2, CASE WHEN t.typtype = 'd' THEN 'DOMAIN' ELSE 'TYPE' END, 'TYPE', format('%I.%I', n.nspname, t.typname), t.typowner, t.typacl, 'T'
      FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class r ON r.oid = t.typrelid
      WHERE ${ownSchema} AND t.typtype IN ('e','d','r','c','b') AND (t.typrelid = 0 OR r.relkind = 'c') AND t.typelem = 0 AND ${extension("pg_type", "t.oid")}
    UNION ALL
    SELECT 3, CASE p.prokind WHEN 'p' THEN 'PROCEDURE' WHEN 'a' THEN 'AGGREGATE' ELSE 'FUNCTION' END,
        CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END,
        format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), p.proowner, p.proacl, 'f'
      FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE ${ownSchema} AND ${extension("pg_proc", "p.oid")}
    UNION ALL
    SELECT CASE WHEN c.relkind = 'S' THEN 5 ELSE 4 END, ${relationKinds}, CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
        format('%I.%I', n.nspname, c.relname), c.relowner, c.relacl, CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char"
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r','p','v','m','f','S') AND ${ownRelation}
        AND NOT (c.relkind = 'S' AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a','i')))`;
}
