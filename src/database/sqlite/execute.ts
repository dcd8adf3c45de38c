import { DatabaseSync, type SQLOutputValue } from "node:sqlite";

import { databaseFailure } from "./failure.ts";
import { sqlitePath } from "./location.ts";

/** Runs statements on an existing database, all in one transaction or none. */
export async function executeSqlite(url: string, statements: readonly string[], signal: AbortSignal): Promise<void> {
  const path = sqlitePath(url);
  signal.throwIfAborted();
  try {
    const connection = new DatabaseSync(path, { timeout: 10_000, enableDoubleQuotedStringLiterals: true });
    try {
      connection.exec("BEGIN IMMEDIATE");
      for (const statement of statements) connection.exec(statement);
      connection.exec("COMMIT");
    } finally {
      // Closing rolls back what was not committed.
      connection.close();
    }
  } catch (error) {
    throw databaseFailure("database-unreadable", { subject: path }, error);
  }
}

/** The first value of a statement, which changes nothing here: the connection is read-only. */
export async function askSqlite(url: string, statement: string, signal: AbortSignal): Promise<string | null> {
  const path = sqlitePath(url);
  signal.throwIfAborted();
  try {
    const connection = new DatabaseSync(path, {
      readOnly: true,
      timeout: 10_000,
      enableDoubleQuotedStringLiterals: true,
    });
    try {
      const question = connection.prepare(statement);
      question.setReadBigInts(true);
      question.setReturnArrays(true);
      const row = question.get() as unknown as readonly SQLOutputValue[] | undefined;
      const value = row?.[0] ?? null;
      return value === null || value instanceof Uint8Array ? null : String(value);
    } finally {
      connection.close();
    }
  } catch (error) {
    throw databaseFailure("database-unreadable", { subject: path }, error);
  }
}
