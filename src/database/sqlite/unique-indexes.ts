import type { DatabaseSync } from "node:sqlite";
import type { TableSchema } from "../database.ts";
import type { ComparedColumns } from "../row-transaction.ts";
import { collationsOf } from "./collation.ts";
import { quoteName } from "./identifier.ts";
import { indexTerms } from "./index-terms.ts";
import { all, text } from "./query.ts";

/** Values that no two rows of a table may share: of columns, of expressions, among all rows or some. */
export function uniqueIndexes(connection: DatabaseSync, table: TableSchema): readonly ComparedColumns[] {
  const indexes = all(connection, "SELECT name FROM pragma_index_list(?) WHERE [unique] = 1", table.name);
  return indexes.flatMap((index) => uniqueIndex(connection, table, text(index, "name")) ?? []);
}

function uniqueIndex(connection: DatabaseSync, table: TableSchema, name: string): ComparedColumns | undefined {
  const parts = all(connection, "SELECT name, coll FROM pragma_index_xinfo(?) WHERE key = 1 ORDER BY seqno", name);
  const [definition] = all(connection, "SELECT sql FROM main.sqlite_schema WHERE type = 'index' AND name = ?", name);
  // Those that a table makes for itself have no definition.
  const sql = definition?.["sql"];
  const { terms, where } = typeof sql === "string" ? indexTerms(sql) : { terms: [], where: undefined };
  const some = where === undefined ? {} : { where };
  // A generated column is none that rows have, and what it is computed by SQLite does not tell.
  const generated = all(connection, "SELECT name FROM pragma_table_xinfo(?) WHERE hidden > 0", table.name);
  const inSql = `${terms.join(",")},${where ?? ""}`;
  if (generated.some((column) => mentions(inSql, text(column, "name")))) return undefined;
  if (parts.every((part) => part["name"] !== null)) {
    const columns = parts.map((part) => text(part, "name"));
    const own = collationsOf(connection, table, columns);
    // Named where it is not needed, a collation keeps SQLite from using an index for several columns.
    const collations = parts.map((part, at) => {
      const collation = text(part, "coll");
      return collation === (own.get(columns[at] ?? "") ?? "BINARY") ? undefined : quoteName(collation);
    });
    return { columns, ...(collations.some((one) => one !== undefined) && { collations }), ...some };
  }
  if (terms.length !== parts.length) return undefined;
  const by = terms.map((term) => ({ name: term, type: "" }));
  const uses = table.columns.flatMap((column) => (mentions(inSql, column.name) ? [column.name] : []));
  return { columns: terms, computed: { by, uses }, ...some };
}

function mentions(sql: string, name: string): boolean {
  const at = sql.toLowerCase().split(name.toLowerCase());
  const isWord = (letter: string | undefined) => letter !== undefined && /^[\w$]$/.test(letter);
  return at.some((before, index) => index + 1 < at.length && !isWord(before.at(-1)) && !isWord(at[index + 1]?.[0]));
}
