import { HoldfastError } from "../../lib/errors.ts";
import type { DatabaseAddress, DatabaseSchema, LoadOptions, RowBatch, TableRows, TableSchema } from "../database.ts";
import { sideBySide } from "../side-by-side.ts";
import { type Environment, loginOf } from "./address.ts";
import { type Building, buildStatements } from "./build-statements.ts";
import { PostgresConnection } from "./connection.ts";
import { withDailyPath } from "./daily-path.ts";
import { sqlState } from "./failure.ts";
import { quoteName, quoteQualified, quoteText } from "./identifier.ts";
import { isLargeObjects, largeObjectColumns, largeObjectsFrom } from "./large-objects.ts";
import { moveSequences } from "./move-sequences.ts";
import { openMaintenance } from "./server-home.ts";
import type { Backslashes } from "./line-sql.ts";
import { createDatabaseSql, dailyPath, dailyPathSql, readSettings, type Settings, settingSql } from "./settings.ts";
import { type Step, Steps } from "./steps.ts";
import { loadedSums } from "./sums.ts";

/** While a database is built nobody uses it, and a half-built one is removed: nothing has to be waited for but the end. */
export const loadingSession =
  "SET synchronous_commit=off; SET check_function_bodies=off; SET lock_timeout=0; SET session_replication_role=origin";

/** An index is built in memory, where the server's own setting is meant for a smaller one; it takes no more than it needs. */
const sortingSql =
  "SELECT set_config(name, '256MB', false) FROM pg_settings WHERE name = 'maintenance_work_mem' AND setting::bigint < 262144";

const ofEventTrigger = /^(?:CREATE|ALTER|COMMENT ON|SECURITY LABEL (?:FOR \S+ )?ON) EVENT TRIGGER /;

/**
 * While sessions build and sum up side by side, each does so by itself: what the server's other processes would help takes a
 * quarter more of the processors. The last of all has them for itself.
 */
const byItselfSql = "SET max_parallel_maintenance_workers=0; SET max_parallel_workers_per_gather=0";
const helpedSql = "RESET max_parallel_maintenance_workers; SET max_parallel_workers_per_gather=1";

/** From so many rows on, a key's index is built before the key is there, beside whoever reads the table. */
const rowsOfLarge = 100_000;

/**
 * Builds a new database: definitions, rows, each table in one transaction that also empties it, so that its rows are
 * written frozen; keys and indexes; sequences; then foreign keys, triggers and what else comes after rows. Two sessions
 * load tables, build what comes after and have the server sum up what is loaded, side by side. Foreign keys are added
 * unchecked, and then checked side by side.
 */
export async function loadPostgres(
  address: DatabaseAddress,
  schema: DatabaseSchema,
  tables: AsyncIterable<TableRows>,
  { signal, grants = "restore", counters = "as-given", onRefused, onSums }: LoadOptions,
  environment: Environment,
): Promise<void> {
  const { database } = loginOf(address.url, environment);
  const settings = readSettings(schema);
  await using server = await openMaintenance(address, environment, signal);
  await createDatabase(server, createDatabaseSql(database, settings), database);
  try {
    // What every session that is opened now begins with; other settings could be in the way of building.
    const path = settingSql("search_path", dailyPath(settings));
    await server.run(`ALTER DATABASE ${quoteName(database)} ${path}`, database);
    await using opened = new AsyncDisposableStack();
    const open = async () => {
      const session = opened.use(await PostgresConnection.open(address, { environment, signal }));
      await session.run(`${loadingSession}; ${sortingSql}; ${byItselfSql}`);
      return session;
    };
    const opening = [open(), open()] as const;
    await settled(opening);
    const sessions = await Promise.all(opening);
    const [connection] = sessions;
    for (const statement of schema.before) await runStatement(connection, statement);
    const [watching, after] = partition(schema.after, ofEventTrigger);
    const { indexes, rest } = buildStatements({ ...schema, after });
    const keys = await loadTables(sessions, { tables, indexes, onSums, settings });
    await buildAll(sessions, keys);
    for (const session of sessions) await session.run(helpedSql);
    await setSequences(connection, schema);
    if (counters === "onward") {
      for (const table of schema.tables) if (!isLargeObjects(table)) await moveSequences(connection, table);
    }
    await server.run(`ALTER DATABASE ${quoteName(database)} RESET search_path`, database);
    for (const group of rest) await buildAll(sessions.slice(0, group.length), group);
    for (const [name, value] of settings.own) {
      await connection.run(`ALTER DATABASE ${quoteName(database)} ${settingSql(name, value)}`, name);
    }
    const [ofWatching, ofOthers] = partition(grants === "restore" ? (schema.grants ?? []) : [], ofEventTrigger);
    await giveGrants(connection, ofOthers, onRefused);
    // What any session committed without waiting is on disk with this one.
    await connection.run("SET synchronous_commit=on; CREATE TEMP TABLE holdfast_end AS SELECT 1");
    // The very last: they would be called by all that is done here, and may change rows that are summed up already.
    for (const statement of watching) await runStatement(connection, statement);
    await giveGrants(connection, ofWatching, onRefused);
  } catch (error) {
    await removeHalf(address, database, environment);
    throw error;
  }
}

