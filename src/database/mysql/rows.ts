import type { DatabaseAddress, TableSchema } from "../database.ts";
import type { RowMode, RowTransaction, TableFacts } from "../row-transaction.ts";
import { inParts } from "../in-parts.ts";
import { quoteName } from "./identifier.ts";
import { inspectDatabase, isTransactional } from "./inspect.ts";
import { LineEncoder } from "./line-encoder.ts";
import { fieldLiteral, insertStatement } from "./load-sql.ts";
import { keyLiteral } from "./key-literal.ts";
import { selectList } from "./line-sql.ts";
import { targetOf } from "./location.ts";
import { Session } from "./session.ts";

const batchBytes = 1 << 20;
/** A list of values that the server still looks up one by one in its index. */
const mostValues = 500;

/** Nothing is cut to fit and no zero is replaced: what does not go in as it is fails. */
const strict =
  "SET SESSION sql_mode='STRICT_ALL_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION'";

/** One transaction on a database of a server. Triggers fire: the server has no way to stop them for one session. */
export async function mysqlRows<T>(
  address: DatabaseAddress,
  mode: RowMode,
  signal: AbortSignal,
  work: (rows: RowTransaction) => Promise<T>,
): Promise<T> {
  const target = await targetOf(address);
  await using session = await Session.open(target, target.database, signal);
  await session.run(strict);
  const { schema } = await inspectDatabase(session);
  const facts = await readFacts(session);
  await session.run(
    mode === "read"
      ? "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
      : // What was committed until a row is locked counts, not what an older moment held.
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
  );
  if (mode !== "read") await session.run("START TRANSACTION");
  const result = await work(new MysqlRows(session, schema.tables, facts, mode === "read" ? "" : " FOR UPDATE"));
  await session.run(mode === "rehearse" ? "ROLLBACK" : "COMMIT");
  return result;
}

class MysqlRows implements RowTransaction {
  readonly tables: readonly TableSchema[];
  readonly #session: Session;
  readonly #facts: ReadonlyMap<string, TableFacts>;
  readonly #lock: string;

  constructor(session: Session, tables: readonly TableSchema[], facts: ReadonlyMap<string, TableFacts>, lock: string) {
    this.#session = session;
    this.tables = tables;
    this.#facts = facts;
    this.#lock = lock;
  }

  async facts({ name }: TableSchema): Promise<TableFacts> {
    return this.#facts.get(name) ?? { unique: [], required: [], triggers: [], transactional: "no" };
  }

  async find(table: TableSchema, columns: readonly string[], values: readonly string[]): Promise<readonly string[]> {
    const found: string[] = [];
    for (const part of inParts(values, mostValues)) {
      const where = this.#among(table, columns, part);
      const sql = `SELECT ${selectList(table)} FROM ${quoteName(table.name)} WHERE ${where}${this.#lock}`;
      for await (const { lines } of this.#session.stream(sql, new LineEncoder(table, batchBytes))) {
        found.push(...lines.toString("latin1").split("\n").slice(0, -1));
      }
    }
    return found;
  }

  async insert(table: TableSchema, columns: TableSchema["columns"], lines: readonly string[]): Promise<void> {
    const shape = { ...table, columns };
    for (const part of inParts(lines, mostValues, batchBytes)) {
      await this.#session.run(insertStatement(shape, Buffer.from(`${part.join("\n")}\n`, "latin1")));
    }
  }

  /** Columns that would set themselves to the time of the change are given what they have. */
  async update(
    table: TableSchema,
    changes: readonly { readonly before: string; readonly after: string }[],
  ): Promise<void> {
    for (const { before, after } of changes) {
      const [was, now] = [before.split("\t"), after.split("\t")];
      const set = table.columns.flatMap((column, at) => {
        const name = quoteName(column.name);
        if (at < table.keyLength) return [];
        if (was[at] !== now[at]) return [`${name}=${fieldLiteral(column, now[at] ?? "")}`];
        return /^(?:timestamp|datetime)/i.test(column.type) ? [`${name}=${name}`] : [];
      });
      if (set.length === 0) continue;
      const key = was.slice(0, table.keyLength).join("\t");
      await this.#session.run(
        `UPDATE ${quoteName(table.name)} SET ${set.join(",")} WHERE ${this.#isKey(table, [key])}`,
      );
    }
  }

  async remove(table: TableSchema, keys: readonly string[]): Promise<void> {
    for (const part of inParts(keys, mostValues)) {
      await this.#session.run(`DELETE FROM ${quoteName(table.name)} WHERE ${this.#isKey(table, part)}`);
    }
  }

  #isKey(table: TableSchema, keys: readonly string[]): string {
    return this.#among(
      table,
      table.columns.slice(0, table.keyLength).map(({ name }) => name),
      keys,
    );
  }

  #among({ columns: all }: TableSchema, names: readonly string[], values: readonly string[]): string {
    const columns = names.flatMap((name) => all.find((column) => column.name === name) ?? []);
    const literals = values.map((value) => {
      const fields = value.split("\t");
      return `(${columns.map((column, at) => keyLiteral(column, fields[at] ?? "")).join(",")})`;
    });
    return `(${columns.map(({ name }) => quoteName(name)).join(",")}) IN (${literals.join(",")})`;
  }
}

async function readFacts(session: Session): Promise<ReadonlyMap<string, TableFacts>> {
  const tables = await session.query(
    "SELECT TABLE_NAME, IFNULL(ENGINE,'') FROM information_schema.TABLES WHERE TABLE_SCHEMA=DATABASE()",
  );
  const parts = await session.query(
    "SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS " +
      "WHERE TABLE_SCHEMA=DATABASE() AND NON_UNIQUE=0 ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX",
  );
  const required = await session.query(
    "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=DATABASE() AND IS_NULLABLE='NO' " +
      "AND COLUMN_DEFAULT IS NULL AND EXTRA NOT LIKE '%auto_increment%' AND IFNULL(GENERATION_EXPRESSION,'')=''",
  );
  const triggers = await session.query(
    "SELECT EVENT_OBJECT_TABLE, TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA=DATABASE() ORDER BY TRIGGER_NAME",
  );
  const ofTable = (rows: readonly (readonly (string | null)[])[], table: string | null | undefined) =>
    rows.filter(([name]) => name === table).map(([, value]) => value ?? "");
  return new Map(
    tables.map(([name, engine]) => {
      const indexes = Map.groupBy(
        parts.filter(([table]) => table === name),
        ([, index]) => index,
      );
      const whole = [...indexes.values()].filter((index) =>
        index.every(([, , column, part]) => column !== null && part === null),
      );
      const facts: TableFacts = {
        unique: whole.map((index) => index.map(([, , column]) => column ?? "")),
        required: ofTable(required, name),
        triggers: ofTable(triggers, name).map((trigger) => ({ name: trigger, how: "fires" })),
        transactional: isTransactional(engine ?? "") ? "yes" : "no",
      };
      return [name ?? "", facts];
    }),
  );
}
