import { createHash } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";

import type { DatabaseSchema, ForeignKey, TableSchema } from "../database.ts";
import { commandTo, contentOf, isFullText, moduleOf } from "./full-text.ts";
import { quoteText } from "./identifier.ts";
import { all, number, text, type Row } from "./query.ts";
import type { TextEncoding } from "./row-sql.ts";
import { rehearse, type Rehearsed } from "./statements.ts";
import { chooseKey, hasRowidColumn, type StoredColumn, type TableKind } from "./table-key.ts";

/** Raised when lines come out differently for equal rows: then no run may lie on an older base. */
const lineFormat = 1;

export type JournalMode = "wal" | "delete";

interface SchemaObject extends Rehearsed {
  readonly type: string;
  readonly isVirtual: boolean;
}

/**
 * Everything that a restore needs except the rows. Tables come in the order of their creation, the tables behind virtual
 * tables (FTS, R-tree) among them as ordinary tables: filled as they were, with the virtual table's own row put back into
 * `sqlite_schema` last, they give the same index as before, without rebuilding it and without knowing its module.
 */
export function inspectSchema(connection: DatabaseSync, journalMode: JournalMode): DatabaseSchema {
  const encoding = textEncoding(connection);
  const objects = schemaObjects(connection);
  const { failures, hasCounters } = rehearse(objects.filter((object) => !object.isVirtual));
  const sound = objects.filter((object) => !failures.has(object));
  const uncovered = [...failures].map(([object, reason]) => ({ subject: object.subject, reason }));

  const tables = sound
    .filter((object) => object.type === "table" && !object.isVirtual)
    .map((object) => inspectTable(connection, object.subject, encoding));
  const modules = new Set(all(connection, "SELECT name FROM pragma_module_list").map((row) => text(row, "name")));
  const virtual = sound.filter((object) => object.isVirtual);
  for (const object of virtual) {
    if (!modules.has(moduleOf(object.sql))) uncovered.push({ subject: object.subject, reason: "sqlite-module" });
  }
  if (hasTable(connection, "sqlite_stat4")) {
    // Samples for the query planner, which common builds of SQLite neither write nor read: `ANALYZE` makes them again.
    uncovered.push({ subject: "sqlite_stat4", reason: "sqlite-samples" });
  }
  return {
    engine: "sqlite",
    engineVersion: text(all(connection, "SELECT sqlite_version() AS version")[0], "version"),
    tables,
    settings: { ...readSettings(connection, encoding, journalMode), sqlite_sequence: hasCounters ? 1 : 0 },
    sequences: hasCounters ? readSequences(connection) : [],
    before: sound.filter((object) => object.type === "table" && !object.isVirtual).map((object) => object.sql),
    after: [
      ...sound.filter((object) => object.type !== "table").map((object) => object.sql),
      ...plannerStatistics(connection),
      ...virtualTableStatements(virtual),
      ...rebuildStatements(connection, virtual),
    ],
    uncovered,
  };
}

export function textEncoding(connection: DatabaseSync): TextEncoding {
  const encoding = text(all(connection, "PRAGMA encoding")[0], "encoding");
  return encoding === "UTF-16le" || encoding === "UTF-16be" ? encoding : "UTF-8";
}

function schemaObjects(connection: DatabaseSync): readonly SchemaObject[] {
  const rows = all(
    connection,
    "SELECT type, name, sql, rootpage FROM main.sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid",
  );
  return rows.map((row) => ({
    type: text(row, "type"),
    subject: text(row, "name"),
    sql: text(row, "sql"),
    isVirtual: text(row, "type") === "table" && number(row, "rootpage") === 0,
  }));
}

function inspectTable(connection: DatabaseSync, name: string, encoding: TextEncoding): TableSchema {
  const kind = tableKind(connection, name);
  const columns = storedColumns(connection, name);
  const key = chooseKey(connection, name, columns, kind, encoding);
  const keyColumns = key.columns.map((column) => columns.find((candidate) => candidate.name === column));
  const ordered = [
    ...keyColumns.filter((column) => column !== undefined),
    ...columns.filter((column) => !key.columns.includes(column.name)),
  ].map((column) => ({ name: column.name, type: column.type, nullable: column.nullable }));
  const fingerprint = createHash("sha256")
    .update(JSON.stringify({ lineFormat, encoding, kind, ordered, keyLength: key.columns.length }))
    .digest("hex");
  return {
    schema: "main",
    name,
    columns: ordered,
    keyLength: key.columns.length,
    ...(key.unkeyedBecause === undefined ? {} : { unkeyedBecause: key.unkeyedBecause }),
    foreignKeys: foreignKeys(connection, name),
    fingerprint,
  };
}

export function tableKind(connection: DatabaseSync, name: string): TableKind {
  const row = all(connection, "SELECT wr, strict FROM pragma_table_list(?) WHERE schema = 'main'", name)[0];
  return { withoutRowid: number(row, "wr") === 1, strict: number(row, "strict") === 1 };
}

