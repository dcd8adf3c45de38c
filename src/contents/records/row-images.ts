import type { TableSchema } from "../../database/database.ts";
import { type Check, count, list, object, optional, parseChecked, text, truth, oneOf } from "../checked.ts";

/** What a restore of records changed, row by row, as it was before and after: enough to take it back. */
export interface RowImages {
  readonly crm: string;
  /** Id of the restore's plan. */
  readonly restore: string;
  readonly time: string;
  /** URL of the database that was changed, without secrets. */
  readonly target: string;
  readonly engine: string;
  readonly tables: readonly Pick<TableSchema, "schema" | "name" | "columns" | "keyLength">[];
  /** Tables that triggers write out of others: what is there of them stands in nobody's way. */
  readonly derived?: readonly Pick<TableSchema, "schema" | "name">[];
  readonly rows: readonly RowImage[];
}

export interface RowImage {
  /** Place in `tables`. */
  readonly table: number;
  /** Whole lines, latin1 strings of bytes; absent: there was no row. */
  readonly before?: string;
  readonly after?: string;
}

const about: Check<Omit<RowImages, "rows"> & { readonly format: 1; readonly kind: "undo" }> = object({
  format: oneOf([1]),
  kind: oneOf(["undo"]),
  crm: text,
  restore: text,
  time: text,
  target: text,
  engine: text,
  tables: list(
    object({
      schema: text,
      name: text,
      columns: list(object({ name: text, type: text, nullable: truth })),
      keyLength: count,
    }),
  ),
  derived: optional(list(object({ schema: text, name: text }))),
});

const image: Check<RowImage> = object({ table: count, before: optional(text), after: optional(text) });

export const imagesFiles = { about: "holdfast.json", rows: "rows.jsonl" } as const;

/** The two files of a snapshot of what a restore replaced: what it is, and a row a line. */
export function serialiseImages({ rows, ...rest }: RowImages): { readonly about: Buffer; readonly rows: Buffer } {
  const lines = rows.map((row) => JSON.stringify(row));
  return {
    about: Buffer.from(`${JSON.stringify({ format: 1, kind: "undo", ...rest }, undefined, 2)}\n`),
    rows: Buffer.from(lines.map((line) => `${line}\n`).join("")),
  };
}

/** Fails with `repository-damaged` unless both are whole. */
export function parseImages(aboutFile: string, rowsFile: string): RowImages {
  const { format: _format, kind: _kind, ...rest } = parseChecked(aboutFile, about, imagesFiles.about);
  const lines = rowsFile.split("\n").filter((line) => line !== "");
  return { ...rest, rows: lines.map((line) => parseChecked(line, image, imagesFiles.rows)) };
}
