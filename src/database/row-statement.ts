import type { ColumnSchema, TableSchema } from "./database.ts";

/** How an engine writes a statement. */
export interface StatementWords {
  readonly table: (table: TableSchema) => string;
  readonly name: (name: string) => string;
  readonly literal: (field: string, column: ColumnSchema) => string;
  /** Between the columns and the values of an INSERT. */
  readonly beforeValues: string;
}

/** `DatabaseEngine.rowSql`, in the words of an engine. */
export function rowStatement(
  words: StatementWords,
  table: TableSchema,
  before: string | undefined,
  after: string | undefined,
): string {
  const { columns, keyLength } = table;
  const is = after?.split("\t");
  const was = before?.split("\t");
  const value = (fields: readonly string[], at: number): string => {
    const column = columns[at];
    return column ? words.literal(fields[at] ?? "\\N", column) : "NULL";
  };
  if (is && !was) {
    const names = columns.map(({ name }) => words.name(name)).join(", ");
    const values = columns.map((_, at) => value(is, at)).join(", ");
    return `INSERT INTO ${words.table(table)} (${names})${words.beforeValues} VALUES (${values})`;
  }
  const row = was ?? [];
  const where = columns.slice(0, keyLength).map(({ name }, at) => `${words.name(name)} = ${value(row, at)}`);
  if (!is) return `DELETE FROM ${words.table(table)} WHERE ${where.join(" AND ")}`;
  const set = columns.flatMap(({ name }, at) => (is[at] === row[at] ? [] : [`${words.name(name)} = ${value(is, at)}`]));
  return `UPDATE ${words.table(table)} SET ${set.join(", ")} WHERE ${where.join(" AND ")}`;
}
