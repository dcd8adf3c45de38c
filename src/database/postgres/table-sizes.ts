import type { TableSchema } from "../database.ts";
import type { PostgresConnection } from "./connection.ts";
import { quoteQualified } from "./identifier.ts";
import { isLargeObjects } from "./large-objects.ts";

export interface TableSize {
  /** With what is kept beside its rows, such as long values. */
  readonly bytes: number;
  readonly rowBytes: number;
  readonly estimatedRows: number;
}

/**
 * How large the tables of a snapshot are. The server is asked once for all of them: a question about each of hundreds of
 * tables, most of them small, took longer than to read them, the more so where the server is far away.
 */
export class TableSizes {
  readonly #connection: PostgresConnection;
  readonly #tables: readonly TableSchema[];
  #all: Promise<ReadonlyMap<string, TableSize>> | undefined;

  /** @param tables those that the session has locked: to learn a table's size takes a lock */
  constructor(connection: PostgresConnection, tables: readonly TableSchema[]) {
    this.#connection = connection;
    this.#tables = tables;
  }

  async of(table: TableSchema): Promise<TableSize> {
    const sizes = await (this.#all ??= this.#read());
    return sizes.get(quoteQualified(table)) ?? { bytes: 0, rowBytes: 0, estimatedRows: 0 };
  }

  async #read(): Promise<ReadonlyMap<string, TableSize>> {
    const names = this.#tables.filter((table) => !isLargeObjects(table)).map(quoteQualified);
    const rows = await this.#connection.rows(
      `SELECT t.name, pg_table_size(c.oid), pg_relation_size(c.oid), greatest(c.reltuples, 0)::bigint
       FROM json_array_elements_text($1::json) AS t (name) JOIN pg_class c ON c.oid = t.name::regclass`,
      [JSON.stringify(names)],
    );
    return new Map(
      rows.map(([name, bytes, rowBytes, estimatedRows]) => [
        name ?? "",
        { bytes: Number(bytes), rowBytes: Number(rowBytes), estimatedRows: Number(estimatedRows) },
      ]),
    );
  }
}
