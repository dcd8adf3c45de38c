import type { DatabaseSync } from "node:sqlite";

import type { TableSchema } from "../database.ts";
import { quoteName } from "./identifier.ts";
import { all, number, text } from "./query.ts";
import { affinity } from "./affinity.ts";
import type { TextEncoding } from "./row-sql.ts";

export interface StoredColumn {
  readonly name: string;
  readonly type: string;
  readonly nullable: boolean;
  /** Position in the primary key from 1; 0: not part of it. */
  readonly primaryKey: number;
}

export interface TableKind {
  readonly withoutRowid: boolean;
  readonly strict: boolean;
}

export interface TableKey {
  readonly columns: readonly string[];
  readonly unkeyedBecause?: NonNullable<TableSchema["unkeyedBecause"]>;
}

/**
 * The columns that tell a table's rows apart: the primary key, else the first unique index that qualifies. SQLite lets NULL
 * into most primary keys and any class of value into any column, so the data decides: no key column may hold NULL (then
 * uniqueness does not hold) or a real (1 and 1.0 are equal for the index and different as bytes).
 */
export function chooseKey(
  connection: DatabaseSync,
  table: string,
  columns: readonly StoredColumn[],
  kind: TableKind,
  encoding: TextEncoding,
): TableKey {
  let because: TableKey["unkeyedBecause"] = "no-key";
  for (const candidate of candidates(connection, table, columns, kind)) {
    const obstacle = candidate.rowid ? undefined : findObstacle(connection, table, candidate.columns, kind, encoding);
    if (obstacle === undefined) return { columns: candidate.columns.map((column) => column.name) };
    if (because === "no-key") because = obstacle;
  }
  return { columns: [], unkeyedBecause: because };
}

interface Candidate {
  readonly columns: readonly StoredColumn[];
  /** The column is the rowid itself: an integer, never NULL. */
  readonly rowid?: true;
}

function candidates(
  connection: DatabaseSync,
  table: string,
  columns: readonly StoredColumn[],
  kind: TableKind,
): readonly Candidate[] {
  const found: Candidate[] = [];
  const indexes = all(connection, "SELECT name, origin, [unique], partial FROM pragma_index_list(?, 'main')", table);
  const primary = columns.filter((column) => column.primaryKey > 0).toSorted((a, b) => a.primaryKey - b.primaryKey);
  if (primary.length > 0) {
    const rowid = !kind.withoutRowid && hasRowidColumn(connection, table);
    found.push(rowid ? { columns: primary, rowid } : { columns: primary });
  }
  const unique = indexes.filter(
    (index) => number(index, "unique") === 1 && number(index, "partial") === 0 && text(index, "origin") !== "pk",
  );
  for (const index of unique.toSorted((a, b) => (text(a, "name") < text(b, "name") ? -1 : 1))) {
    const names = all(
      connection,
      "SELECT name FROM pragma_index_xinfo(?, 'main') WHERE key = 1 ORDER BY seqno",
      text(index, "name"),
    );
    const indexed = names.map((row) => columns.find((column) => column.name === row["name"]));
    const stored = indexed.filter((column) => column !== undefined);
    // An expression has no name, a generated column is not stored: not every value of such a key stands in a line.
    if (stored.length === indexed.length) found.push({ columns: stored });
  }
  return found;
}

function findObstacle(
  connection: DatabaseSync,
  table: string,
  columns: readonly StoredColumn[],
  kind: TableKind,
  encoding: TextEncoding,
): TableKey["unkeyedBecause"] {
  const exists = (condition: string): boolean =>
    all(connection, `SELECT 1 FROM main.${quoteName(table)} WHERE ${condition} LIMIT 1`).length > 0;
  for (const column of columns) {
    const name = quoteName(column.name);
    const neverNull = !column.nullable || (kind.withoutRowid && column.primaryKey > 0);
    if (!neverNull && exists(`${name} IS NULL`)) return "nullable-key";
    const kept = affinity(column.type, kind.strict);
    if (kept === "integer" && kind.strict) continue;
    // Text affinity turns every number into text.
    if (kept !== "text" && exists(`typeof(${name})='real'`)) return "real-key";
    // The index of a UTF-16 database orders text by its UTF-16 bytes, which is not the order of the lines' UTF-8.
    if (encoding !== "UTF-8" && exists(`typeof(${name})='text'`)) return "utf16-key";
  }
  return undefined;
}

/** Whether a column is the rowid itself (INTEGER PRIMARY KEY): then the primary key has no index of its own. */
export function hasRowidColumn(connection: DatabaseSync, table: string): boolean {
  const primary = all(
    connection,
    "SELECT count(*) AS columns FROM pragma_table_xinfo(?, 'main') WHERE pk > 0",
    table,
  )[0];
  const indexed = all(connection, "SELECT 1 FROM pragma_index_list(?, 'main') WHERE origin = 'pk'", table);
  return number(primary, "columns") === 1 && indexed.length === 0;
}
