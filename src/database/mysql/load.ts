import { randomUUID } from "node:crypto";
import { HoldfastError, isHoldfastError } from "../../lib/errors.ts";
import type { DatabaseAddress, DatabaseSchema, LoadOptions, TableRows, TableSchema } from "../database.ts";
import { sideBySide } from "../side-by-side.ts";
import { saysBrokenView, viewOf } from "./broken-view.ts";
import { damageOf } from "./check.ts";
import { withoutDefiner } from "./definer.ts";
import { mysqlFailure, serverCode } from "./failure.ts";
import { quoteName, quoteText } from "./identifier.ts";
import { isEmpty } from "./identity.ts";
import { inspectDatabase } from "./inspect.ts";
import { summings } from "./loaded-sums.ts";
import { insertStatement, loadSettings, loadStatement, withoutChecks } from "./load-sql.ts";
import { targetOf, type Target } from "./location.ts";
import { eventState } from "./event-state.ts";
import { computesHashes } from "./snapshot.ts";
import { moveSequences } from "./move-sequences.ts";
import { Session } from "./session.ts";
import { type Piece, pieceBytes, TableLoad } from "./table-load.ts";

/** Rows are loaded side by side: the server puts those of one statement in place with one thread. */
const connections = 2;

/** A packet holds at least 16 MiB by default; an INSERT of a batch of 1 MiB needs little more than the batch. */
const insertBytes = 1 << 20;

/** Builds a new database, or fills one that is there and empty. When anything fails, there is again what was there before. */
export async function loadMysql(
  address: DatabaseAddress,
  schema: DatabaseSchema,
  tables: AsyncIterable<TableRows>,
  options: LoadOptions,
): Promise<void> {
  const target = await targetOf(address);
  const { signal } = options;
  const before = await createDatabase(target, schema, signal);
  try {
    await using opened = new AsyncDisposableStack();
    const sessions: Session[] = [];
    for (let count = 0; count < connections; count++) sessions.push(opened.use(await openLoader(target, signal)));
    const [first] = sessions;
    if (!first) throw new HoldfastError("internal", {});
    for (const statement of schema.before) await first.run(statement);
    const sums = options.onSums !== undefined && computesHashes(first.server);
    const made = sums ? (await inspectDatabase(first, "rows")).schema.tables : [];
    await sideBySide(sessions, loads(tables, made, options), (session, work) => work(session));
    await finish(first, schema, options);
  } catch (error) {
    // Not with the run's signal: it may be what ended the run.
    await putBack(target, before, AbortSignal.timeout(60_000)).catch(() => {});
    throw mysqlFailure("restore-mismatch", { path: target.location }, error);
  }
}

async function openLoader(target: Target, signal: AbortSignal): Promise<Session> {
  const session = await Session.open(target, target.database, signal);
  for (const statement of loadSettings) await session.run(statement);
  if (session.server.flavour === "mariadb") await session.run(withoutChecks);
  // MariaDB lets one statement at a time load a table that counts its rows; new indexes wait for whoever reads the table.
  await session.run("SET SESSION innodb_lock_wait_timeout=3600,lock_wait_timeout=3600");
  return session;
}

/** Gives the statement that makes the empty database anew that was there. */
async function createDatabase(
  target: Target,
  { engine, settings }: DatabaseSchema,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (engine !== "mysql") throw new HoldfastError("database-unsupported", { url: target.location, reason: engine });
  const word = (name: string): string => {
    const value = settings[name];
    if (typeof value === "string" && /^\w+$/.test(value)) return value;
    throw new HoldfastError("restore-mismatch", { subject: name, reason: "no name" });
  };
  await using session = await Session.open(target, undefined, signal);
  const [there] = await session.query(
    `SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME=${quoteText(target.database)}`,
  );
  if (!there) {
    const defaults = `CHARACTER SET ${word("character_set")} COLLATE ${word("collation")}`;
    // Its mark, by which it is known again whatever its name is (`identity.ts`).
    const comment = session.server.flavour === "mariadb" ? ` COMMENT 'holdfast ${randomUUID()}'` : "";
    await session.run(`CREATE DATABASE ${quoteName(target.database)} ${defaults}${comment}`);
    return undefined;
  }
  if (!(await isEmpty(session, target.database)))
    throw new HoldfastError("target-not-empty", { path: target.location });
  const [shown] = await session.query(`SHOW CREATE DATABASE ${quoteName(target.database)}`);
  return shown?.[1] ?? undefined;
}

