import type { ColumnSchema, RowKey, TableSchema } from "../../database/database.ts";
import type { TableFacts } from "../../database/row-transaction.ts";
import type { HandleRules } from "./record-handle.ts";
import type { RecordRow } from "./record-row.ts";
import { columnOf } from "./relations.ts";

/**
 * How rows of a table as it was become rows of the table as it is now: column by column, by their names, or by those that
 * the operator says they have now. Nothing is guessed: a column that is new gets its default, one that is gone is told.
 */
export interface TableMapping {
  readonly from: TableSchema;
  readonly to: TableSchema;
  /** One for each column of `to`. */
  readonly columns: readonly ColumnMapping[];
  /** Columns of `from` that `to` has no place for. */
  readonly dropped: readonly number[];
  /** Columns of `to` that may be NULL no more: where there was none, a new row gets the default. */
  readonly filled: readonly number[];
  /** Names of columns of `to` that a new row must be given. */
  readonly required: ReadonlySet<string>;
}

export type ColumnMapping =
  /** Of another type, a value is written as that one writes it; one that would have to be cut or rounded is refused. */
  | { readonly how: "same" | "retyped" | "renamed"; readonly at: number }
  /** Bytes where text is now, or the other way round: a value there cannot be taken over. */
  | { readonly how: "refused"; readonly at: number }
  | { readonly how: "new" | "new-required" };

/** `table.old=new`, as the operator gives it. */
export interface ColumnRename {
  readonly table: string;
  readonly from: string;
  readonly to: string;
}

export function mapTable(
  from: TableSchema,
  to: TableSchema,
  facts: TableFacts,
  renames: readonly ColumnRename[],
): TableMapping {
  const renamed = renames.filter(({ table }) => table === to.name || table === from.name);
  const columns = to.columns.map((column): ColumnMapping => {
    const old = renamed.find((one) => one.to === column.name)?.from;
    const at = columnOf(from, old ?? column.name);
    const was = from.columns[at];
    if (!was) return { how: facts.required.includes(column.name) ? "new-required" : "new" };
    if (isBinary(was) !== isBinary(column)) return { how: "refused", at };
    if (was.type !== column.type) return { how: "retyped", at };
    return { how: old === undefined ? "same" : "renamed", at };
  });
  const taken = new Set(columns.flatMap((column) => ("at" in column ? [column.at] : [])));
  const dropped = [...from.columns.keys()].filter((at) => !taken.has(at));
  const filled = columns.flatMap((column, index) => {
    const was = "at" in column ? from.columns[column.at] : undefined;
    return was?.nullable && to.columns[index]?.nullable === false ? [index] : [];
  });
  return { from, to, columns, dropped, filled, required: new Set(facts.required) };
}

const binary = /^(?:bytea|(?:tiny|medium|long)?blob|(?:var)?binary|bit|geometry|point)\b/i;

function isBinary({ type }: ColumnSchema): boolean {
  return binary.test(type);
}

/** Fields in the order of `to`'s columns; `undefined` where the row says nothing. */
export type MappedFields = readonly (string | undefined)[];

export function mapRow(mapping: TableMapping, row: RecordRow, rules: HandleRules): MappedFields {
  return mapping.columns.map((_, index) => {
    const field = mapField(mapping, index, row, rules);
    return field ?? undefined;
  });
}

/** The key of a mapped row; `undefined` when a column of it is not known. */
export function mappedKey({ to }: TableMapping, fields: MappedFields): RowKey | undefined {
  const key = fields.slice(0, to.keyLength);
  return to.keyLength > 0 && key.every((field) => field !== undefined && field !== "\\N") ? key.join("\t") : undefined;
}

/** What stands for a mapped row of a table without a key: all of it. `undefined`: a column of it is not known, or the table has a key. */
export function mappedLine({ to }: TableMapping, fields: MappedFields): RowKey | undefined {
  return to.keyLength === 0 && fields.every((field) => field !== undefined) ? fields.join("\t") : undefined;
}

/** Columns whose value in this row cannot be taken over, or that a new row needs and this one has not. */
export function refusedColumns(mapping: TableMapping, row: RecordRow, rules: HandleRules): readonly string[] {
  const { to, columns, required } = mapping;
  return to.columns.flatMap(({ name }, index) => {
    const field = mapField(mapping, index, row, rules);
    // A column that is new and has no default, or that may be NULL no more.
    const isMissing = field === undefined && (columns[index]?.how === "new-required" || required.has(name));
    return field === null || isMissing ? [name] : [];
  });
}

/** A column's field in the shape of `to`; `undefined`: the row says nothing that counts there; `null`: its value does not fit. */
function mapField(
  { from, to, columns }: TableMapping,
  index: number,
  row: RecordRow,
  rules: HandleRules,
): string | undefined | null {
  const [mapping, now] = [columns[index], to.columns[index]];
  if (!mapping || !now || !("at" in mapping)) return undefined;
  const was = from.columns[mapping.at];
  const field = row.fields[mapping.at] ?? "\\N";
  if (!was) return undefined;
  if (field === "\\N") return now.nullable || index < to.keyLength ? field : undefined;
  if (mapping.how === "same" || mapping.how === "renamed") return field;
  const text = textFor(field, was, now, rules);
  const fitted = mapping.how === "refused" || text === null ? undefined : rules.fitted(text, now);
  return fitted === undefined ? null : rules.lineField(fitted, now);
}

/**
 * Bytes that their column's character set does not give back exactly are shown in hexadecimal. Where another one is now, these digits would
 * be the text: it is the characters that are meant. `null`: they are none.
 */
function textFor(field: string, was: ColumnSchema, now: ColumnSchema, rules: HandleRules): string | null {
  const shown = rules.readable(field, was);
  if (shown === null || !/^x'[0-9a-f]*'$/i.test(shown)) return shown;
  const isTaken = rules.textOf(rules.lineField(shown, now), now) === shown;
  return isTaken ? (rules.textOf(field, was) ?? null) : shown;
}
