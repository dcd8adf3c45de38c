import { HoldfastError } from "../../lib/errors.ts";
import type { DatabaseAddress, DatabaseSchema, LoadOptions, TableRows } from "../database.ts";
import { sideBySide } from "../side-by-side.ts";
import { type Environment, loginOf } from "./address.ts";
import { PostgresConnection } from "./connection.ts";
import { sqlState } from "./failure.ts";
import { quoteName, quoteQualified, quoteText } from "./identifier.ts";
import { isLargeObjects, largeObjectColumns, largeObjectsFrom } from "./large-objects.ts";
import { openMaintenance } from "./server-home.ts";
import { createDatabaseSql, readSettings } from "./settings.ts";

/** While a database is built nobody uses it, and a half-built one is removed: nothing has to be waited for but the end. */
export const loadingSession =
  "SET synchronous_commit=off; SET check_function_bodies=off; SET lock_timeout=0; SET session_replication_role=origin";

/** An index is built in memory, where the server's own setting is meant for a smaller one; it takes no more than it needs. */
const sortingSql =
  "SELECT set_config(name, '256MB', false) FROM pg_settings WHERE name = 'maintenance_work_mem' AND setting::bigint < 262144";

/**
 * Builds a new database: definitions, rows, each table in one transaction that also empties it, so that its rows are
 * written frozen; sequences; then keys, indexes, triggers and what else comes after rows. Two sessions load tables and
 * build indexes side by side. Foreign keys are checked as they are added.
 */
export async function loadPostgres(
  address: DatabaseAddress,
  schema: DatabaseSchema,
  tables: AsyncIterable<TableRows>,
  { signal, grants = "restore", onRefused }: LoadOptions,
  environment: Environment,
): Promise<void> {
  const { database } = loginOf(address.url, environment);
  const settings = readSettings(schema);
  await using server = await openMaintenance(address, environment, signal);
  await createDatabase(server, createDatabaseSql(database, settings), database);
  try {
    await using opened = new AsyncDisposableStack();
    const open = async () => {
      const session = opened.use(await PostgresConnection.open(address, { environment, signal }));
      await session.run(loadingSession);
      await session.run(sortingSql);
      return session;
    };
    const connection = await open();
    const sessions = [connection, await open()];
    await runStatements(connection, schema.before);
    await sideBySide(sessions, tables, loadTable);
    await setSequences(connection, schema);
    for (const group of indexGroups(schema.after)) {
      await sideBySide(sessions.slice(0, group.length), group, (session, one) => runStatements(session, [one]));
    }
    for (const [name, value] of settings.own) {
      await connection.run(`ALTER DATABASE ${quoteName(database)} SET ${name} TO ${quoteText(value)}`, name);
    }
    if (grants === "restore") await giveGrants(connection, schema.grants ?? [], onRefused);
    // What any session committed without waiting is on disk with this one.
    await connection.run("SET synchronous_commit=on; CREATE TEMP TABLE holdfast_end AS SELECT 1");
  } catch (error) {
    await removeHalf(address, database, environment);
    throw error;
  }
}

async function createDatabase(server: PostgresConnection, sql: string, database: string): Promise<void> {
  try {
    await server.run(sql, database);
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    if (sqlState(cause) === "42P04") throw new HoldfastError("target-not-empty", { path: database }, error);
    throw error;
  }
}

async function runStatements(connection: PostgresConnection, statements: readonly string[]): Promise<void> {
  for (const statement of statements) await connection.run(statement, statement.slice(0, 80));
}

/** Builds of indexes, each of which needs none of the others. */
const buildsIndex = /^(CREATE (UNIQUE )?INDEX|ALTER TABLE (ONLY )?\S+\s+ADD CONSTRAINT \S+ (PRIMARY KEY|UNIQUE)) /;

/** The statements in their order: neighbours that build indexes in one group, any other in a group of its own. */
function indexGroups(statements: readonly string[]): readonly (readonly string[])[] {
  const groups: string[][] = [];
  let isOpen = false;
  for (const statement of statements) {
    const builds = buildsIndex.test(statement);
    if (builds && isOpen) groups.at(-1)?.push(statement);
    else groups.push([statement]);
    isOpen = builds;
  }
  return groups;
}

async function loadTable(connection: PostgresConnection, { table, batches }: TableRows): Promise<void> {
  const subject = `${table.schema}.${table.name}`;
  if (isLargeObjects(table)) {
    await connection.run(`CREATE TEMP TABLE holdfast_pages (${largeObjectColumns})`);
    await connection.copyIn("COPY pg_temp.holdfast_pages FROM STDIN", batches, subject);
    for (const statement of largeObjectsFrom("pg_temp.holdfast_pages")) await connection.run(statement, subject);
    await connection.run("DROP TABLE pg_temp.holdfast_pages");
    return;
  }
  const name = quoteQualified(table);
  await connection.run(`BEGIN; TRUNCATE ONLY ${name}`, subject);
  await connection.copyIn(`COPY ${name}${columnList(table)} FROM STDIN WITH (FREEZE)`, batches, subject);
  await connection.run("COMMIT", subject);
}

/** Generated columns are not in lines. A table may have no columns at all. */
export function columnList({ columns }: TableRows["table"]): string {
  return columns.length === 0 ? "" : ` (${columns.map(({ name }) => quoteName(name)).join(",")})`;
}

async function setSequences(connection: PostgresConnection, { sequences }: DatabaseSchema): Promise<void> {
  for (let at = 0; at < sequences.length; at += 100) {
    await connection.run(
      sequences
        .slice(at, at + 100)
        .map(sequenceSql)
        .join(";"),
    );
  }
}

export function sequenceSql({ name, value, called = true }: DatabaseSchema["sequences"][number]): string {
  if (!/^-?\d{1,19}$/.test(value)) throw new HoldfastError("restore-mismatch", { subject: name });
  return `SELECT setval(${quoteText(name)}::regclass, ${value}, ${called})`;
}

async function giveGrants(
  connection: PostgresConnection,
  statements: readonly string[],
  onRefused: LoadOptions["onRefused"],
): Promise<void> {
  for (const statement of statements) {
    try {
      await connection.run(statement, statement);
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.code === "database-unreachable") throw error;
      onRefused?.(statement, String(error.facts["reason"] ?? error.code));
    }
  }
}

/** Best effort: the restore's own record names what is left. */
async function removeHalf(address: DatabaseAddress, database: string, environment: Environment): Promise<void> {
  const { signal } = new AbortController();
  try {
    await using server = await openMaintenance(address, environment, signal);
    await server.run(`DROP DATABASE IF EXISTS ${quoteName(database)} WITH (FORCE)`);
  } catch {
    // The server is gone: its database is removed by `undo`, or by applying the plan again.
  }
}
