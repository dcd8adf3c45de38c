import type { DatabaseSync } from "node:sqlite";

import { quoteName } from "./identifier.ts";
import { tableKind } from "./inspect.ts";
import { all, databaseBytes, number, text } from "./query.ts";

/** Rows by what `ANALYZE` found, else by the highest rowid, which costs one look; bytes by pages in use. */
export function estimateDatabase(connection: DatabaseSync): { tables: number; rows: number; bytes: number } {
  const tables = all(
    connection,
    "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND rootpage > 0 AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
  ).map((row) => text(row, "name"));
  const analyzed = analyzedRows(connection);
  const rows = tables.map((table) => analyzed.get(table) ?? countRows(connection, table));
  return { tables: tables.length, rows: rows.reduce((sum, count) => sum + count, 0), bytes: databaseBytes(connection) };
}

function analyzedRows(connection: DatabaseSync): ReadonlyMap<string, number> {
  const has = all(connection, "SELECT 1 FROM main.sqlite_schema WHERE name = 'sqlite_stat1'").length > 0;
  if (!has) return new Map();
  const rows = all(connection, "SELECT tbl, max(CAST(stat AS INTEGER)) AS rows FROM main.sqlite_stat1 GROUP BY tbl");
  return new Map(rows.map((row) => [text(row, "tbl"), number(row, "rows")]));
}

function countRows(connection: DatabaseSync, table: string): number {
  const { withoutRowid } = tableKind(connection, table);
  const expression = withoutRowid ? "count(*)" : "max(rowid)";
  try {
    return number(
      all(connection, `SELECT CAST(${expression} AS REAL) AS rows FROM main.${quoteName(table)}`)[0],
      "rows",
    );
  } catch {
    // A collation that only the application has: the table is named as not covered elsewhere.
    return 0;
  }
}
