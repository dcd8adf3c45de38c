import type { DatabaseRights } from "../database.ts";
import type { PostgresConnection } from "./connection.ts";
import { quoteName } from "./identifier.ts";
import { ownRelation } from "./tables.ts";

/** What a backup needs and this user lacks, and the SQL that makes a user with no more than that. */
export async function postgresRights(connection: PostgresConnection): Promise<DatabaseRights> {
  const relations = await connection.rows(
    `SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'S') AND ${ownRelation}
       AND (NOT has_schema_privilege(n.oid, 'USAGE') OR NOT CASE c.relkind WHEN 'S'
         THEN has_sequence_privilege(c.oid, 'SELECT') ELSE has_table_privilege(c.oid, 'SELECT') END)
     ORDER BY 1`,
  );
  const secured = await connection.rows(
    `SELECT n.nspname || '.' || c.relname, row_security_active(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND c.relrowsecurity AND ${ownRelation} ORDER BY 1`,
  );
  const schemas = await connection.rows(
    `SELECT DISTINCT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'S') AND ${ownRelation} ORDER BY 1`,
  );
  const objects = await connection.value("SELECT count(*) FROM pg_largeobject_metadata");
  const database = (await connection.value("SELECT current_database()")) ?? "";
  const { user } = connection.login;
  const hidden = secured.filter(([, active]) => active === "t");
  return {
    user,
    missing: [
      ...relations.map(([subject]) => ({ subject: subject ?? "", right: "SELECT" })),
      ...hidden.map(([subject]) => ({ subject: subject ?? "", right: "BYPASSRLS" })),
    ],
    script: rightsScript({
      database,
      version: connection.version,
      schemas: schemas.map(([name]) => name ?? ""),
      rowSecurity: secured.length > 0 ? "yes" : "no",
      largeObjects: objects === "0" ? "no" : "yes",
    }),
  };
}

interface ScriptInput {
  readonly database: string;
  readonly version: number;
  readonly schemas: readonly string[];
  readonly rowSecurity: "yes" | "no";
  readonly largeObjects: "yes" | "no";
}

const backupUser = "holdfast";

function rightsScript({ database, version, schemas, rowSecurity, largeObjects }: ScriptInput): string {
  // Since PostgreSQL 14 a role of the server's own covers tables that do not exist yet, of any owner.
  const reading =
    version >= 140_000
      ? [`GRANT pg_read_all_data TO ${backupUser};`]
      : schemas.flatMap((schema) => [
          `GRANT USAGE ON SCHEMA ${quoteName(schema)} TO ${backupUser};`,
          `GRANT SELECT ON ALL TABLES IN SCHEMA ${quoteName(schema)} TO ${backupUser};`,
          `GRANT SELECT ON ALL SEQUENCES IN SCHEMA ${quoteName(schema)} TO ${backupUser};`,
          `ALTER DEFAULT PRIVILEGES IN SCHEMA ${quoteName(schema)} GRANT SELECT ON TABLES TO ${backupUser};`,
          `ALTER DEFAULT PRIVILEGES IN SCHEMA ${quoteName(schema)} GRANT SELECT ON SEQUENCES TO ${backupUser};`,
        ]);
  return [
    `CREATE ROLE ${backupUser} LOGIN${rowSecurity === "yes" ? " BYPASSRLS" : ""};`,
    `GRANT CONNECT ON DATABASE ${quoteName(database)} TO ${backupUser};`,
    ...reading,
    ...(largeObjects === "yes"
      ? [
          `DO $$ DECLARE o oid; BEGIN FOR o IN SELECT oid FROM pg_largeobject_metadata LOOP EXECUTE format('GRANT SELECT ON LARGE OBJECT %s TO ${backupUser}', o); END LOOP; END $$;`,
        ]
      : []),
  ].join("\n");
}
