import type { DatabaseEngine, RowBatch, TableSchema } from "../database/database.ts";

export interface ColumnText {
  readonly text: string;
  /** The row, ready to show: `ir_attachment 12`. */
  readonly row: string;
}

/** How an engine's fields are read. */
export type FieldRules = Pick<DatabaseEngine, "readable" | "textOf">;

/** The texts of one column in a batch of rows; rows without a text there (NULL, empty, numbers, binary) are left out. */
export function* columnTexts(
  rules: FieldRules,
  table: TableSchema,
  batch: RowBatch,
  column: string,
): Iterable<ColumnText> {
  const index = table.columns.findIndex(({ name }) => name === column);
  const schema = table.columns[index];
  if (!schema) return;
  const lines = batch.lines.toString("latin1");
  for (let start = 0; start < lines.length;) {
    const newline = lines.indexOf("\n", start);
    const end = newline < 0 ? lines.length : newline;
    const fields = lines.slice(start, end).split("\t", Math.max(index, table.keyLength) + 1);
    start = end + 1;
    const text = rules.textOf(fields[index] ?? "\\N", schema);
    if (text === undefined || text === "") continue;
    const key = table.columns
      .slice(0, table.keyLength)
      .map((one, at) => rules.readable(fields[at] ?? "\\N", one) ?? "");
    yield { text, row: [table.name, ...key].join(" ") };
  }
}
