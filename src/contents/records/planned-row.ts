import type { ColumnSchema, RowKey, TableSchema } from "../../database/database.ts";
import type { ClosureRow } from "./closure.ts";
import type { MappedFields } from "./map-table.ts";
import { recordRow, type RecordRow } from "./record-row.ts";

/** One row as it should be, in the shape of the table that it goes to. */
export interface WantedRow {
  readonly table: TableSchema;
  readonly key: RowKey;
  /** `undefined`: there should be no such row. */
  readonly fields: MappedFields | undefined;
  /**
   * What is to be taken back: the row as it was right after that, `undefined` where there was none. What changed since
   * then is somebody else's, and stays. Absent: not known.
   */
  readonly base?: { readonly fields: MappedFields | undefined };
  readonly why: ClosureRow["why"];
  /** Cannot be put back, whatever is there: key of `words` under `rowReasons`. */
  readonly refused?: { readonly reason: RowReason; readonly detail?: string };
}

export type RowReason =
  | "same"
  | "missing"
  | "differs"
  | "newer"
  | "other-side-gone"
  | "changed-again"
  | "removed-since"
  | "key-reused"
  | "parent-gone"
  | "unique-taken"
  | "still-referenced"
  | "column-refused"
  | "table-gone"
  | "no-key"
  | "no-transactions"
  | "refused";

export type RowAction = "insert" | "update" | "undelete" | "remove" | "skip" | "conflict";

export interface PlannedRow {
  readonly action: RowAction;
  readonly table: TableSchema;
  readonly key: RowKey;
  readonly why: ClosureRow["why"];
  /** Lines as they are and will be; `undefined`: no row. Of `skip` and `conflict` only `before` counts. */
  readonly before: string | undefined;
  /** An inserted row has only `columns`, the others get their defaults. */
  readonly after: string | undefined;
  /** Of an inserted row: what `after` holds. */
  readonly columns: readonly ColumnSchema[];
  /** Of a row that is changed: names of the columns that differ. */
  readonly changed: readonly string[];
  readonly reason?: RowReason;
  /** What a person needs to understand the reason: names of columns, a handle. */
  readonly detail?: string;
}

export function isChange({ action }: Pick<PlannedRow, "action">): boolean {
  return action !== "skip" && action !== "conflict";
}

/** The whole row as the plan leaves it; `undefined`: there is none. */
export function rowLeft(row: PlannedRow): RecordRow | undefined {
  if (isChange(row)) return rowAfter(row);
  return row.before === undefined ? undefined : recordRow(row.table, row.before);
}

/** The same row, which has to stay as it is. */
export function asConflict(row: PlannedRow, reason: RowReason, detail: string): PlannedRow {
  return { ...row, action: "conflict", after: undefined, changed: [], reason, detail };
}

/** The whole row that a change leaves; what an inserted one is not given counts as NULL. `undefined`: none. */
export function rowAfter({ table, action, after, columns }: PlannedRow): RecordRow | undefined {
  if (after === undefined || action !== "insert" || columns === table.columns) {
    return after === undefined ? undefined : recordRow(table, after);
  }
  const fields = after.split("\t");
  return recordRow(table, table.columns.map((column) => fields[columns.indexOf(column)] ?? "\\N").join("\t"));
}
