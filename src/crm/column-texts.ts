import type { ColumnSchema, DatabaseEngine, RowBatch, TableSchema } from "../database/database.ts";

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
  for (const { texts, row } of rowTexts(rules, table, batch, [column])) {
    const [text] = texts;
    if (text !== undefined && text !== "") yield { text, row };
  }
}

/** The texts of several columns, row by row; `undefined` for what is no text. Nothing when a column is not there. */
export function rowTexts(
  rules: FieldRules,
  table: TableSchema,
  batch: RowBatch,
  columns: readonly string[],
): Iterable<RowOf<string | undefined>> {
  return rowsOf(rules, table, batch, columns, (field, column) => rules.textOf(field, column) || undefined);
}

/** The same for values of any type as a person reads them; `undefined` for NULL. */
export function rowValues(
  rules: FieldRules,
  table: TableSchema,
  batch: RowBatch,
  columns: readonly string[],
): Iterable<RowOf<string | undefined>> {
  return rowsOf(rules, table, batch, columns, (field, column) => rules.readable(field, column) ?? undefined);
}

/** Whether a value as a person reads it says yes: MariaDB has 1, PostgreSQL t. */
export function isTrue(value: string | undefined): boolean {
  return value !== undefined && /^(1|t|true)$/i.test(value);
}

interface RowOf<T> {
  readonly texts: readonly T[];
  readonly row: string;
}

function* rowsOf(
  rules: FieldRules,
  table: TableSchema,
  batch: RowBatch,
  columns: readonly string[],
  valueOf: (field: string, column: ColumnSchema) => string | undefined,
): Iterable<RowOf<string | undefined>> {
  const wanted = columns.map((column) => {
    const index = table.columns.findIndex(({ name }) => name === column);
    return { index, schema: table.columns[index] };
  });
  const last = Math.max(table.keyLength, ...wanted.map(({ index }) => index));
  if (wanted.some(({ schema }) => !schema)) return;
  const lines = batch.lines.toString("latin1");
  for (let start = 0; start < lines.length;) {
    const newline = lines.indexOf("\n", start);
    const end = newline < 0 ? lines.length : newline;
    const fields = lines.slice(start, end).split("\t", last + 1);
    start = end + 1;
    const texts = wanted.map(({ index, schema }) => schema && valueOf(fields[index] ?? "\\N", schema));
    if (texts.every((text) => text === undefined)) continue;
    const key = table.columns
      .slice(0, table.keyLength)
      .map((one, at) => rules.readable(fields[at] ?? "\\N", one) ?? "");
    yield { texts, row: [table.name, ...key].join(" ") };
  }
}