async function putBack(target: Target, before: string | undefined, signal: AbortSignal): Promise<void> {
  await using session = await Session.open(target, undefined, signal);
  await session.run(`DROP DATABASE IF EXISTS ${quoteName(target.database)}`);
  if (before !== undefined) await session.run(before);
}

/**
 * A table after the other; who finds none left helps with one that is being loaded, since often one table is most of a database, and then
 * sums up large ones that are filled, while others build their indexes, each with one thread.
 * @param made tables as they are there, of a server that can sum them up
 */
async function* loads(
  tables: AsyncIterable<TableRows>,
  made: readonly TableSchema[],
  { onSums }: LoadOptions,
): AsyncGenerator<(session: Session) => Promise<void>> {
  const begun: TableLoad[] = [];
  for await (const rows of tables) {
    const load = new TableLoad(rows);
    begun.push(load);
    yield (session) => loadTable(session, load);
  }
  for (const load of begun) {
    if ((await load.prepared) === "large")
      yield (session) => load.help((piece) => sendRows(session, load.table, piece));
  }
  for (const load of begun) {
    const there = made.find(({ name }) => name === load.table.name);
    if (!there || !onSums || (await load.filled) !== "whole") continue;
    yield* summings(there, load.middle, (sums) => onSums(load.table, sums));
  }
}

async function loadTable(session: Session, load: TableLoad): Promise<void> {
  const { table } = load;
  await load.all(
    (piece) => sendRows(session, table, piece),
    // Built from all rows at once, an index takes a third of the time that it takes row by row.
    () => setIndexesAside(session, table.name),
    async (indexes) => {
      if (indexes.length > 0) await session.run(`ALTER TABLE ${quoteName(table.name)} ${indexes.join(",")}`);
    },
  );
  // While it is in the server's memory, and others load the next one.
  const [damage] = await damageOf(session, table.name);
  if (damage !== undefined) throw new HoldfastError("restore-mismatch", { detail: damage });
}

/** Takes away what a table has in plain indexes; gives the clauses of `ALTER TABLE` that make them again in their order. */
async function setIndexesAside(session: Session, table: string): Promise<readonly string[]> {
  const [shown] = await session.query(`SHOW CREATE TABLE ${quoteName(table)}`);
  const lines = (shown?.[1] ?? "").split("\n").map((line) => line.trim().replace(/,$/, ""));
  const keys = lines.flatMap((line) => /^KEY (`(?:[^`]|``)+`) /.exec(line)?.[1] ?? []);
  if (keys.length === 0 || lines.some((line) => /^(?:FULLTEXT|SPATIAL|VECTOR) KEY /.test(line))) return [];
  try {
    await session.run(`ALTER TABLE ${quoteName(table)} ${keys.map((name) => `DROP KEY ${name}`).join(",")}`);
  } catch (error) {
    if (!isHoldfastError(error, "database-unreadable")) throw error;
    return []; // one of them is needed: by a counter, say
  }
  return lines.filter((line) => line.startsWith("KEY `")).map((line) => `ADD ${line}`);
}

