import type { TableSchema } from "../database.ts";

/** A column as `information_schema.COLUMNS` has it. */
export interface StoredColumn {
  readonly name: string;
  readonly type: string;
  readonly nullable: boolean;
}

/** One part of a unique index, in the order of the server's list. */
export interface IndexPart {
  readonly index: string;
  readonly column: string | undefined;
  /** Only so many characters of the column are indexed. */
  readonly prefix: boolean;
}

export interface TableKey {
  readonly columns: readonly string[];
  /** The index that gives rows in the order of the key; absent where a part of a column is all that it holds. */
  readonly index?: string;
  readonly unkeyedBecause?: NonNullable<TableSchema["unkeyedBecause"]>;
}

/**
 * The primary key, else the first unique index whose columns cannot be NULL: the one in whose order InnoDB keeps the
 * rows. An index over the beginning of a column makes the whole column unique too.
 */
export function chooseKey(columns: readonly StoredColumn[], parts: readonly IndexPart[]): TableKey {
  let because: NonNullable<TableKey["unkeyedBecause"]> = "no-key";
  for (const [index, inIndex] of Map.groupBy(parts, (part) => part.index)) {
    const found = inIndex.map(({ column }) => columns.find(({ name }) => name === column));
    const stored = found.filter((column) => column !== undefined);
    if (stored.length < found.length) continue; // an expression, or a generated column, which lines leave out
    if (stored.some(({ nullable }) => nullable)) {
      because = "nullable-key";
      continue;
    }
    const names = stored.map(({ name }) => name);
    return inIndex.some(({ prefix }) => prefix) ? { columns: names } : { columns: names, index };
  }
  return { columns: [], unkeyedBecause: because };
}
