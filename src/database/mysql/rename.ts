import { HoldfastError } from "../../lib/errors.ts";
import { saysBrokenView, viewOf } from "./broken-view.ts";
import { eventState } from "./event-state.ts";
import { serverCode } from "./failure.ts";
import { othersIn } from "./holders.ts";
import { quoteName, quoteText } from "./identifier.ts";
import { identityOf, isEmpty } from "./identity.ts";
import { dropMarker, readMarker, writeMarker } from "./marker.ts";
import { programs, type Uncovered } from "./programs.ts";
import type { Session } from "./session.ts";

/** Errors of a program that is there already, from an attempt that was cut off. */
const madeBefore = new Set([
  "ER_TRG_ALREADY_EXISTS",
  "ER_SP_ALREADY_EXISTS",
  "ER_EVENT_ALREADY_EXISTS",
  "ER_TABLE_EXISTS_ERROR",
]);

/**
 * Gives a database another name, which no server of this family can do by itself. Tables go over in one statement, all
 * or none, and foreign keys follow them. What refers to its database by name must be made again: triggers, views,
 * routines and events, whose statements are put down in the new database first (`marker.ts`). Cut off anywhere, the same
 * call finishes it.
 *
 * @param events whether events run in the new place
 */
export async function renameDatabase(
  session: Session,
  from: string,
  to: string,
  events: "asleep" | "awake",
): Promise<void> {
  let marker = await readMarker(session, to);
  if (!marker) {
    await refuseUsed(session, from);
    await begin(session, from, to, events);
    marker = await readMarker(session, to);
  }
  if (marker?.source !== from) throw new HoldfastError("target-not-empty", { path: to });
  if (await isThere(session, from)) {
    // From here on the source is not whole by itself: should the new place be lost, it must not pass for what it was.
    if (marker.identity?.startsWith("holdfast ")) await session.run(`ALTER DATABASE ${quoteName(from)} COMMENT ''`);
    await dropPrograms(session, from);
    await moveTables(session, from, to);
  }
  await session.run(`USE ${quoteName(to)}`);
  await session.run("SET SESSION foreign_key_checks=0");
  for (const statement of marker.statements) {
    await session.run(statement).catch((error: unknown) => {
      const code = error instanceof HoldfastError ? serverCode(error.cause) : undefined;
      // What no server takes must not end a move half-way: it was of no use in the old place either.
      if (viewOf(statement) !== undefined && saysBrokenView(error)) return;
      if (!madeBefore.has(code ?? "")) throw error;
    });
  }
  await session.run("SET NAMES utf8mb4");
  await session.run(`DROP DATABASE IF EXISTS ${quoteName(from)}`);
  await dropMarker(session, to);
}

async function begin(session: Session, from: string, to: string, events: "asleep" | "awake"): Promise<void> {
  const isMariadb = session.server.flavour === "mariadb";
  const [row] = await session.query(
    `SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME, ${isMariadb ? "SCHEMA_COMMENT" : "''"} ` +
      `FROM information_schema.SCHEMATA WHERE SCHEMA_NAME=${quoteText(from)}`,
  );
  if (!row) throw new HoldfastError("database-missing", { path: from });
  await dropHalfMade(session, to);
  const [charset, collation, comment] = row;
  await session.run(`USE ${quoteName(from)}`);
  const lost: Uncovered[] = [];
  const views = await namesOf(session, "TABLE_TYPE='VIEW'");
  const { after } = await programs(session, views, lost);
  const hidden = lost.find(({ reason }) => reason !== "mysql-view");
  if (hidden) throw new HoldfastError("database-rights", { subject: hidden.subject, reason: hidden.reason });
  const identity = await identityOf(session, from);
  await session.run(`CREATE DATABASE ${quoteName(to)} CHARACTER SET ${charset} COLLATE ${collation}`);
  const statements = [
    ...(await sequenceDefaults(session, from)),
    ...(await danglingKeys(session)),
    ...after.map((one) => eventState(one, events)),
    // The comment tells who it is (`identity.ts`): two must not have it.
    ...(comment ? [`ALTER DATABASE COMMENT ${quoteText(comment)}`] : []),
  ];
  await writeMarker(session, to, { source: from, identity, statements });
}

async function refuseUsed(session: Session, database: string): Promise<void> {
  const [used] = await othersIn(session, database);
  if (used) throw new HoldfastError("target-in-use", { path: database, pid: used.pid, command: used.command });
}

