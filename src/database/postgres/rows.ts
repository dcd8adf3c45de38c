import type { ColumnSchema, DatabaseAddress, TableSchema } from "../database.ts";
import { expectRows } from "../expect-rows.ts";
import { inParts } from "../in-parts.ts";
import { type CommitFate, commitForSure } from "../lost-commit.ts";
import type { ComparedColumns, RowMode, RowTransaction, TableFacts } from "../row-transaction.ts";
import type { Environment } from "./address.ts";
import { PostgresConnection } from "./connection.ts";
import { quoteName, quoteQualified } from "./identifier.ts";
import { lineField } from "./field.ts";
import { literal } from "./literal.ts";
import { moveSequences } from "./move-sequences.ts";
import { readTables } from "./tables.ts";
import { generatedColumns, uniqueIndexes } from "./unique-indexes.ts";
import { addAll } from "../../lib/add-all.ts";

const batchBytes = 1 << 20;
/** A list of values that the server still looks up one by one in its index. */
const mostValues = 500;

/** One transaction on a database of a server. */
export async function postgresRows<T>(
  address: DatabaseAddress,
  mode: RowMode,
  signal: AbortSignal,
  environment: Environment,
  work: (rows: RowTransaction) => Promise<T>,
): Promise<T> {
  await using connection = await PostgresConnection.open(address, { environment, signal });
  // What was committed until a row is locked counts, not what an older moment held.
  await connection.run(mode === "read" ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" : "BEGIN");
  // Rows that name each other are in no order in which each of them holds.
  if (mode !== "read") await connection.run("SET CONSTRAINTS ALL DEFERRED");
  const catalog = await readTables(connection);
  await connection.search("daily");
  const rows = new PostgresRows(
    connection,
    catalog.map(({ table }) => table),
    mode === "read" ? "" : " FOR UPDATE",
  );
  const result = await work(rows);
  await rows.finish();
  // Which is not taken back with the rest.
  if (mode === "change") await rows.moveSequences();
  if (mode !== "change") {
    await connection.run(mode === "rehearse" ? "ROLLBACK" : "COMMIT");
    return result;
  }
  const transaction = await connection.value("SELECT pg_catalog.pg_current_xact_id_if_assigned()");
  const fateOf = async (attempt: number): Promise<CommitFate> => {
    // Without a number nothing was written.
    if (transaction === null) return "undone";
    await using again = await PostgresConnection.open(address, { environment, signal });
    return await transactionFate(again, { transaction, pid: connection.pid, attempt });
  };
  await commitForSure(() => connection.run("COMMIT"), fateOf, address.url, signal);
  return result;
}

/** How often a session that nobody listens to any more is left to notice that by itself. */
const patience = 3;

/** https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT */
async function transactionFate(
  connection: PostgresConnection,
  { transaction, pid, attempt }: { readonly transaction: string; readonly pid: number; readonly attempt: number },
): Promise<CommitFate> {
  const status = await connection.value("SELECT pg_catalog.pg_xact_status($1::xid8)", [transaction]);
  if (status === "committed") return "committed";
  if (status === "aborted") return "undone";
  if (status === null) return "unknown";
  if (attempt > patience) {
    await connection.rows(
      "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_xid = $2::xid8::xid",
      [String(pid), transaction],
    );
  }
  return "open";
}

class PostgresRows implements RowTransaction {
  readonly tables: readonly TableSchema[];
  readonly #connection: PostgresConnection;
  readonly #lock: string;
  readonly #asleep: { readonly table: string; readonly name: string; readonly mode: string }[] = [];
  readonly #written = new Set<string>();
  readonly #grown = new Set<TableSchema>();

  constructor(connection: PostgresConnection, tables: readonly TableSchema[], lock: string) {
    this.#connection = connection;
    this.tables = tables;
    this.#lock = lock;
  }

  async facts(table: TableSchema): Promise<TableFacts> {
    const oid = [quoteQualified(table)];
    const unique = await uniqueIndexes(this.#connection, table);
    const required = await this.#connection.rows(
      `SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attnotnull
         AND NOT atthasdef AND attidentity = '' AND attgenerated = ''`,
      oid,
    );
    const triggers = await this.#triggers(table);
    const how = (await this.#isOwner(table)) ? "aside" : "fires";
    return {
      unique,
      required: required.map(([name]) => name ?? ""),
      triggers: triggers.map(({ name }) => ({ name, how })),
      transactional: "yes",
    };
  }

  async find(table: TableSchema, by: ComparedColumns, values: readonly string[]): Promise<readonly string[]> {
    const found: string[] = [];
    const list = table.columns.map(({ name }) => quoteName(name)).join(",");
    for (const part of inParts(values, mostValues)) {
      const where = `${among(table, by, part)}${by.where === undefined ? "" : ` AND (${by.where})`}`;
      const sql = `COPY (SELECT ${list} FROM ONLY ${quoteQualified(table)} WHERE ${where}${this.#lock}) TO STDOUT`;
      for await (const { lines } of this.#connection.copyOut(sql, batchBytes, subject(table))) {
        addAll(found, lines.toString("latin1").split("\n").slice(0, -1));
      }
    }
    return found;
  }

  async valuesOf(
    table: TableSchema,
    by: ComparedColumns,
    lines: readonly string[],
  ): Promise<readonly (string | undefined)[]> {
    const names = table.columns.map(({ name }) => quoteName(name)).join(",");
    const places = by.columns.map((name) => table.columns.findIndex((column) => column.name === name));
    const generated = await generatedColumns(this.#connection, table);
    const parts = by.computed?.by ?? [];
    const found: (string | undefined)[] = [];
    for (const part of inParts(lines, mostValues, batchBytes)) {
      const rows = part.map((line, at) => {
        const fields = line.split("\t");
        return `(${at},${table.columns.map((column, place) => typed(column, fields[place] ?? "\\N")).join(",")})`;
      });
      // With the table's own columns first, what stands in them is of their types and collations.
      const asked =
        `SELECT asked.*${generated.map(({ name, by: sql }) => `,(${sql}) AS ${quoteName(name)}`).join("")} FROM ` +
        `(SELECT 0 AS "holdfast row",${names} FROM ONLY ${quoteQualified(table)} WHERE false UNION ALL VALUES ${rows.join(",")}) AS asked`;
      const sql =
        `SELECT (${by.where ?? "true"}) IS TRUE${parts.map(({ name }) => `,(${name})::text`).join("")} ` +
        `FROM (${asked}) AS asked ORDER BY "holdfast row"`;
      for (const [at, [isMet, ...texts]] of (await this.#connection.rows(sql, [], subject(table))).entries()) {
        const fields = part[at]?.split("\t") ?? [];
        const value = by.computed
          ? texts.map((text, index) => lineField(text, parts[index] ?? { type: "" }))
          : places.map((place) => fields[place] ?? "\\N");
        found.push(isMet === "t" ? value.join("\t") : undefined);
      }
    }
    return found;
  }

  /** `COPY` gives identities the values of the rows, whoever is said to generate them. */
  async insert(table: TableSchema, columns: readonly ColumnSchema[], lines: readonly string[]): Promise<void> {
    await this.#putTriggersAside(table);
    this.#grown.add(table);
    const names = columns.map(({ name }) => quoteName(name)).join(",");
    const parts = async function* (): AsyncGenerator<{ readonly lines: Buffer }> {
      for (const part of inParts(lines, Infinity, batchBytes))
        yield { lines: Buffer.from(`${part.join("\n")}\n`, "latin1") };
    };
    const sql = `COPY ${quoteQualified(table)} (${names}) FROM STDIN`;
    expectRows(table, lines.length, await this.#connection.copyIn(sql, parts(), subject(table)));
  }

  async update(
    table: TableSchema,
    changes: readonly { readonly before: string; readonly after: string }[],
  ): Promise<void> {
    await this.#putTriggersAside(table);
    const { keyLength } = table;
    for (const { before, after } of changes) {
      const [was, now] = [before.split("\t"), after.split("\t")];
      const set = table.columns.flatMap((column, at) =>
        at < keyLength || was[at] === now[at] ? [] : [`${quoteName(column.name)}=${literal(column, now[at] ?? "")}`],
      );
      if (set.length === 0) continue;
      const where = among(table, ownKey(table), [was.slice(0, keyLength).join("\t")]);
      const sql = `UPDATE ONLY ${quoteQualified(table)} SET ${set.join(",")} WHERE ${where}`;
      expectRows(table, 1, await this.#connection.changed(sql, subject(table)));
    }
  }

  async remove(table: TableSchema, keys: readonly string[]): Promise<void> {
    await this.#putTriggersAside(table);
    if (table.keyLength === 0) return this.#removeLines(table, keys);
    for (const part of inParts(keys, mostValues)) {
      const where = among(table, ownKey(table), part);
      const sql = `DELETE FROM ONLY ${quoteQualified(table)} WHERE ${where}`;
      expectRows(table, part.length, await this.#connection.changed(sql, subject(table)));
    }
  }

  async #removeLines(table: TableSchema, lines: readonly string[]): Promise<void> {
    const name = quoteQualified(table);
    for (const line of lines) {
      const fields = line.split("\t");
      const same = table.columns.map(
        (column, at) =>
          `${quoteName(column.name)}::text IS NOT DISTINCT FROM (${typed(column, fields[at] ?? "")})::text`,
      );
      const row = `SELECT ctid FROM ONLY ${name} WHERE ${same.join(" AND ")} LIMIT 1`;
      expectRows(
        table,
        1,
        await this.#connection.changed(`DELETE FROM ONLY ${name} WHERE ctid = (${row})`, subject(table)),
      );
    }
  }

  /** Checks what was put off, and wakes the triggers. */
  async finish(): Promise<void> {
    if (this.#written.size > 0) await this.#connection.run("SET CONSTRAINTS ALL IMMEDIATE");
    for (const { table, name, mode } of this.#asleep) {
      await this.#connection.run(`ALTER TABLE ONLY ${table} ENABLE ${mode} TRIGGER ${quoteName(name)}`);
    }
  }

  /** Sees to it that no counter is behind its rows. */
  async moveSequences(): Promise<void> {
    for (const table of this.#grown) await moveSequences(this.#connection, table);
  }

  async #triggers(table: TableSchema): Promise<readonly { readonly name: string; readonly mode: string }[]> {
    const rows = await this.#connection.rows(
      "SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = $1::regclass AND NOT tgisinternal AND tgenabled IN ('O', 'A') ORDER BY 1",
      [quoteQualified(table)],
    );
    return rows.map(([name, enabled]) => ({ name: name ?? "", mode: enabled === "A" ? "ALWAYS" : "" }));
  }

  async #isOwner(table: TableSchema): Promise<boolean> {
    const owner = await this.#connection.value(
      "SELECT pg_has_role(relowner, 'MEMBER') FROM pg_class WHERE oid = $1::regclass",
      [quoteQualified(table)],
    );
    return owner === "t";
  }

  /** Nobody else may write to such a table meanwhile, since others' triggers would sleep too. */
  async #putTriggersAside(table: TableSchema): Promise<void> {
    const name = quoteQualified(table);
    if (this.#written.has(name)) return;
    this.#written.add(name);
    const triggers = await this.#triggers(table);
    if (triggers.length === 0 || !(await this.#isOwner(table))) return;
    for (const trigger of triggers) {
      await this.#connection.run(`ALTER TABLE ONLY ${name} DISABLE TRIGGER ${quoteName(trigger.name)}`, subject(table));
      this.#asleep.push({ table: name, ...trigger });
    }
  }
}

function among(
  { columns: all }: TableSchema,
  { columns: names, collations = [], computed, nulls }: ComparedColumns,
  values: readonly string[],
): string {
  const columns = computed?.by ?? names.flatMap((name) => all.find((column) => column.name === name) ?? []);
  const left = columns.map(({ name }, at) => {
    const sql = computed ? `(${name})` : quoteName(name);
    return collations[at] === undefined ? sql : `${sql} COLLATE ${collations[at]}`;
  });
  const isNull = (field: string | undefined): boolean => field === undefined || field === "\\N";
  const asked = values.map((value) => value.split("\t"));
  const whole = nulls ? asked.filter((fields) => !columns.some((_, at) => isNull(fields[at]))) : asked;
  const literals = whole.map(
    (fields) => `(${columns.map((column, at) => literal(column, fields[at] ?? "")).join(",")})`,
  );
  const holding = asked
    .filter((fields) => !whole.includes(fields))
    .map((fields) => {
      const tests = columns.map((column, at) => {
        const field = fields[at];
        return field === undefined || isNull(field) ? `${left[at]} IS NULL` : `${left[at]} = ${literal(column, field)}`;
      });
      return `(${tests.join(" AND ")})`;
    });
  return `(${[...(literals.length > 0 ? [`(${left.join(",")}) IN (${literals.join(",")})`] : []), ...holding].join(" OR ")})`;
}

/** Where nothing but NULL stands in a column, its type is not known by itself. */
function typed(column: ColumnSchema, field: string): string {
  return field === "\\N" ? `NULL::${column.type}` : literal(column, field);
}

function ownKey({ columns, keyLength }: TableSchema): ComparedColumns {
  return { columns: columns.slice(0, keyLength).map(({ name }) => name) };
}

function subject({ schema, name }: TableSchema): string {
  return `${schema}.${name}`;
}
