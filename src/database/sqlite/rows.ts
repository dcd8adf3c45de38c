import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import type { TableSchema } from "../database.ts";
import { expectRows } from "../expect-rows.ts";
import { inParts } from "../in-parts.ts";
import type { ComparedColumns, RowMode, RowTransaction, TableFacts } from "../row-transaction.ts";
import { affinity } from "./affinity.ts";
import { collationsOf } from "./collation.ts";
import { databaseFailure, sqliteCode, sqliteErrorCode } from "./failure.ts";
import { decodeField } from "./field.ts";
import { quoteName } from "./identifier.ts";
import { inspectSchema, textEncoding } from "./inspect.ts";
import { sqlitePath } from "./location.ts";
import { statFile } from "./open.ts";
import { all, number, text } from "./query.ts";
import { uniqueIndexes } from "./unique-indexes.ts";
import { lineBytes, lineExpression, registerRowFunctions } from "./row-sql.ts";

/** How long another writer may take before we give up. */
const busyTimeoutMs = 10_000;

/** SQLite takes 32,766 parameters of a statement, and 500 parts of a list. */
const mostValues = 500;

/** One transaction on a database file, next to whoever else has it open. */
export async function sqliteRows<T>(
  url: string,
  mode: RowMode,
  signal: AbortSignal,
  work: (rows: RowTransaction) => Promise<T>,
): Promise<T> {
  const path = sqlitePath(url);
  signal.throwIfAborted();
  await statFile(path);
  let connection: DatabaseSync | undefined;
  try {
    connection = new DatabaseSync(path, {
      readOnly: mode === "read",
      timeout: busyTimeoutMs,
      enableDoubleQuotedStringLiterals: true,
    });
    registerRowFunctions(connection);
    connection.exec(`PRAGMA foreign_keys=ON; BEGIN ${mode === "read" ? "" : "IMMEDIATE"}`);
    const rows = new SqliteRows(connection);
    const result = await work(rows);
    signal.throwIfAborted();
    rows.wakeTriggers();
    connection.exec(mode === "rehearse" ? "ROLLBACK" : "COMMIT");
    return result;
  } catch (error) {
    const busy = sqliteErrorCode(error) === sqliteCode.busy;
    throw databaseFailure(busy ? "database-busy" : "database-unreadable", { subject: path, path }, error);
  } finally {
    // Closing rolls back what was not committed.
    connection?.close();
  }
}

class SqliteRows implements RowTransaction {
  readonly tables: readonly TableSchema[];
  readonly #connection: DatabaseSync;
  /** Definitions of triggers that are put aside; they are made again before the end. */
  readonly #asleep: string[] = [];
  readonly #awake: Set<string> = new Set();

  constructor(connection: DatabaseSync) {
    this.#connection = connection;
    this.tables = inspectSchema(connection, "wal").tables;
  }

  async facts(table: TableSchema): Promise<TableFacts> {
    const connection = this.#connection;
    const { name } = table;
    const columns = all(
      connection,
      "SELECT name, type, [notnull], dflt_value, pk FROM pragma_table_xinfo(?) WHERE hidden = 0",
      name,
    );
    const rowid = columns.filter((column) => number(column, "pk") > 0);
    const isRowid = rowid.length === 1 && /^integer$/i.test(text(rowid[0], "type"));
    return {
      unique: [...uniqueIndexes(connection, table), ...(isRowid ? [{ columns: [text(rowid[0], "name")] }] : [])],
      required: columns
        .filter((column) => number(column, "notnull") === 1 && column["dflt_value"] === null)
        .map((column) => text(column, "name")),
      triggers: this.#triggers(name).map(({ name: trigger }) => ({ name: trigger, how: "aside" })),
      transactional: "yes",
    };
  }

