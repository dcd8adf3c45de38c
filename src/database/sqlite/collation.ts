import { DatabaseSync } from "node:sqlite";

import type { TableSchema } from "../database.ts";
import { quoteName } from "./identifier.ts";
import { all, text } from "./query.ts";
import { runSchemaStatement, schemaOptions } from "./statements.ts";

/**
 * Key columns that do not compare by bytes. SQLite tells the collation of an index's columns, not of a table's: so the table
 * is made again in memory, with an index over its key.
 */
export function collatedColumns(connection: DatabaseSync, table: TableSchema): ReadonlySet<string> {
  const definition = all(
    connection,
    "SELECT sql FROM main.sqlite_schema WHERE type = 'table' AND name = ?",
    table.name,
  )[0];
  const sql = text(definition, "sql");
  if (!/collate/i.test(sql)) return new Set();
  const key = table.columns.slice(0, table.keyLength).map(({ name }) => name);
  const scratch = new DatabaseSync(":memory:", schemaOptions);
  try {
    runSchemaStatement(scratch, sql);
    runSchemaStatement(
      scratch,
      `CREATE INDEX "holdfast key" ON ${quoteName(table.name)}(${key.map(quoteName).join(",")})`,
    );
    const columns = all(
      scratch,
      "SELECT name FROM pragma_index_xinfo('holdfast key') WHERE coll <> 'BINARY' AND key = 1",
    );
    return new Set(columns.map((row) => text(row, "name")));
  } finally {
    scratch.close();
  }
}
