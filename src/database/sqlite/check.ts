import { DatabaseSync } from "node:sqlite";

import type { DatabaseFindings } from "../database.ts";
import { databaseFailure } from "./failure.ts";
import { sqlitePath } from "./location.ts";
import { all, text } from "./query.ts";

/**
 * Findings of `integrity_check`, in SQLite's words, and one per relation whose rows refer to rows that are not there.
 * SQLite enforces foreign keys only where an application asks for it, so orphans are common in sound databases; what a
 * restore must rule out is orphans that were not in the source.
 */
export async function checkSqlite(url: string, signal: AbortSignal): Promise<DatabaseFindings> {
  const path = sqlitePath(url);
  signal.throwIfAborted();
  try {
    const connection = new DatabaseSync(path, {
      readOnly: true,
      timeout: 10_000,
      enableDoubleQuotedStringLiterals: true,
    });
    try {
      const integrity = all(connection, "PRAGMA integrity_check").map((row) => text(row, "integrity_check"));
      return { damage: integrity.filter((finding) => finding !== "ok"), orphans: orphans(connection) };
    } finally {
      connection.close();
    }
  } catch (error) {
    throw databaseFailure("database-unreadable", { subject: path }, error);
  }
}

function orphans(connection: DatabaseSync): readonly string[] {
  const rows = all(
    connection,
    "SELECT [table] AS child, parent, count(*) AS rows FROM pragma_foreign_key_check GROUP BY 1, 2 ORDER BY 1, 2",
  );
  return rows.map((row) => `${text(row, "child")} -> ${text(row, "parent")}: ${text(row, "rows")}`);
}
