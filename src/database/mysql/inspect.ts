import { createHash } from "node:crypto";
import type { ColumnSchema, DatabaseSchema, ForeignKey, SnapshotOf, TableSchema } from "../database.ts";
import { quoteName } from "./identifier.ts";
import { programs, type Uncovered } from "./programs.ts";
import type { Row, Session } from "./session.ts";
import { chooseKey, type IndexPart, type TableKey } from "./table-key.ts";

/** Raised when lines come out differently for equal rows: then no run may lie on an older base. */
const lineFormat = 1;

/** What schemas of MySQL name their one namespace: the database's own name changes with a restore. */
const namespace = "main";

/** Engines whose rows are kept elsewhere, or nowhere. */
const elsewhere = new Set(["FEDERATED", "CONNECT", "SPIDER", "MRG_MYISAM", "BLACKHOLE", "SPHINX", "S3", "NDBCLUSTER"]);
/** Engines that know transactions; what is kept in others is read as it is at that time. */
const transactional = new Set(["INNODB", "ROCKSDB", "TOKUDB"]);

/** Whether rows of such a table are read at all. */
export function isReadHere(engine: string): boolean {
  return !elsewhere.has(engine.toUpperCase());
}

export function isTransactional(engine: string): boolean {
  return transactional.has(engine.toUpperCase());
}

/** A database, and for each of its tables the index in whose order rows are read. */
export interface Inspected {
  readonly schema: DatabaseSchema;
  readonly indexes: ReadonlyMap<string, string>;
}

interface Found {
  readonly name: string;
  readonly type: string;
  readonly engine: string;
}

/**
 * Everything that a restore needs except the rows; `rows`: the tables alone, without a question for each of them. The
 * session's default database is the one to be inspected.
 */
export async function inspectDatabase(session: Session, what: SnapshotOf = "everything"): Promise<Inspected> {
  const found = await session.query(
    "SELECT TABLE_NAME, TABLE_TYPE, IFNULL(ENGINE,'') FROM information_schema.TABLES WHERE TABLE_SCHEMA=DATABASE() ORDER BY TABLE_NAME",
  );
  const all = found.map(([name, type, engine]): Found => ({
    name: name ?? "",
    type: type ?? "",
    engine: engine ?? "",
  }));
  const uncovered: Uncovered[] = [];
  const columns = await columnsByTable(session);
  const keys = await keysByTable(session);
  const references = await foreignKeysByTable(session);
  const before: string[] = [];
  const tables: TableSchema[] = [];
  const indexes = new Map<string, string>();
  const counters: { name: string; value: string }[] = [];
  const isWhole = what === "everything";
  for (const { name } of isWhole ? all.filter(({ type }) => type === "SEQUENCE") : []) {
    before.push(await createStatement(session, "SEQUENCE", name));
    const [row] = await session.query(`SELECT next_not_cached_value FROM ${quoteName(name)}`);
    counters.push({ name, value: row?.[0] ?? "1" });
  }
  for (const { name, type, engine } of all.filter(
    ({ type: one }) => one === "BASE TABLE" || one === "SYSTEM VERSIONED",
  )) {
    if (isWhole) {
      const created = await createStatement(session, "TABLE", name);
      const { statement, counter } = portable(created, uncovered, name);
      before.push(statement);
      if (counter !== undefined) counters.push({ name, value: counter });
    }
    if (!isReadHere(engine)) {
      uncovered.push({ subject: name, reason: "mysql-elsewhere" });
      continue;
    }
    if (type === "SYSTEM VERSIONED") uncovered.push({ subject: name, reason: "mysql-history" });
    if (!isTransactional(engine)) uncovered.push({ subject: name, reason: "mysql-engine" });
    const key = chooseKey(columns.get(name) ?? [], keys.get(name) ?? []);
    if (key.index !== undefined) indexes.set(name, key.index);
    tables.push(tableSchema(name, columns.get(name) ?? [], key, references.get(name) ?? []));
  }
  const views = all.filter(({ type }) => type === "VIEW").map(({ name }) => name);
  const { after, grants } = isWhole ? await programs(session, views, uncovered) : { after: [], grants: [] };
  const [defaults] = await session.query(
    "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME=DATABASE()",
  );
  const { flavour, version } = session.server;
  const schema: DatabaseSchema = {
    engine: "mysql",
    engineVersion: `${flavour === "mariadb" ? "MariaDB" : "MySQL"} ${version}`,
    tables,
    settings: { flavour, character_set: defaults?.[0] ?? "utf8mb4", collation: defaults?.[1] ?? "utf8mb4_bin" },
    sequences: counters,
    grants,
    before,
    after,
    uncovered,
  };
  return { schema, indexes };
}

