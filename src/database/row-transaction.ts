import type { ColumnSchema, RowKey, TableSchema } from "./database.ts";

/**
 * Single rows of a database that is in use, found and changed in one transaction. What `find` gave is locked until the
 * end where the engine locks rows, so that what was looked at is what is changed.
 *
 * A change fails with `rows-miscounted` when it touches another number of rows than it was meant for.
 *
 * Lines are latin1 strings of bytes without LF, as everywhere; values are fields of such lines.
 */
export interface RowTransaction {
  /** As they are now, without those whose rows are no rows of their own (large objects). */
  readonly tables: readonly TableSchema[];
  facts(table: TableSchema): Promise<TableFacts>;
  /**
   * Rows that hold one of `values` in these columns: for several columns, fields joined by TAB. Equal is what the database
   * takes for equal, so more may come than have the same bytes; NULL is equal to nothing, unless `nulls` says so. Whole lines,
   * in any order.
   */
  find(table: TableSchema, by: ComparedColumns, values: readonly string[]): Promise<readonly string[]>;
  /**
   * Of whole lines, the value by which a row like this is found; `undefined`: it counts for nothing, since it does not meet the
   * condition. Asked only for what is `computed` or has a condition.
   */
  valuesOf(table: TableSchema, by: ComparedColumns, lines: readonly string[]): Promise<readonly (string | undefined)[]>;
  /** New rows; columns that are left out get their defaults. Identities and counters are what the lines say. */
  insert(table: TableSchema, columns: readonly ColumnSchema[], lines: readonly string[]): Promise<void>;
  /** Whole lines of one row with one key. Columns that do not differ stay as they are, whatever the table would do to them. */
  update(table: TableSchema, changes: readonly { readonly before: string; readonly after: string }[]): Promise<void>;
  /** By their keys; of a table without a key one row a line, that is just so. */
  remove(table: TableSchema, keys: readonly RowKey[]): Promise<void>;
}

export interface ComparedColumns {
  readonly columns: readonly string[];
  /** For each column the name of a collation to compare by, as SQL writes it; `undefined`: the column's own. Absent: all by their own. */
  readonly collations?: readonly (string | undefined)[];
  /** Only rows that meet this condition count, as SQL writes it: those that are not deleted, say. */
  readonly where?: string;
  /** What is compared is not the columns as they stand in a line, but what the database makes of them; `columns` then are names for people. */
  readonly computed?: Computed;
  /** NULL is equal to NULL. */
  readonly nulls?: "equal";
}

/** Values that a database computes: a text in small letters, its first letters, a generated column. */
export interface Computed {
  /** What is compared, as SQL writes it, and of what type it is. */
  readonly by: readonly Pick<ColumnSchema, "name" | "type">[];
  /** Names of columns that it is computed from, as far as that is known. */
  readonly uses: readonly string[];
}

/** What else decides whether a row can be put into a table. */
export interface TableFacts {
  /** Columns whose values together no two rows may share, NULL excepted; the key's among them. */
  readonly unique: readonly ComparedColumns[];
  /** Columns that a new row must be given. */
  readonly required: readonly string[];
  /** Triggers that would act on changed rows: `aside`: they do not while rows come back; `fires`: the server lets nobody stop them. */
  readonly triggers: readonly { readonly name: string; readonly how: "aside" | "fires" }[];
  /** `no`: what is written there cannot be taken back with the rest. */
  readonly transactional: "yes" | "no";
}

/** `read`: nothing is changed; `rehearse`: all is taken back at the end; `change`: it stays, if `work` does not fail. */
export type RowMode = "read" | "rehearse" | "change";
