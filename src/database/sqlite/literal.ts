import type { TableSchema } from "../database.ts";
import { rowStatement } from "../row-statement.ts";
import { decodeField } from "./field.ts";
import { quoteName, quoteText } from "./identifier.ts";

function literal(field: string): string {
  const decoded = decodeField(field);
  switch (decoded.type) {
    case "null":
      return "NULL";
    case "integer":
      return String(decoded.value);
    case "real":
      return realLiteral(decoded.value);
    case "text":
      return quoteText(decoded.value);
    case "raw-text":
      return `CAST(X'${decoded.bytes.toString("hex")}' AS TEXT)`;
    case "blob":
      return `X'${decoded.bytes.toString("hex")}'`;
  }
}

/** With a point, so that it stays a real. */
function realLiteral(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? "9e999" : "-9e999";
  const text = String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** A row's change as a statement for SQLite's own shell. */
export function rowSql(table: TableSchema, before: string | undefined, after: string | undefined): string {
  const words = { table: ({ name }: TableSchema) => quoteName(name), name: quoteName, literal, beforeValues: "" };
  return rowStatement(words, table, before, after);
}