function partition(statements: readonly string[], what: RegExp): readonly [readonly string[], readonly string[]] {
  return [statements.filter((sql) => what.test(sql)), statements.filter((sql) => !what.test(sql))];
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

interface Loading {
  readonly onSums: LoadOptions["onSums"];
  readonly tables: AsyncIterable<TableRows>;
  readonly indexes: readonly Building[];
  readonly settings: Settings;
}

/**
 * Rows, their indexes and sums: whoever finds no more table to load builds and sums up those that are loaded. What is left is to
 * make keys of indexes.
 */
async function loadTables(
  sessions: readonly PostgresConnection[],
  { tables, indexes, onSums, settings }: Loading,
): Promise<readonly Building[]> {
  const keys: Building[] = [];
  const steps = new Steps<PostgresConnection>();
  const ofTable = Map.groupBy(indexes, ({ alone, shared }) => [...alone, ...shared].join());
  // What follows a table waits until its session has asked for the next one: only then it is known whether more tables come.
  const following = new Map<PostgresConnection, readonly Step<PostgresConnection>[]>();
  const load = async (session: PostgresConnection, rows: TableRows): Promise<void> => {
    steps.throwIfFailed();
    steps.add(...(following.get(session) ?? []));
    const loaded = await loadTable(session, rows, settings);
    const name = quoteQualified(rows.table);
    const built = (ofTable.get(name) ?? []).map((one): Building => {
      if (one.apart === undefined || loaded.rows < rowsOfLarge) return one;
      keys.push({ ...one, sql: one.apart.key });
      return { sql: one.apart.index, alone: [], shared: one.alone };
    });
    const summed = onSums ? [summing(rows.table, loaded.backslashes, onSums)] : [];
    following.set(session, [...built.map(building), ...summed].map(helped));
    ofTable.delete(name);
  };
  let idle = 0;
  const after = async (session: PostgresConnection): Promise<void> => {
    steps.add(...(following.get(session) ?? []));
    if (++idle === sessions.length) {
      steps.add(...[...ofTable.values()].flat().map(building).map(helped));
      steps.end();
    }
    await steps.work(session);
  };
  await sideBySide(sessions, tables, load, { work: after, stop: (error) => steps.fail(error) });
  return keys;
}

async function buildAll(sessions: readonly PostgresConnection[], group: readonly Building[]): Promise<void> {
  const steps = new Steps<PostgresConnection>();
  steps.add(...group.map(building));
  steps.end();
  await settled(sessions.map((session) => steps.work(session)));
}

function building({ sql, alone, shared }: Building): Step<PostgresConnection> {
  return { kind: "build", alone, shared, run: (session) => runStatement(session, sql) };
}

/** The server's other processes help where nothing else is left for them to do. */
function helped(step: Step<PostgresConnection>): Step<PostgresConnection> {
  return {
    ...step,
    async run(session, beside) {
      if (beside === "nobody") await session.run(helpedSql);
      await step.run(session, beside);
    },
  };
}

function runStatement(session: PostgresConnection, sql: string): Promise<void> {
  return withDailyPath(session, () => session.run(sql, sql.slice(0, 80)));
}

function summing(
  table: TableSchema,
  backslashes: Backslashes,
  onSums: NonNullable<LoadOptions["onSums"]>,
): Step<PostgresConnection> {
  const run = async (session: PostgresConnection): Promise<void> => {
    const sums = await loadedSums(table, session, backslashes);
    if (sums) onSums(table, sums);
  };
  return { kind: "sum", alone: [], shared: [quoteQualified(table)], run };
}

/** Waits for all, then throws what the first that failed threw. */
async function settled(all: readonly Promise<unknown>[]): Promise<void> {
  const failure = (await Promise.allSettled(all)).find((one) => one.status === "rejected");
  if (failure) throw failure.reason;
}

interface Loaded {
  readonly rows: number;
  readonly backslashes: Backslashes;
}

async function loadTable(
  connection: PostgresConnection,
  { table, batches }: TableRows,
  settings: Settings,
): Promise<Loaded> {
  const subject = `${table.schema}.${table.name}`;
  if (isLargeObjects(table)) {
    await connection.run(`CREATE TEMP TABLE holdfast_pages (${largeObjectColumns})`);
    await connection.copyIn("COPY pg_temp.holdfast_pages FROM STDIN", batches, subject);
    for (const statement of largeObjectsFrom("pg_temp.holdfast_pages")) await connection.run(statement, subject);
    await connection.run("DROP TABLE pg_temp.holdfast_pages");
    return { rows: 0, backslashes: "possible" };
  }
  const name = quoteQualified(table);
  // Checks and generated columns call functions that were written for daily work.
  await connection.run(`BEGIN; ${dailyPathSql(dailyPath(settings), "transaction")}; TRUNCATE ONLY ${name}`, subject);
  let backslashes: Backslashes = "none";
  const looked = async function* (): AsyncGenerator<RowBatch> {
    for await (const batch of batches) {
      if (backslashes === "none" && batch.lines.includes(doubled)) backslashes = "possible";
      yield batch;
    }
  };
  const rows = await connection.copyIn(`COPY ${name}${columnList(table)} FROM STDIN WITH (FREEZE)`, looked(), subject);
  await connection.run("COMMIT", subject);
  return { rows, backslashes };
}

/** A backslash of a text as it stands in a line. */
const doubled = Buffer.from("\\\\");

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