function storedColumns(connection: DatabaseSync, table: string): readonly StoredColumn[] {
  // `hidden`: 0 for what is stored; 2 and 3 for generated columns, whose values follow from the others.
  const rows = all(
    connection,
    "SELECT name, type, [notnull], pk FROM pragma_table_xinfo(?, 'main') WHERE hidden = 0 ORDER BY cid",
    table,
  );
  return rows.map((row) => ({
    name: text(row, "name"),
    type: text(row, "type"),
    nullable: number(row, "notnull") === 0,
    primaryKey: number(row, "pk"),
  }));
}

function foreignKeys(connection: DatabaseSync, table: string): readonly ForeignKey[] {
  const rows = all(
    connection,
    "SELECT id, [table] AS parent, [from] AS child, [to] AS referenced FROM pragma_foreign_key_list(?, 'main') ORDER BY id, seq",
    table,
  );
  const byId = new Map<number, Row[]>();
  for (const row of rows) byId.set(number(row, "id"), [...(byId.get(number(row, "id")) ?? []), row]);
  return [...byId.values()].map((parts) => {
    const parent = text(parts[0], "parent");
    // Without named columns the parent's primary key is meant.
    const named = parts.every((part) => part["referenced"] !== null);
    const referenced = named ? parts.map((part) => text(part, "referenced")) : primaryKeyOf(connection, parent);
    return { columns: parts.map((part) => text(part, "child")), table: parent, tableSchema: "main", referenced };
  });
}

function primaryKeyOf(connection: DatabaseSync, table: string): readonly string[] {
  const rows = all(connection, "SELECT name FROM pragma_table_xinfo(?, 'main') WHERE pk > 0 ORDER BY pk", table);
  return rows.map((row) => text(row, "name"));
}

function readSettings(
  connection: DatabaseSync,
  encoding: TextEncoding,
  journalMode: JournalMode,
): DatabaseSchema["settings"] {
  const pragma = (name: string): number => number(all(connection, `PRAGMA main.${name}`)[0], name);
  return {
    encoding,
    page_size: pragma("page_size"),
    auto_vacuum: pragma("auto_vacuum"),
    user_version: pragma("user_version"),
    application_id: pragma("application_id"),
    journal_mode: journalMode,
  };
}

/** AUTOINCREMENT counters. Any statement may write anything into `sqlite_sequence`; what is no integer counts for nothing. */
function readSequences(connection: DatabaseSync): DatabaseSchema["sequences"] {
  const rows = all(
    connection,
    "SELECT name, CAST(seq AS TEXT) AS value FROM main.sqlite_sequence WHERE typeof(seq) = 'integer' AND typeof(name) = 'text' ORDER BY rowid",
  );
  return rows.map((row) => ({ name: text(row, "name"), value: text(row, "value") }));
}

function plannerStatistics(connection: DatabaseSync): readonly string[] {
  if (!hasTable(connection, "sqlite_stat1")) return [];
  const rows = all(
    connection,
    "SELECT 'INSERT INTO sqlite_stat1(tbl,idx,stat) VALUES('||quote(tbl)||','||quote(idx)||','||quote(stat)||')' AS statement FROM main.sqlite_stat1 ORDER BY rowid",
  );
  return ["ANALYZE sqlite_schema", ...rows.map((row) => text(row, "statement"))];
}

function virtualTableStatements(virtual: readonly SchemaObject[]): readonly string[] {
  if (virtual.length === 0) return [];
  const inserts = virtual.map(({ subject, sql }) => {
    const name = quoteText(subject);
    return `INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql) VALUES('table',${name},${name},0,${quoteText(sql)})`;
  });
  return ["PRAGMA writable_schema=ON", ...inserts, "PRAGMA writable_schema=RESET"];
}

/**
 * A full-text index may lie over the rowids of a table that has no column for them. Such rowids are SQLite's own and change with a
 * restore, as they do with VACUUM; so that index is built again.
 */
function rebuildStatements(connection: DatabaseSync, virtual: readonly SchemaObject[]): readonly string[] {
  const statements: string[] = [];
  for (const { subject, sql } of virtual) {
    if (!isFullText(sql)) continue;
    const rowid = /\bcontent_rowid\s*=\s*["']?([\w$]+)/i.exec(sql)?.[1] ?? "rowid";
    const table = contentOf(sql) ?? "";
    if (table === "" || !["rowid", "oid", "_rowid_"].includes(rowid.toLowerCase())) continue;
    const found = all(
      connection,
      "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND lower(name) = lower(?)",
      table,
    )[0];
    if (found === undefined || hasRowidColumn(connection, text(found, "name"))) continue;
    statements.push(commandTo(subject, "rebuild"));
  }
  return statements;
}

function hasTable(connection: DatabaseSync, name: string): boolean {
  return all(connection, "SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ?", name).length > 0;
}
