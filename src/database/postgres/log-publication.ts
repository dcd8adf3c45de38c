import { type OutsideReason, type OutsideTable, tableName } from "../change-feed.ts";
import type { TableSchema } from "../database.ts";
import { HoldfastError, isHoldfastError } from "../../lib/errors.ts";
import type { PostgresConnection } from "./connection.ts";
import { quoteQualified } from "./identifier.ts";
import { largeObjectTable } from "./large-objects.ts";
import { readTables } from "./tables.ts";

/** From here on a publication may be of some rows of a table. */
const firstFilterVersion = 150_000;

/** A table of the database that the log is told of, or why not. */
export interface FollowedTable {
  readonly oid: string;
  readonly table: TableSchema;
  readonly outside?: OutsideReason;
}

/**
 * Every table by name, never `FOR ALL TABLES`: with that, the CRM itself could no longer change rows of a table without a
 * replica identity. Left out are tables whose log tells a row that is gone by something else than our key.
 */
export async function followableTables(connection: PostgresConnection): Promise<readonly FollowedTable[]> {
  const tables = await readTables(connection);
  const facts = await connection.rows(
    `SELECT c.oid, c.relpersistence, c.relreplident,
       (SELECT json_agg(a.attname) FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) AS k(number)
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
        WHERE i.indrelid = c.oid AND CASE c.relreplident WHEN 'i' THEN i.indisreplident ELSE i.indisprimary END)
     FROM pg_class c WHERE c.oid = ANY ($1::oid[])`,
    [`{${tables.map(({ oid }) => oid).join(",")}}`],
  );
  const byOid = new Map(facts.map(([oid, ...rest]) => [oid, rest]));
  return tables.map(({ oid, table }) => {
    const [persistence, identity, columns] = byOid.get(oid) ?? [];
    const outside = outsideReason(table, persistence ?? "", identity ?? "", JSON.parse(columns ?? "[]") as string[]);
    return { oid, table, ...(outside && { outside }) };
  });
}

function outsideReason(
  { columns, keyLength }: TableSchema,
  persistence: string,
  identity: string,
  identityColumns: readonly string[],
): OutsideReason | undefined {
  if (persistence !== "p") return "unlogged";
  if (keyLength === 0 || identity === "n") return "no-identity";
  if (identity === "f") return undefined;
  const key = columns.slice(0, keyLength);
  return key.every(({ name }) => identityColumns.includes(name)) ? undefined : "no-identity";
}

/** Makes sure that there is a publication; who made one by hand has chosen its tables, and may have left us no more. */
export async function ensurePublication(connection: PostgresConnection, name: string): Promise<"made" | "there"> {
  if ((await connection.value("SELECT 1 FROM pg_publication WHERE pubname = $1", [name])) !== null) {
    await checkPublication(connection, name);
    return "there";
  }
  try {
    await connection.run(`CREATE PUBLICATION ${name}`);
    return "made";
  } catch (error) {
    if (!isHoldfastError(error, "database-rights")) throw error;
    throw new HoldfastError("follow-rights", { path: connection.path, user: connection.login.user, publication: name });
  }
}

/** One that tells of some changes or rows only would have all others lost in silence. */
async function checkPublication(connection: PostgresConnection, name: string): Promise<void> {
  const { path } = connection;
  const all = ["insert", "update", "delete", "truncate"];
  const [told = []] = await connection.rows(
    `SELECT ${all.map((what) => `pub${what}`).join(", ")} FROM pg_publication WHERE pubname = $1`,
    [name],
  );
  const value = all.filter((_, at) => told[at] === "t").join(", ");
  if (value !== all.join(", ")) {
    throw new HoldfastError("follow-settings", { path, setting: `publish = '${all.join(", ")}' (${name})`, value });
  }
  if (connection.version < firstFilterVersion) return;
  const [filtered] = await connection.rows(
    "SELECT tablename, rowfilter FROM pg_publication_tables WHERE pubname = $1 AND rowfilter IS NOT NULL",
    [name],
  );
  if (!filtered) return;
  const [table, filter] = filtered;
  throw new HoldfastError("follow-settings", { path, setting: `all rows of ${table} (${name})`, value: filter ?? "" });
}

/** Whether a table that is followed was taken out of the publication: its rows are told of no more. */
export async function lacksTable(
  connection: PostgresConnection,
  publication: string,
  tables: readonly FollowedTable[],
  outside: readonly OutsideTable[],
): Promise<boolean> {
  const published = await publishedNames(connection, publication);
  const known = new Set(outside.map(tableName));
  return tables.some(({ table }) => !published.has(tableName(table)) && !known.has(tableName(table)));
}

async function publishedNames(connection: PostgresConnection, publication: string): Promise<ReadonlySet<string>> {
  const found = await connection.rows("SELECT schemaname, tablename FROM pg_publication_tables WHERE pubname = $1", [
    publication,
  ]);
  return new Set(found.map(([schema, name]) => tableName({ schema: schema ?? "", name: name ?? "" })));
}

export interface PublishedTables {
  /** Tables that are told of from now on and were not before. */
  readonly added: readonly TableSchema[];
  readonly outside: readonly OutsideTable[];
}

/**
 * Adds tables that are not told of yet. Each is locked against writers for that moment, so that no transaction is told
 * half: `busy` ones are left for the next time.
 */
export async function publishTables(
  connection: PostgresConnection,
  publication: string,
  tables: readonly FollowedTable[],
): Promise<PublishedTables> {
  const published = await publishedNames(connection, publication);
  const added: TableSchema[] = [];
  const outside: OutsideTable[] = [];
  for (const { table, outside: reason } of tables) {
    const { schema, name } = table;
    const isPublished = published.has(tableName(table));
    if (reason !== undefined) {
      outside.push({ schema, name, reason });
      // Else the CRM could not change its rows.
      if (isPublished && reason === "no-identity") await alter(connection, publication, "DROP", table);
    } else if (!isPublished) {
      const result = await alter(connection, publication, "ADD", table);
      if (result === "done") added.push(table);
      else outside.push({ schema, name, reason: result });
    }
  }
  const [largeObjects] = (await largeObjectTable(connection)).tables;
  if (largeObjects) outside.push({ schema: largeObjects.schema, name: largeObjects.name, reason: "large-objects" });
  return { added, outside };
}

async function alter(
  connection: PostgresConnection,
  publication: string,
  what: "ADD" | "DROP",
  table: TableSchema,
): Promise<"done" | "rights" | "busy"> {
  const name = quoteQualified(table);
  try {
    await connection.run("BEGIN; SET LOCAL lock_timeout = 500");
    if (what === "ADD") await connection.run(`LOCK TABLE ONLY ${name} IN SHARE MODE`);
    await connection.run(`ALTER PUBLICATION ${publication} ${what} TABLE ONLY ${name}`);
    await connection.run("COMMIT");
    return "done";
  } catch (error) {
    await connection.run("ROLLBACK");
    if (isHoldfastError(error, "database-rights")) return "rights";
    if (isHoldfastError(error, "database-busy")) return "busy";
    throw error;
  }
}
