import type { ColumnSchema, TableSchema } from "../database.ts";
import { rowStatement } from "../row-statement.ts";
import { unescaped } from "./field.ts";
import { quoteName, quoteQualified, quoteText } from "./identifier.ts";

/** A field of a line as SQL. */
export function literal({ type }: Pick<ColumnSchema, "type">, field: string): string {
  if (field === "\\N") return "NULL";
  return `${quoteText(Buffer.from(unescaped(field), "latin1").toString("utf8"))}::${type}`;
}

/** A row's change as a statement. Identities are what the row says, whoever is said to generate them. */
export function rowSql(table: TableSchema, before: string | undefined, after: string | undefined): string {
  const words = {
    table: quoteQualified,
    name: quoteName,
    literal: (field: string, column: ColumnSchema) => literal(column, field),
    beforeValues: " OVERRIDING SYSTEM VALUE",
  };
  return rowStatement(words, table, before, after);
}
