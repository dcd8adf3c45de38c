import type { TableSchema } from "../database/database.ts";
import { HoldfastError } from "../lib/errors.ts";

/** Looks at a restored database while the statements are written that make a clone of it harmless. */
export interface CloneTables {
  readonly has: (table: string, column?: string) => boolean;
  /** The statement where the table, and each of the columns, is there: modules and versions differ. */
  readonly when: (table: string, columns: readonly string[], statement: string) => readonly string[];
  /** Fails closed: without these this is no CRM that we know, or not where we look for it. */
  readonly need: (table: string, ...columns: readonly string[]) => void;
}

/** @param prefix stands before each table's name */
export function cloneTables(tables: readonly TableSchema[], prefix = ""): CloneTables {
  const columns = new Map(tables.map((table) => [table.name, new Set(table.columns.map(({ name }) => name))]));
  const has = (table: string, column?: string): boolean => {
    const found = columns.get(prefix + table);
    return found !== undefined && (column === undefined || found.has(column));
  };
  return {
    has,
    when: (table, wanted, statement) => (has(table) && wanted.every((column) => has(table, column)) ? [statement] : []),
    need: (table, ...wanted) => {
      for (const column of wanted) {
        if (!has(table, column))
          throw new HoldfastError("clone-unsupported", { reason: `${prefix}${table}.${column}` });
      }
    },
  };
}
