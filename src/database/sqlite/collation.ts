import { DatabaseSync } from "node:sqlite";

import type { TableSchema } from "../database.ts";
import { quoteName } from "./identifier.ts";
import { all, text } from "./query.ts";
import { runSchemaStatement, schemaOptions } from "./statements.ts";

/**
 * Collations of columns that do not compare by bytes. SQLite tells those of an index's columns, not of a table's: so the table
 * is made again in memory, with an index over them.
 */
export function collationsOf(
  connection: DatabaseSync,
  table: TableSchema,
  columns: readonly string[],
): ReadonlyMap<string, string> {
  const definition = all(
    connection,
    "SELECT sql FROM main.sqlite_schema WHERE type = 'table' AND name = ?",
    table.name,
  )[0];
  const sql = text(definition, "sql");
  if (!/collate/i.test(sql)) return new Map();
  const scratch = new DatabaseSync(":memory:", schemaOptions);
  try {
    runSchemaStatement(scratch, sql);
    runSchemaStatement(
      scratch,
      `CREATE INDEX "holdfast columns" ON ${quoteName(table.name)}(${columns.map(quoteName).join(",")})`,
    );
    const collated = all(
      scratch,
      "SELECT name, coll FROM pragma_index_xinfo('holdfast columns') WHERE coll <> 'BINARY' AND key = 1",
    );
    return new Map(collated.map((row) => [text(row, "name"), text(row, "coll")]));
  } finally {
    scratch.close();
  }
}