async function sendRows(session: Session, table: TableSchema, { lines, rows }: Piece): Promise<void> {
  if (await takesLocalFiles(session)) {
    const loaded = await session.load(loadStatement(table, "rows"), lines, pieceBytes);
    if (loaded.rows !== rows() || loaded.skipped > 0) {
      const detail = `${table.name}: ${loaded.rows - loaded.skipped}/${rows()}`;
      throw new HoldfastError("restore-mismatch", { detail });
    }
    return;
  }
  try {
    await session.run("START TRANSACTION");
    for await (const part of lines) await insert(session, table, part);
    await session.run("COMMIT");
  } catch (error) {
    if (!isHoldfastError(error, "database-unreadable") || !twice.has(serverCode(error.cause) ?? "")) throw error;
    // `LOAD DATA` passes such a row over, and its count tells.
    throw new HoldfastError("restore-mismatch", { detail: `${table.name}: ${String(error.facts["reason"])}` }, error);
  }
}

/** Two rows of one key; MariaDB, told not to look for them, finds them when all are there. */
const twice = new Set(["ER_DUP_ENTRY", "ER_ERROR_DURING_COMMIT", "ER_GET_ERRNO"]);

async function takesLocalFiles(session: Session): Promise<boolean> {
  const [row] = await session.query("SELECT @@global.local_infile");
  return row?.[0] === "1";
}

async function insert(session: Session, table: TableSchema, lines: Buffer): Promise<void> {
  for (let at = 0; at < lines.length;) {
    const cut = at + insertBytes >= lines.length ? lines.length - 1 : lines.lastIndexOf(10, at + insertBytes);
    const end = cut <= at ? lines.indexOf(10, at + insertBytes) : cut;
    await session.run(insertStatement(table, lines.subarray(at, end + 1)));
    at = end + 1;
  }
}

/** Counters, programs, rights: what comes when all rows are there. */
async function finish(session: Session, schema: DatabaseSchema, options: LoadOptions): Promise<void> {
  for (const statement of counterStatements(schema)) await session.run(statement);
  if (options.counters === "onward") for (const table of schema.tables) await moveSequences(session, table);
  // An event would run in the copy as soon as it is there; it is woken when the copy takes the place of the original.
  for (const statement of schema.after) await runProgram(session, eventState(statement, "asleep"), options);
  await session.run("SET NAMES utf8mb4");
  for (const statement of loadSettings) await session.run(statement);
  if (options.grants === "skip") return;
  for (const statement of schema.grants ?? []) {
    try {
      await session.run(statement);
    } catch (error) {
      refused(options, statement, error);
    }
  }
}

/** A counter never falls behind: not behind the rows, which the server sees to, nor behind what was handed out. */
export function counterStatements({ sequences, tables }: DatabaseSchema): readonly string[] {
  const names = new Set(tables.map(({ name }) => name));
  return sequences.map(({ name, value }) => {
    if (!/^-?\d{1,20}$/.test(value))
      throw new HoldfastError("restore-mismatch", { subject: name, reason: "no number" });
    return names.has(name)
      ? `ALTER TABLE ${quoteName(name)} AUTO_INCREMENT=${value}`
      : `DO SETVAL(${quoteName(name)},${value},0)`;
  });
}

async function runProgram(session: Session, statement: string, options: LoadOptions): Promise<void> {
  try {
    await runOwned(session, statement, options);
  } catch (error) {
    if (viewOf(statement) === undefined || !saysBrokenView(error)) throw error;
    refused(options, statement, error);
  }
}

async function runOwned(session: Session, statement: string, options: LoadOptions): Promise<void> {
  const plain = withoutDefiner(statement);
  if (options.grants === "skip" || plain === statement) return session.run(plain);
  try {
    await session.run(statement);
  } catch (error) {
    // A definer that is not there, or that only an administrator may name.
    const code = error instanceof HoldfastError ? serverCode(error.cause) : undefined;
    if (code !== "ER_SPECIFIC_ACCESS_DENIED_ERROR" && code !== "ER_NO_SUCH_USER") throw error;
    refused(options, statement, error);
    await session.run(plain);
  }
}

function refused({ onRefused }: LoadOptions, statement: string, error: unknown): void {
  if (!(error instanceof HoldfastError)) throw error;
  onRefused?.(statement.slice(0, 200), String(error.facts["reason"] ?? error.code));
}
