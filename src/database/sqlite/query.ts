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