  async find(
    table: TableSchema,
    { columns, collations = [], computed, where }: ComparedColumns,
    values: readonly string[],
  ): Promise<readonly string[]> {
    const encoding = textEncoding(this.#connection);
    const line = lineExpression(table.columns, encoding, "single");
    const names = (computed?.by ?? columns.map((name) => ({ name: quoteName(name) })))
      .map(({ name }, at) => (collations[at] === undefined ? name : `${name} COLLATE ${collations[at]}`))
      .join(",");
    const only = where === undefined ? "" : ` AND (${where})`;
    const found: string[] = [];
    for (const part of inParts(values, mostValues)) {
      const sought = part.map((value) => bound(value.split("\t")));
      const lists = sought.map(({ places }) => `(${places.join(",")})`).join(",");
      const among = columns.length === 1 ? `${names} IN (${lists})` : `(${names}) IN (VALUES ${lists})`;
      const statement = this.#connection.prepare(
        `SELECT CAST(${line} AS BLOB) AS line FROM main.${quoteName(table.name)} WHERE ${among}${only}`,
      );
      for (const row of statement.iterate(...sought.flatMap(({ parameters }) => parameters))) {
        const bytes = row["line"];
        found.push(bytes instanceof Uint8Array ? lineBytes(bytes, encoding).toString("latin1") : "");
      }
    }
    return found;
  }

  /** In a table beside the database, whose columns take and compare values as those of the table do. */
  async valuesOf(
    table: TableSchema,
    by: ComparedColumns,
    lines: readonly string[],
  ): Promise<readonly (string | undefined)[]> {
    const connection = this.#connection;
    const beside = 'temp."holdfast rows"';
    const collations = collationsOf(
      connection,
      table,
      table.columns.map(({ name }) => name),
    );
    const definitions = table.columns.map(({ name, type }) => {
      const collation = collations.get(name);
      return `${quoteName(name)} ${affinity(type, true)}${collation === undefined ? "" : ` COLLATE ${quoteName(collation)}`}`;
    });
    const sql = by.computed?.by.map(({ name }) => name) ?? by.columns.map(quoteName);
    const columns = sql.map((_, at) => ({ name: `part ${at}` }));
    const parts = sql.map((one, at) => `(${one}) AS ${quoteName(columns[at]?.name ?? "")}`).join(",");
    const encoding = textEncoding(connection);
    connection.exec(`CREATE TEMP TABLE "holdfast rows" (${definitions.join(",")})`);
    try {
      for (const line of lines) {
        const { parameters, places } = bound(line.split("\t"));
        connection.prepare(`INSERT INTO ${beside} VALUES (${places.join(",")})`).run(...parameters);
      }
      const met = `(${by.where ?? "1"}) IS TRUE AS "is met"`;
      const rows = all(
        connection,
        `SELECT "is met", CAST(${lineExpression(columns, encoding, "single")} AS BLOB) AS line
         FROM (SELECT ${met},${parts} FROM ${beside} ORDER BY rowid)`,
      );
      return rows.map((row) => {
        const bytes = row["line"];
        const isMet = number(row, "is met") === 1 && bytes instanceof Uint8Array;
        return isMet ? lineBytes(bytes, encoding).toString("latin1") : undefined;
      });
    } finally {
      connection.exec(`DROP TABLE ${beside}`);
    }
  }

  async insert(table: TableSchema, columns: TableSchema["columns"], lines: readonly string[]): Promise<void> {
    this.#putTriggersAside(table.name);
    const names = columns.map(({ name }) => quoteName(name)).join(",");
    for (const line of lines) {
      const { parameters, places } = bound(columns.length === 0 ? [] : line.split("\t"));
      const values = columns.length === 0 ? "DEFAULT VALUES" : `(${names}) VALUES(${places.join(",")})`;
      this.#changeOne(table, `INSERT INTO main.${quoteName(table.name)} ${values}`, parameters);
    }
  }

  async update(
    table: TableSchema,
    changes: readonly { readonly before: string; readonly after: string }[],
  ): Promise<void> {
    this.#putTriggersAside(table.name);
    for (const { before, after } of changes) {
      const [was, now] = [before.split("\t"), after.split("\t")];
      const differ = table.columns.flatMap((_, at) => (at >= table.keyLength && was[at] !== now[at] ? [at] : []));
      if (differ.length === 0) continue;
      const { parameters, places } = bound(differ.map((at) => now[at] ?? ""));
      const set = differ.map((at, index) => `${quoteName(table.columns[at]?.name ?? "")}=${places[index]}`).join(",");
      const row = onlyRow(table, was);
      const sql = `UPDATE main.${quoteName(table.name)} SET ${set} WHERE ${row.where}`;
      this.#changeOne(table, sql, [...parameters, ...row.parameters]);
    }
  }

