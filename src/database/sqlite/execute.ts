import { DatabaseSync } from "node:sqlite";

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
