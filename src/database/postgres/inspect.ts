import type { DatabaseSchema } from "../database.ts";
import type { PostgresConnection } from "./connection.ts";
import { quoteQualified, quoteText } from "./identifier.ts";
import { largeObjectComments, largeObjectTable } from "./large-objects.ts";
import { ofThisDatabase } from "./database-grants.ts";
import { readGrants } from "./grants.ts";
import type { Definitions } from "./definitions.ts";
import { ownRelation, readTables } from "./tables.ts";

/** Everything that a restore needs except the rows, as the session's snapshot has it. */
export async function inspectSchema(connection: PostgresConnection, definitions: Definitions): Promise<DatabaseSchema> {
  const tables = (await readTables(connection)).map(({ table }) => table);
  const largeObjects = await largeObjectTable(connection);
  const comments = largeObjects.tables.length > 0 ? await largeObjectComments(connection) : [];
  return {
    engine: "postgres",
    engineVersion: connection.versionText,
    tables: [...tables, ...largeObjects.tables],
    settings: { ...(await readSettings(connection)), definitions: definitions.source },
    sequences: await readSequences(connection),
    grants: await readGrants(connection),
    before: definitions.before,
    after: [
      ...definitions.after,
      ...(await refreshes(connection)),
      ...(await databaseComment(connection)),
      ...comments,
    ],
    uncovered: [...(await readUncovered(connection)), ...definitions.uncovered, ...largeObjects.uncovered],
  };
}

/** What `CREATE DATABASE` is told, and the settings that `ALTER DATABASE … SET` gave. */
async function readSettings(connection: PostgresConnection): Promise<DatabaseSchema["settings"]> {
  const provider = connection.version >= 150_000 ? "datlocprovider" : "'c'";
  const locale = connection.version >= 170_000 ? "datlocale" : connection.version >= 150_000 ? "daticulocale" : "NULL";
  const [row = []] = await connection.rows(
    `SELECT pg_encoding_to_char(encoding), datcollate, datctype, ${provider}, coalesce(${locale}, '')
     FROM pg_database WHERE datname = current_database()`,
  );
  const [encoding, collate, ctype, localeProvider, localeName] = row.map((cell) => cell ?? "");
  const own = await connection.rows(
    `SELECT unnest(s.setconfig) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
     WHERE d.datname = current_database() AND s.setrole = 0`,
  );
  const pairs = own.map(([pair]) => /^([^=]+)=(.*)$/s.exec(pair ?? "")).filter((match) => match !== null);
  return {
    encoding: encoding ?? "",
    collate: collate ?? "",
    ctype: ctype ?? "",
    localeProvider: localeProvider ?? "",
    locale: localeName ?? "",
    ...Object.fromEntries(pairs.map(([, name, value]) => [`set ${name ?? ""}`, value ?? ""])),
  };
}

/** A sequence is outside every snapshot: read after the rows' moment, it is never behind them. */
async function readSequences(connection: PostgresConnection): Promise<DatabaseSchema["sequences"]> {
  const found = await connection.rows(
    `SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'S' AND ${ownRelation} ORDER BY c.oid`,
  );
  const names = found.map(([schema, name]) => quoteQualified({ schema: schema ?? "", name: name ?? "" }));
  const sequences: { name: string; value: string; called: boolean }[] = [];
  // One statement for many: a CRM has hundreds.
  for (let at = 0; at < names.length; at += 100) {
    const part = names.slice(at, at + 100);
    const sql = part.map((name, index) => `SELECT ${index}, last_value, is_called FROM ${name}`).join(" UNION ALL ");
    for (const [index, value, called] of await connection.rows(sql)) {
      sequences[at + Number(index)] = { name: part[Number(index)] ?? "", value: value ?? "", called: called === "t" };
    }
  }
  return sequences;
}

/** Materialized views that were filled are filled again, in the order of their creation. */
async function refreshes(connection: PostgresConnection): Promise<readonly string[]> {
  const views = await connection.rows(
    `SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'm' AND c.relispopulated AND ${ownRelation} ORDER BY c.oid`,
  );
  return views.map(
    ([schema, name]) => `REFRESH MATERIALIZED VIEW ${quoteQualified({ schema: schema ?? "", name: name ?? "" })}`,
  );
}

async function databaseComment(connection: PostgresConnection): Promise<readonly string[]> {
  const comment = await connection.value(
    "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()",
  );
  return comment === null ? [] : [ofThisDatabase("COMMENT ON DATABASE ", ` IS ${quoteText(comment)}`)];
}

async function readUncovered(connection: PostgresConnection): Promise<DatabaseSchema["uncovered"]> {
  const foreign = await connection.rows(
    `SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'f' AND ${ownRelation} ORDER BY 1`,
  );
  // Rows that a user added to a table that belongs to an extension (PostGIS' own reference systems, say).
  const extensions = await connection.rows(
    `SELECT e.extname || ': ' || c.relname FROM pg_extension e CROSS JOIN unnest(e.extconfig) AS k(oid)
     JOIN pg_class c ON c.oid = k.oid WHERE c.relkind = 'r' ORDER BY 1`,
  );
  return [
    ...foreign.map(([subject]) => ({ subject: subject ?? "", reason: "foreign-table" })),
    ...extensions.map(([subject]) => ({ subject: subject ?? "", reason: "extension-rows" })),
  ];
}
