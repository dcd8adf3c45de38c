import type { DatabaseSync, SQLOutputValue } from "node:sqlite";

/** Rows of small queries about the schema. Integers come as numbers: none of them passes 2^53. */
export type Row = Readonly<Record<string, SQLOutputValue>>;

export function all(
  connection: DatabaseSync,
  sql: string,
  ...parameters: readonly (string | number)[]
): readonly Row[] {
  return connection.prepare(sql).all(...parameters);
}

export function text(row: Row | undefined, column: string): string {
  const value = row?.[column];
  return typeof value === "string" ? value : String(value ?? "");
}

export function number(row: Row | undefined, column: string): number {
  return Number(row?.[column] ?? 0);
}

/** Another number than before: somebody else has committed. https://sqlite.org/pragma.html#pragma_data_version */
export function dataVersion(connection: DatabaseSync): number {
  return number(all(connection, "PRAGMA main.data_version")[0], "data_version");
}

/** Bytes of the pages in use. */
export function databaseBytes(connection: DatabaseSync): number {
  const [row] = all(
    connection,
    "SELECT (page_count - freelist_count) * page_size AS bytes FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
  );
  return number(row, "bytes");
}
