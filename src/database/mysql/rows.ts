import type { ColumnSchema, DatabaseAddress, TableSchema } from "../database.ts";
import { type CommitFate, commitForSure } from "../lost-commit.ts";
import type { ComparedColumns, RowMode, RowTransaction, TableFacts } from "../row-transaction.ts";
import { columnKind } from "./column-kind.ts";
import { expectRows } from "../expect-rows.ts";
import { inParts } from "../in-parts.ts";
import { quoteName } from "./identifier.ts";
import { inspectDatabase } from "./inspect.ts";
import { LineEncoder } from "./line-encoder.ts";
import { fieldLiteral, insertStatement } from "./load-sql.ts";
import { keyLiteral } from "./key-literal.ts";
import { selected, selectList } from "./line-sql.ts";
import { targetOf } from "./location.ts";
import { moveSequences } from "./move-sequences.ts";
import { Session } from "./session.ts";
import { type MysqlFacts, readFacts } from "./table-facts.ts";
import { addAll } from "../../lib/add-all.ts";

const batchBytes = 1 << 20;
/** A list of values that the server still looks up one by one in its index. */
const mostValues = 500;

/** Nothing is cut to fit and no zero is replaced: what does not go in as it is fails. */
const strict =
  "SET SESSION sql_mode='STRICT_ALL_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION'";

/** Text in GBK and the like comes as the bytes that lines hold, not as UTF-8. */
const asStored = "SET character_set_results=NULL";

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
  await session.run(asStored);
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
  await rows.moveSequences();
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
async function witnessedFate(session: Session, { witnesses, tables, keyless }: MysqlRows): Promise<CommitFate> {
  if (witnesses.length === 0) return keyless === "none" ? "undone" : "unknown";
  await session.run("SET SESSION innodb_lock_wait_timeout=5");
  await session.run(asStored);
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
  readonly #facts: ReadonlyMap<string, MysqlFacts>;
  readonly #lock: string;
  readonly #witnesses = new Map<string, Witness>();
  readonly #grown = new Set<TableSchema>();
  /** Rows that were changed and tell nothing, since they have no key. */
  keyless: "none" | "some" = "none";

  constructor(session: Session, tables: readonly TableSchema[], facts: ReadonlyMap<string, MysqlFacts>, lock: string) {
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

  async find(table: TableSchema, by: ComparedColumns, values: readonly string[]): Promise<readonly string[]> {
    const found: string[] = [];
    for (const part of inParts(values, mostValues)) {
      const where = among(table, by, part);
      const sql = `SELECT ${selectList(table)} FROM ${quoteName(table.name)} WHERE ${where}${this.#lock}`;
      for await (const { lines } of this.#session.stream(sql, new LineEncoder(table, batchBytes))) {
        addAll(found, lines.toString("latin1").split("\n").slice(0, -1));
      }
    }
    return found;
  }

  async valuesOf(
    table: TableSchema,
    { computed }: ComparedColumns,
    lines: readonly string[],
  ): Promise<readonly (string | undefined)[]> {
    const by = computed?.by ?? [];
    const parts = by.map(({ type }, at): ColumnSchema => ({ name: `part ${at}`, type, nullable: true }));
    const shape = { ...table, columns: parts };
    const columns = table.columns.map(({ name }) => quoteName(name)).join(",");
    const generated = (this.#facts.get(table.name)?.generated ?? []).map(
      ({ name, by: sql }) =>
        (from: string) =>
          `SELECT rows_.*,(${sql}) AS ${quoteName(name)} FROM (${from}) AS rows_`,
    );
    const values = by.map(({ name }, at) => `(${name}) AS ${quoteName(parts[at]?.name ?? "")}`).join(",");
    const found: string[] = [];
    for (const part of inParts(lines, mostValues, batchBytes)) {
      const rows = part.map((line, at) => {
        const fields = line.split("\t");
        return `SELECT ${at},${table.columns.map((column, place) => fieldLiteral(column, fields[place] ?? "\\N")).join(",")}`;
      });
      // With the table's own columns first, what stands in them is of their types and collations.
      const own = `SELECT 0 AS \`holdfast row\`,${columns} FROM ${quoteName(table.name)} WHERE FALSE UNION ALL ${rows.join(" UNION ALL ")}`;
      const asked = generated.reduce((from, wrap) => wrap(from), own);
      const sql =
        `SELECT ${selectList(shape)} FROM (SELECT \`holdfast row\`,${values} FROM (${asked}) AS asked) AS asked ` +
        "ORDER BY `holdfast row`";
      for await (const batch of this.#session.stream(sql, new LineEncoder(shape, batchBytes))) {
        addAll(found, batch.lines.toString("latin1").split("\n").slice(0, -1));
      }
    }
    return found;
  }

  async insert(table: TableSchema, columns: TableSchema["columns"], lines: readonly string[]): Promise<void> {
    const shape = { ...table, columns };
    this.#grown.add(table);
    const places = table.columns.slice(0, table.keyLength).map((column) => columns.indexOf(column));
    this.#remember(
      lines.slice(0, mostWitnesses).flatMap((line): Witness[] => {
        const fields = line.split("\t");
        const key = places.map((at) => fields[at]);
        // A key that the server gave is not known.
        return key.includes(undefined) || table.keyLength === 0
          ? []
          : [{ table, key: key.join("\t"), before: undefined, after: "there" }];
      }),
    );
    if (table.keyLength === 0) this.keyless = "some";
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
    if (table.keyLength === 0) return this.#removeLines(table, keys);
    this.#remember(keys.map((key) => ({ table, key, before: "there", after: undefined })));
    for (const part of inParts(keys, mostValues)) {
      const sql = `DELETE FROM ${quoteName(table.name)} WHERE ${this.#isKey(table, part)}`;
      expectRows(table, part.length, await this.#session.changed(sql));
    }
  }

  /** Sees to it that no sequence is behind its rows. */
  async moveSequences(): Promise<void> {
    for (const table of this.#grown) await moveSequences(this.#session, table);
  }

  async #removeLines(table: TableSchema, lines: readonly string[]): Promise<void> {
    this.keyless = "some";
    for (const line of lines) {
      const fields = line.split("\t");
      const same = table.columns.map((column, at) => {
        const isText = ["text", "enum"].includes(columnKind(column));
        const value = isText ? `CONVERT(${selected(column)} USING utf8mb4) COLLATE utf8mb4_bin` : selected(column);
        return `${value} <=> ${fieldLiteral(column, fields[at] ?? "")}`;
      });
      const sql = `DELETE FROM ${quoteName(table.name)} WHERE ${same.join(" AND ")} LIMIT 1`;
      expectRows(table, 1, await this.#session.changed(sql));
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
    return among(table, { columns: table.columns.slice(0, table.keyLength).map(({ name }) => name) }, keys);
  }
}

function among(
  { columns: all }: TableSchema,
  { columns: names, computed }: ComparedColumns,
  values: readonly string[],
): string {
  const columns = computed?.by ?? names.flatMap((name) => all.find((column) => column.name === name) ?? []);
  const literals = values.map((value) => {
    const fields = value.split("\t");
    return `(${columns.map((column, at) => keyLiteral(column, fields[at] ?? "")).join(",")})`;
  });
  const left = columns.map(({ name }) => (computed ? name : quoteName(name))).join(",");
  return `(${left}) IN (${literals.join(",")})`;
}