  async remove(table: TableSchema, keys: readonly string[]): Promise<void> {
    this.#putTriggersAside(table.name);
    for (const key of keys) {
      const { where, parameters } = onlyRow(table, key.split("\t"));
      this.#changeOne(table, `DELETE FROM main.${quoteName(table.name)} WHERE ${where}`, parameters);
    }
  }

  wakeTriggers(): void {
    for (const sql of this.#asleep.splice(0)) this.#connection.exec(sql);
  }

  #changeOne(table: TableSchema, sql: string, parameters: readonly SQLInputValue[]): void {
    const statement = this.#connection.prepare(sql);
    statement.setReadBigInts(true);
    expectRows(table, 1, Number(statement.run(...parameters).changes));
  }

  /** Triggers of a table but for those that keep a virtual table (a full-text index) in step: no row holds that. */
  #triggers(table: string): readonly { readonly name: string; readonly sql: string }[] {
    const virtual = all(
      this.#connection,
      "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND rootpage = 0",
    ).map((row) => text(row, "name").toLowerCase());
    const rows = all(
      this.#connection,
      "SELECT name, sql FROM main.sqlite_schema WHERE type = 'trigger' AND lower(tbl_name) = lower(?) ORDER BY rowid",
      table,
    );
    return rows
      .map((row) => ({ name: text(row, "name"), sql: text(row, "sql") }))
      .filter(({ sql }) => !virtual.some((name) => sql.toLowerCase().includes(name)));
  }

  /** SQLite undoes definitions with the rest, so that a trigger may be gone for as long as the transaction lasts. */
  #putTriggersAside(table: string): void {
    if (this.#awake.has(table)) return;
    this.#awake.add(table);
    for (const { name, sql } of this.#triggers(table)) {
      this.#connection.exec(`DROP TRIGGER main.${quoteName(name)}`);
      this.#asleep.push(sql);
    }
  }
}

/**
 * The row with just this key. Its columns may compare by another collation than the index that makes the key unique: as they
 * compare, an index of theirs is used; byte by byte, it is the one row.
 */
function onlyRow(
  { name: table, columns, keyLength }: TableSchema,
  fields: readonly string[],
): Omit<Bound, "places"> & { where: string } {
  if (keyLength === 0) {
    const { parameters: values, places: marks } = bound(fields);
    const same = columns
      .map(({ name }, at) => `${quoteName(name)} COLLATE BINARY IS ${marks[at] ?? "?"}`)
      .join(" AND ");
    return {
      where: `_rowid_ = (SELECT _rowid_ FROM main.${quoteName(table)} WHERE ${same} LIMIT 1)`,
      parameters: values,
    };
  }
  const { parameters, places } = bound(fields.slice(0, keyLength));
  const isKey = (collation: string): string =>
    columns
      .slice(0, keyLength)
      .map(({ name }, at) => `${quoteName(name)}${collation} = ${places[at] ?? "?"}`)
      .join(" AND ");
  return { where: `${isKey("")} AND ${isKey(" COLLATE BINARY")}`, parameters: [...parameters, ...parameters] };
}

interface Bound {
  readonly parameters: readonly SQLInputValue[];
  /** `?`, or with a cast where bytes are to be text. */
  readonly places: readonly string[];
}

function bound(fields: readonly string[]): Bound {
  const decoded = fields.map((field) => decodeField(field));
  return {
    parameters: decoded.map((field): SQLInputValue => {
      switch (field.type) {
        case "null":
          return null;
        case "raw-text":
        case "blob":
          return field.bytes;
        default:
          return field.value;
      }
    }),
    places: decoded.map(({ type }) => (type === "raw-text" ? "CAST(? AS TEXT)" : "?")),
  };
}
