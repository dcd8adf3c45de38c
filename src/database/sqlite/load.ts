import { lstat, open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { HoldfastError } from "../../lib/errors.ts";
import { hasSystemCode } from "../../lib/system-code.ts";
import type { DatabaseSchema, TableRows } from "../database.ts";
import { databaseFailure, sqliteCode, sqliteErrorCode } from "./failure.ts";
import { sqliteFileSuffixes, sqlitePath } from "./location.ts";
import { RowInserter } from "./row-inserter.ts";
import { readSettings, type Settings } from "./settings.ts";
import { runSchemaStatement, schemaOptions } from "./statements.ts";

/**
 * Builds a new database file. While it is being built there is no journal and nothing is flushed, since a half-built file
 * is removed anyway; at the end it is flushed to disk. Only this user may read it: whoever restores gives it its owner and permissions.
 */
export async function loadSqlite(
  url: string,
  schema: DatabaseSchema,
  tables: AsyncIterable<TableRows>,
  signal: AbortSignal,
): Promise<void> {
  const path = sqlitePath(url);
  const settings = readSettings(schema);
  await refuseExisting(path);
  await createEmpty(path);
  try {
    const connection = new DatabaseSync(path, schemaOptions);
    try {
      prepare(connection, settings, schema);
      for await (const rows of tables) await loadTable(connection, rows, signal);
      finish(connection, settings, schema);
    } finally {
      connection.close();
    }
    await makeDurable(path);
  } catch (error) {
    for (const suffix of sqliteFileSuffixes) await rm(path + suffix, { force: true });
    const full = sqliteErrorCode(error) === sqliteCode.full || hasSystemCode(error, "ENOSPC");
    throw databaseFailure(full ? "target-full" : "restore-mismatch", { subject: path }, error);
  }
}

async function refuseExisting(path: string): Promise<void> {
  for (const suffix of sqliteFileSuffixes) {
    const found = await lstat(path + suffix).catch(() => undefined);
    if (found !== undefined) throw new HoldfastError("target-not-empty", { subject: path + suffix });
  }
}

async function createEmpty(path: string): Promise<void> {
  try {
    // `wx` also refuses a link planted in between; only this user may read while rows arrive.
    await (await open(path, "wx", 0o600)).close();
  } catch (error) {
    throw databaseFailure("target-unsafe", { subject: path }, error);
  }
}

function prepare(connection: DatabaseSync, settings: Settings, schema: DatabaseSchema): void {
  connection.exec(
    `PRAGMA encoding='${settings.encoding}'; PRAGMA page_size=${settings.pageSize}; PRAGMA auto_vacuum=${settings.autoVacuum};` +
      // Words of an index that is built again are gone from the file too.
      "PRAGMA secure_delete=ON; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-65536;" +
      // What a table holds is given back even where it breaks its own rules, which SQLite lets happen.
      "PRAGMA ignore_check_constraints=ON; BEGIN",
  );
  for (const statement of schema.before) runSchemaStatement(connection, statement);
}

async function loadTable(connection: DatabaseSync, { table, batches }: TableRows, signal: AbortSignal): Promise<void> {
  const inserter = new RowInserter(connection, table);
  try {
    for await (const batch of batches) {
      signal.throwIfAborted();
      inserter.insert(batch.lines);
    }
  } catch (error) {
    if (sqliteErrorCode(error) === sqliteCode.full) throw error;
    throw databaseFailure("restore-mismatch", { subject: table.name }, error);
  }
}

function finish(connection: DatabaseSync, settings: Settings, schema: DatabaseSchema): void {
  if (settings.hasCounters) {
    // Rows that were inserted moved the counters.
    connection.exec("DELETE FROM main.sqlite_sequence");
    const insert = connection.prepare("INSERT INTO main.sqlite_sequence(name,seq) VALUES(?,CAST(? AS INTEGER))");
    insert.setReadBigInts(true);
    for (const { name, value } of schema.sequences) insert.run(name, value);
  }
  for (const statement of schema.after) runSchemaStatement(connection, statement);
  connection.exec(
    `COMMIT; PRAGMA user_version=${settings.userVersion}; PRAGMA application_id=${settings.applicationId}; PRAGMA locking_mode=NORMAL`,
  );
  // In WAL mode this one setting is stored in the file; the other journal modes are each connection's own choice.
  connection.prepare(`PRAGMA journal_mode=${settings.journalMode}`).get();
}

async function makeDurable(path: string): Promise<void> {
  for (const name of [path, dirname(path)]) {
    await using file = await open(name, "r");
    await file.sync();
  }
}
