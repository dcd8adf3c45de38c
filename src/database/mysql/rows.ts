import type { DatabaseAddress, TableSchema } from "../database.ts";
import { type CommitFate, commitForSure } from "../lost-commit.ts";
import type { ComparedColumns, RowMode, RowTransaction, TableFacts } from "../row-transaction.ts";
import { expectRows } from "../expect-rows.ts";
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
  const { schema } = await inspectDatabase(session, "rows");
  const facts = await readFacts(session);
  await session.run(
    mode === "read"
      ? "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
      : // What was committed until a row is locked counts, not what an older moment held.
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
  );
  if (mode !== "read") await session.run("START TRANSACTION");
  const rows = new MysqlRows(session, schema.tables, facts, mode === "read" ? "" : " FOR UPDATE");
  const result = await work(rows);
  if (mode !== "change") {
    await session.run(mode === "rehearse" ? "ROLLBACK" : "COMMIT");
    return result;
  }
  const fateOf = async (): Promise<CommitFate> => {
    await using again = await Session.open(target, target.database, signal);
    return await witnessedFate(again, rows);
  };
  await commitForSure(() => session.run("COMMIT"), fateOf, target.location, signal);
  return result;
}

/**
 * The server remembers no transactions, but it was all or nothing: so rows that were changed tell, once a lock on them is
 * had, for which the old session must have ended. Rows that somebody else has changed since tell nothing.
 */
async function witnessedFate(session: Session, { witnesses, tables }: MysqlRows): Promise<CommitFate> {
  if (witnesses.length === 0) return "undone";
  await session.run("SET SESSION innodb_lock_wait_timeout=5");
  await session.run("SET TRANSACTION ISOLATION LEVEL READ COMMITTED");
  await session.run("START TRANSACTION");
  const rows = new MysqlRows(session, tables, new Map(), " FOR UPDATE");
  const told = new Set<CommitFate>();
  for (const { table, key, before, after } of witnesses) {
    const keys = table.columns.slice(0, table.keyLength).map(({ name }) => name);
    const now = (await rows.find(table, { columns: keys }, [key])).find((line) => keyIn(table, line) === key);
    if (isSeen(now, after) && !isSeen(now, before)) told.add("committed");
    else if (isSeen(now, before) && !isSeen(now, after)) told.add("undone");
  }
  await session.run("ROLLBACK");
  const [only, ...others] = told;
  return only !== undefined && others.length === 0 ? only : "unknown";
}

/** A whole line; no row; or one of which only the key is known. */
type Image = string | undefined;

interface Witness {
  readonly table: TableSchema;
  readonly key: string;
  readonly before: Image;
  readonly after: Image;
}

function isSeen(now: string | undefined, image: Witness["after"]): boolean {
  return image === "there" ? now !== undefined : now === image;
}

function keyIn({ keyLength }: TableSchema, line: string): string {
  return line.split("\t", keyLength).join("\t");
}

/** So many say what became of a transaction, should somebody change some of them meanwhile. */
const mostWitnesses = 100;

class MysqlRows implements RowTransaction {
  readonly tables: readonly TableSchema[];
  readonly #session: Session;
  readonly #facts: ReadonlyMap<string, TableFacts>;
  readonly #lock: string;
  readonly #witnesses = new Map<string, Witness>();

  constructor(session: Session, tables: readonly TableSchema[], facts: ReadonlyMap<string, TableFacts>, lock: string) {
    this.#session = session;
    this.tables = tables;
    this.#facts = facts;
    this.#lock = lock;
  }

  /** Some of the rows that were changed, as they were and became. */
  get witnesses(): readonly Witness[] {
    return [...this.#witnesses.values()];
  }

  async facts({ name }: TableSchema): Promise<TableFacts> {
    return this.#facts.get(name) ?? { unique: [], required: [], triggers: [], transactional: "no" };
  }

  async find(table: TableSchema, { columns }: ComparedColumns, values: readonly string[]): Promise<readonly string[]> {
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
    const places = table.columns.slice(0, table.keyLength).map((column) => columns.indexOf(column));
    this.#remember(
      lines.slice(0, mostWitnesses).flatMap((line): Witness[] => {
        const fields = line.split("\t");
        const key = places.map((at) => fields[at]);
        // A key that the server gave is not known.
        return key.includes(undefined) ? [] : [{ table, key: key.join("\t"), before: undefined, after: "there" }];
      }),
    );
    for (const part of inParts(lines, mostValues, batchBytes)) {
      const statement = insertStatement(shape, Buffer.from(`${part.join("\n")}\n`, "latin1"));
      expectRows(table, part.length, await this.#session.changed(statement));
    }
  }

  /** Columns that would set themselves to the time of the change are given what they have. */
  async update(
    table: TableSchema,
    changes: readonly { readonly before: string; readonly after: string }[],
  ): Promise<void> {
    this.#remember(changes.map(({ before, after }) => ({ table, key: keyIn(table, before), before, after })));
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
      const sql = `UPDATE ${quoteName(table.name)} SET ${set.join(",")} WHERE ${this.#isKey(table, [key])}`;
      expectRows(table, 1, await this.#session.changed(sql));
    }
  }

  async remove(table: TableSchema, keys: readonly string[]): Promise<void> {
    this.#remember(keys.map((key) => ({ table, key, before: "there", after: undefined })));
    for (const part of inParts(keys, mostValues)) {
      const sql = `DELETE FROM ${quoteName(table.name)} WHERE ${this.#isKey(table, part)}`;
      expectRows(table, part.length, await this.#session.changed(sql));
    }
  }

  #remember(changed: readonly Witness[]): void {
    for (const one of changed) {
      const name = `${one.table.name}\t${one.key}`;
      const known = this.#witnesses.get(name);
      if (known) this.#witnesses.set(name, { ...known, after: one.after });
      else if (this.#witnesses.size < mostWitnesses) this.#witnesses.set(name, one);
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
        unique: whole.map((index) => ({ columns: index.map(([, , column]) => column ?? "") })),
        required: ofTable(required, name),
        triggers: ofTable(triggers, name).map((trigger) => ({ name: trigger, how: "fires" })),
        transactional: isTransactional(engine ?? "") ? "yes" : "no",
      };
      return [name ?? "", facts];
    }),
  );
}