/** What an attempt left that was cut off before its marker was whole. Anything else is somebody's. */
async function dropHalfMade(session: Session, to: string): Promise<void> {
  if (!(await isThere(session, to))) return;
  if (!(await isEmpty(session, to))) throw new HoldfastError("target-not-empty", { path: to });
  await session.run(`DROP DATABASE ${quoteName(to)}`);
}

export async function isThere(session: Session, database: string): Promise<boolean> {
  const rows = await session.query(
    `SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME=${quoteText(database)}`,
  );
  return rows.length > 0;
}

/** Tables, sequences and views of the default database that meet a condition. */
async function namesOf(session: Session, condition: string): Promise<string[]> {
  const rows = await session.query(
    `SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA=DATABASE() AND ${condition}`,
  );
  return rows.map(([name]) => name ?? "");
}

async function dropPrograms(session: Session, database: string): Promise<void> {
  await session.run(`USE ${quoteName(database)}`);
  const drop = async (sql: string): Promise<void> => {
    for (const [kind, name] of await session.query(sql)) {
      await session.run(`DROP ${kind === "PACKAGE BODY" ? "PACKAGE BODY" : kind} IF EXISTS ${quoteName(name ?? "")}`);
    }
  };
  await drop("SELECT 'EVENT', EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA=DATABASE()");
  await drop("SELECT 'TRIGGER', TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA=DATABASE()");
  await drop("SELECT 'VIEW', TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA=DATABASE()");
  await drop("SELECT ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA=DATABASE()");
}

async function moveTables(session: Session, from: string, to: string): Promise<void> {
  const names = await namesOf(session, "TABLE_TYPE<>'VIEW'");
  if (names.length === 0) return;
  await session.run("SET SESSION foreign_key_checks=0");
  const moves = names.map((name) => `${quoteName(from)}.${quoteName(name)} TO ${quoteName(to)}.${quoteName(name)}`);
  await session.run(`RENAME TABLE ${moves.join(",")}`);
}

/** A default that takes from a sequence names its database. Columns of views show the defaults of their tables. */
async function sequenceDefaults(session: Session, database: string): Promise<readonly string[]> {
  const rows = await session.query(
    "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_DEFAULT FROM information_schema.COLUMNS JOIN information_schema.TABLES " +
      "USING (TABLE_SCHEMA, TABLE_NAME) WHERE TABLE_SCHEMA=DATABASE() AND TABLE_TYPE<>'VIEW' " +
      "AND (COLUMN_DEFAULT LIKE '%nextval(%' OR COLUMN_DEFAULT LIKE '%lastval(%')",
  );
  const changes = new Map<string, string[]>();
  for (const [table, column, value] of rows) {
    const plain = (value ?? "").replaceAll(`${quoteName(database)}.`, "");
    const ofTable = changes.get(table ?? "") ?? [];
    changes.set(table ?? "", ofTable);
    ofTable.push(`ALTER COLUMN ${quoteName(column ?? "")} SET DEFAULT (${plain})`);
  }
  // All of a table at once: it takes no change while a default leads nowhere.
  return [...changes].map(([table, columns]) => `ALTER TABLE ${quoteName(table)} ${columns.join(",")}`);
}

/** A foreign key to a table that is not there stays behind with the database's old name, and is made again. */
async function danglingKeys(session: Session): Promise<readonly string[]> {
  const rows = await session.query(
    "SELECT TABLE_NAME, CONSTRAINT_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS r WHERE CONSTRAINT_SCHEMA=DATABASE() " +
      "AND UNIQUE_CONSTRAINT_SCHEMA=DATABASE() AND NOT EXISTS (SELECT 1 FROM information_schema.TABLES t " +
      "WHERE t.TABLE_SCHEMA=DATABASE() AND t.TABLE_NAME=r.REFERENCED_TABLE_NAME)",
  );
  const statements: string[] = [];
  const ifThere = session.server.flavour === "mariadb" ? "IF EXISTS " : "";
  for (const [table, key] of rows) {
    const [shown] = await session.query(`SHOW CREATE TABLE ${quoteName(table ?? "")}`);
    const name = quoteName(key ?? "");
    const line = shown?.[1]?.split("\n").find((one) => one.trimStart().startsWith(`CONSTRAINT ${name} FOREIGN KEY`));
    if (line === undefined) continue;
    const alter = `ALTER TABLE ${quoteName(table ?? "")}`;
    statements.push(`${alter} DROP FOREIGN KEY ${ifThere}${name}`, `${alter} ADD ${line.trim().replace(/,$/, "")}`);
  }
  return statements;
}
