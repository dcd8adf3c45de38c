import { grantee, isNotAmong, option } from "./acl-sql.ts";
import type { PostgresConnection } from "./connection.ts";
import { quoteName, quoteText } from "./identifier.ts";
import { settingSql } from "./settings.ts";

/**
 * What roles are and may to the database itself, whose name a restore gives anew. Its owner comes last: who builds it may be another,
 * and in the schema `public` an owner may make tables that nobody else may.
 */
export async function databaseGrants(connection: PostgresConnection): Promise<readonly string[]> {
  const [[owner] = []] = await connection.rows(
    "SELECT CASE WHEN datdba <> 10 THEN pg_get_userbyid(datdba) END FROM pg_database WHERE datname = current_database()",
  );
  const rights = await connection.rows(
    `WITH item AS (SELECT datdba AS owner, datacl AS acl, acldefault('d', datdba) AS usual FROM pg_database
       WHERE datname = current_database() AND datacl IS NOT NULL)
     SELECT 'REVOKE ' || u.privilege_type || ' ON DATABASE ', ' FROM ' || ${grantee("u")}
       FROM item CROSS JOIN LATERAL aclexplode(usual) AS u WHERE u.grantee IN (0, owner) AND ${isNotAmong("acl", "u")}
     UNION ALL
     SELECT 'GRANT ' || g.privilege_type || ' ON DATABASE ', ' TO ' || ${grantee("g")} || ${option("g")}
       FROM item CROSS JOIN LATERAL aclexplode(acl) AS g WHERE g.grantee <> owner AND ${isNotAmong("usual", "g")}
     ORDER BY 1 DESC, 2`,
  );
  const settings = await connection.rows(
    `SELECT pg_get_userbyid(s.setrole), c.setting FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
     CROSS JOIN LATERAL unnest(s.setconfig) AS c(setting) WHERE d.datname = current_database() AND s.setrole <> 0 ORDER BY 1, 2`,
  );
  return [
    ...rights.map(([before, after]) => ofThisDatabase(before ?? "", after ?? "")),
    ...settings.flatMap(([role, setting]) => {
      const [, name = "", value = ""] = /^([\w.]+)=(.*)$/s.exec(setting ?? "") ?? [];
      return name === ""
        ? []
        : ofThisDatabase(`ALTER ROLE ${quoteName(role ?? "")} IN DATABASE `, ` ${settingSql(name, value)}`);
    }),
    ...(owner ? [ofThisDatabase("ALTER DATABASE ", ` OWNER TO ${quoteName(owner)}`)] : []),
  ];
}

/** A statement with the name of the database in which it is run. */
export function ofThisDatabase(before: string, after: string): string {
  return `DO ${quoteText(`BEGIN EXECUTE ${quoteText(before)} || quote_ident(current_database()) || ${quoteText(after)}; END`)}`;
}
