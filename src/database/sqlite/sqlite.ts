/**
 * SQLite, in this process through `node:sqlite`.
 *
 * - `connect.ts` and `open.ts` open; `copy.ts` makes the private copy that a database without WAL needs; `inspect.ts` and `table-key.ts` tell what is
 *   in it; `take-snapshot.ts` and `reader.ts` read rows as lines, which SQLite writes by itself (`row-sql.ts`), in a thread
 *   of their own, large databases in two that are at one moment (`snapshot-thread.ts`, `same-moment.ts`, seen from
 *   outside: `snapshot.ts`).
 * - `field.ts`, `real.ts`: what a field of a line means. `compare-keys.ts`, `row-hash.ts`: order and sums of lines.
 * - `load.ts` and `row-inserter.ts` build a database from lines; `restore-script.ts` writes the SQL that does the same in
 *   SQLite's own shell.
 * - `rows.ts` finds and changes single rows. `full-text.ts`: indexes of words, which may have to be built again.
 * - `difference-feed.ts` follows a database, which has no log, by what differs each time that it is looked at.
 * - `check.ts`, `execute.ts`, `estimate.ts`, `open-by.ts`: smaller questions to a database file.
 */
import { isAbsolute } from "node:path";

import { HoldfastError } from "../../lib/errors.ts";
import type { DatabaseEngine } from "../database.ts";
import { checkSqlite } from "./check.ts";
import { compareKeys } from "./compare-keys.ts";
import { connectSqlite } from "./connect.ts";
import { DifferenceFeed, snapshotPoint } from "./difference-feed.ts";
import { askSqlite, executeSqlite } from "./execute.ts";
import { loadSqlite } from "./load.ts";
import { isSqliteUrl, sqliteDataSuffixes, sqliteFileSuffixes, sqlitePath } from "./location.ts";
import { rowSql } from "./literal.ts";
import { databaseUsers } from "./open-by.ts";
import { computedTables, computingAnew } from "./full-text.ts";
import { lineField, readable, textOf } from "./readable.ts";
import { restoreScript } from "./restore-script.ts";
import { addRowHash, rowHash } from "./row-hash.ts";
import { sqliteRows } from "./rows.ts";

export const sqliteEngine: DatabaseEngine = {
  name: "sqlite",
  accepts: isSqliteUrl,
  connect: ({ url }, { signal }) => connectSqlite(url, signal),
  load: ({ url }, schema, tables, { signal }) => loadSqlite(url, schema, tables, signal),
  check: ({ url }, signal) => checkSqlite(url, signal),
  rowHash,
  addRowHash,
  keyOrder: () => compareKeys,
  readable,
  textOf,
  lineField,
  fitted: (text) => text,
  searchable: () => "mixed",
  rowSql,
  restoreScript,
  computedTables,
  computingAnew,
  execute: ({ url }, statements, signal) => executeSqlite(url, statements, signal),
  ask: ({ url }, statement, signal) => askSqlite(url, statement, signal),
  rows: ({ url }, mode, signal, work) => sqliteRows(url, mode, signal, work),
  holders: async ({ url }, signal) => (await databaseUsers(url, signal)).users,
  log: {
    pointOf: snapshotPoint,
    follow: ({ url }, options) => DifferenceFeed.open(url, options),
  },
  home: {
    kind: "file",
    files: (url) => sqliteFileSuffixes.map((suffix) => sqlitePath(url) + suffix),
    dataFiles: (url) => sqliteDataSuffixes.map((suffix) => sqlitePath(url) + suffix),
    urlOf(path) {
      if (!isAbsolute(path)) throw new HoldfastError("database-unsupported", { location: path });
      return `sqlite:${path}`;
    },
  },
};