function tableSchema(
  name: string,
  columns: readonly ColumnSchema[],
  key: TableKey,
  foreignKeys: readonly ForeignKey[],
): TableSchema {
  const ordered = [
    ...key.columns.flatMap((column) => columns.find((one) => one.name === column) ?? []),
    ...columns.filter((column) => !key.columns.includes(column.name)),
  ];
  const fingerprint = createHash("sha256")
    .update(JSON.stringify({ lineFormat, ordered, keyLength: key.columns.length }))
    .digest("hex");
  return {
    schema: namespace,
    name,
    columns: ordered,
    keyLength: key.columns.length,
    ...(key.unkeyedBecause === undefined ? {} : { unkeyedBecause: key.unkeyedBecause }),
    foreignKeys,
    fingerprint,
  };
}

/** Stored columns, invisible ones among them; generated ones follow from the others. */
async function columnsByTable(session: Session): Promise<ReadonlyMap<string, readonly ColumnSchema[]>> {
  const rows = await session.query(
    "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, CHARACTER_SET_NAME, COLLATION_NAME " +
      "FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=DATABASE() AND IFNULL(GENERATION_EXPRESSION,'')='' ORDER BY TABLE_NAME, ORDINAL_POSITION",
  );
  return grouped(rows, ([, name, type, nullable, charset, collation]) => ({
    name: name ?? "",
    type: charset === null ? (type ?? "") : `${type} character set ${charset} collate ${collation}`,
    nullable: nullable === "YES",
  }));
}

async function keysByTable(session: Session): Promise<ReadonlyMap<string, readonly IndexPart[]>> {
  // In the server's own order of indexes: the primary key, then unique ones that cannot be NULL. MySQL's has none.
  const order = session.server.flavour === "mariadb" ? "" : " ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX";
  const rows = await session.query(
    "SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, SUB_PART, INDEX_TYPE FROM information_schema.STATISTICS " +
      `WHERE TABLE_SCHEMA=DATABASE() AND NON_UNIQUE=0${order}`,
  );
  const parts = grouped(rows, ([, index, column, part, type]) => ({
    index: index ?? "",
    column: column ?? undefined,
    prefix: part !== null || type !== "BTREE",
  }));
  const primaryFirst = (some: readonly IndexPart[]): readonly IndexPart[] => [
    ...some.filter(({ index }) => index === "PRIMARY"),
    ...some.filter(({ index }) => index !== "PRIMARY"),
  ];
  return new Map([...parts].map(([table, some]) => [table, primaryFirst(some)]));
}

async function foreignKeysByTable(session: Session): Promise<ReadonlyMap<string, readonly ForeignKey[]>> {
  const rows = await session.query(
    "SELECT TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME, " +
      "IF(REFERENCED_TABLE_SCHEMA=DATABASE(),NULL,REFERENCED_TABLE_SCHEMA) FROM information_schema.KEY_COLUMN_USAGE " +
      "WHERE TABLE_SCHEMA=DATABASE() AND REFERENCED_TABLE_NAME IS NOT NULL ORDER BY TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION",
  );
  const tables = new Map<string, ForeignKey[]>();
  for (const [, parts] of Map.groupBy(rows, ([table, constraint]) => JSON.stringify([table, constraint]))) {
    const [table, , , parent, , database] = parts[0] ?? [];
    const key = {
      columns: parts.map((part) => part[2] ?? ""),
      table: parent ?? "",
      // A table of another database is none of ours, and cannot be checked after a restore elsewhere.
      tableSchema: database ?? namespace,
      referenced: parts.map((part) => part[4] ?? ""),
    };
    tables.set(table ?? "", [...(tables.get(table ?? "") ?? []), key]);
  }
  return tables;
}

function grouped<T>(rows: readonly Row[], make: (row: Row) => T): ReadonlyMap<string, readonly T[]> {
  const groups = Map.groupBy(rows, ([name]) => name ?? "");
  return new Map([...groups].map(([name, some]) => [name, some.map(make)]));
}

async function createStatement(session: Session, what: "TABLE" | "SEQUENCE", name: string): Promise<string> {
  const [row] = await session.query(`SHOW CREATE ${what} ${quoteName(name)}`);
  return row?.[1] ?? "";
}

/**
 * A `CREATE TABLE` that builds the same table in a database of any name and place: without the counter, which is kept
 * apart so that the statement stays the same from backup to backup, without the database's name before sequences, and
 * without folders of the old machine.
 */
function portable(
  created: string,
  uncovered: Uncovered[],
  name: string,
): { readonly statement: string; readonly counter: string | undefined } {
  const end = created.lastIndexOf("\n)");
  const options = created.slice(end);
  const counter = / AUTO_INCREMENT=(\d+)/.exec(options)?.[1];
  const folders = / (?:DATA|INDEX) DIRECTORY\s?=\s?'(?:[^'\\]|\\.|'')*'/g;
  if (folders.test(options)) uncovered.push({ subject: name, reason: "mysql-directory" });
  const columns = created
    .slice(0, end)
    .replaceAll(/\b(nextval|lastval)\(`(?:[^`]|``)+`\.(`(?:[^`]|``)+`)\)/g, "$1($2)");
  return { statement: columns + options.replace(/ AUTO_INCREMENT=\d+/, "").replaceAll(folders, ""), counter };
}
