import type { RowBatch, TableSchema } from "../database/database.ts";
import { decodeField } from "../database/sqlite/field.ts";

export interface ColumnText {
  readonly text: string;
  /** The row, ready to show: `ir_attachment 12`. */
  readonly row: string;
}

/** The texts of one column in a batch of rows; rows without a text there (NULL, empty, numbers, binary) are left out. */
export function* columnTexts(table: TableSchema, batch: RowBatch, column: string): Iterable<ColumnText> {
  const index = table.columns.findIndex(({ name }) => name === column);
  if (index < 0) return;
  const lines = batch.lines.toString("latin1");
  for (let start = 0; start < lines.length;) {
    const newline = lines.indexOf("\n", start);
    const end = newline < 0 ? lines.length : newline;
    const fields = lines.slice(start, end).split("\t", Math.max(index, table.keyLength) + 1);
    start = end + 1;
    const text = shown(fields[index] ?? "\\N");
    if (text === "") continue;
    const key = fields.slice(0, table.keyLength).map((field) => shown(field, "any"));
    yield { text, row: [table.name, ...key].join(" ") };
  }
}

function shown(field: string, types: "text" | "any" = "text"): string {
  const value = decodeField(field);
  switch (value.type) {
    case "text":
      return value.value;
    case "integer":
    case "real":
      return types === "any" ? String(value.value) : "";
    default:
      return ""; // NULL, binary, and text that is none
  }
}
