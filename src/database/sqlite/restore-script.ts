import { HoldfastError } from "../../lib/errors.ts";
import type { DatabaseSchema, StoredTableLayout, TableSchema } from "../database.ts";
import { quoteName, quoteText } from "./identifier.ts";
import { readSettings } from "./settings.ts";

/**
 * `restore.sql` for SQLite's own shell, from 3.40 (Debian 12) on: `sqlite3 new.db < restore.sql`, in the folder that holds it.
 *
 * `.import` in ASCII mode with TAB and LF as separators takes lines apart without looking at anything else in them. The
 * fields land in a staging database beside the new one, and SQL turns them into values: JSON strings by `->>`, reals by
 * the shell's `ieee754(M,E)`. This shell has no function from hex to bytes, so blobs become literals in a second script,
 * which is then read. Runs are applied oldest first: keys in `deleted` and keys of `rows` leave, then `rows` come.
 */
export function restoreScript(schema: DatabaseSchema, tables: readonly StoredTableLayout[]): string {
  const settings = readSettings(schema);
  return [
    header,
    `PRAGMA encoding='${settings.encoding}';`,
    `PRAGMA page_size=${settings.pageSize};`,
    `PRAGMA auto_vacuum=${settings.autoVacuum};`,
    preparation,
    ...schema.before.map(ended),
    ...tables.flatMap(restoreTable),
    ...(settings.hasCounters ? sequences(schema) : []),
    ...schema.after.map(ended),
    "COMMIT;",
    "DETACH staging;",
    `PRAGMA user_version=${settings.userVersion};`,
    `PRAGMA application_id=${settings.applicationId};`,
    ".output /dev/null",
    `PRAGMA journal_mode=${settings.journalMode};`,
    ".output",
    `.shell rm -f ${stagingFile} ${literalsFile}`,
    "PRAGMA integrity_check;",
    "",
  ].join("\n");
}

/** SQLite keeps a remark at the end of a view, and so all that stands before its semicolon. */
function ended(statement: string): string {
  return /--[^\n]*$/.test(statement) ? `${statement}\n;` : `${statement};`;
}

const stagingFile = "restore.staging.db";
const literalsFile = "restore.literals.sql";

const header = `-- Restores this database with SQLite's own shell (3.40 or later), without Holdfast:
--   sqlite3 new.db < restore.sql
-- Run it in the folder that holds this file. new.db must not exist. The last line printed is "ok" when all went well.
.bail on
.headers off
.mode list`;

const preparation = `.output /dev/null
PRAGMA journal_mode=OFF;
.output
PRAGMA synchronous=OFF;
PRAGMA foreign_keys=OFF;
PRAGMA ignore_check_constraints=ON;
.shell rm -f ${stagingFile} ${literalsFile}
ATTACH '${stagingFile}' AS staging;
.output /dev/null
PRAGMA staging.journal_mode=OFF;
.output
PRAGMA staging.synchronous=OFF;
BEGIN;`;

function restoreTable(layout: StoredTableLayout): readonly string[] {
  const { table } = layout;
  const name = `main.${quoteName(table.name)}`;
  const columns = table.columns.map((column) => quoteName(column.name)).join(",");
  const fields = fieldNames(table.columns.length);
  const insert = `INSERT INTO ${name}(${columns}) SELECT ${fields.map(decode).join(",")} FROM staging.lines ORDER BY rowid;`;
  // A table behind a virtual table may come with rows of its own.
  const statements = [`-- ${oneLine(table.name)}`, `DELETE FROM ${name};`];
  for (const rows of layout.base) statements.push(...stage(rows, fields), insert);
  for (const run of layout.runs) {
    const key = fieldNames(table.keyLength);
    statements.push(
      `CREATE TABLE staging.gone(${key.join(",")},PRIMARY KEY(${key.join(",")})) WITHOUT ROWID;`,
      ...stage(run.deleted, key),
      takeKeys(key),
      ...stage(run.rows, fields),
      takeKeys(key),
      removeGone(table, key),
      insert,
      "DROP TABLE staging.gone;",
    );
  }
  return [...statements, "DROP TABLE IF EXISTS staging.lines;", "DROP TABLE IF EXISTS staging.bytes;"];
}

/** Fills `staging.lines` with the fields of a file's lines, and `staging.bytes` with those of them that are in hex. */
function stage(file: string, fields: readonly string[]): readonly string[] {
  // Folder names are escaped to these characters; anything else would be the shell's business.
  if (!/^[A-Za-z0-9._/-]+$/.test(file)) throw new HoldfastError("internal", { subject: file });
  return [
    "DROP TABLE IF EXISTS staging.lines;",
    "DROP TABLE IF EXISTS staging.bytes;",
    `CREATE TABLE staging.lines(${fields.join(",")});`,
    "CREATE TABLE staging.bytes(line INTEGER,field INTEGER,value BLOB,PRIMARY KEY(line,field));",
    ".mode ascii",
    '.separator "\\t" "\\n"',
    `.import --schema staging ${file} lines`,
    ".mode list",
    `.output ${literalsFile}`,
    ...fields.map(literals),
    ".output",
    `.read ${literalsFile}`,
  ];
}

function literals(field: string, index: number): string {
  return (
    `SELECT 'INSERT INTO staging.bytes VALUES('||rowid||',${index},x'''||substr(${field},2)||''');' ` +
    `FROM staging.lines WHERE substr(${field},1,1) IN ('b','t');`
  );
}

/** SQL for the value of a field: see `field.ts` for what its first character means. */
function decode(field: string, index: number): string {
  const bytes = `(SELECT value FROM staging.bytes WHERE line=lines.rowid AND field=${index})`;
  return (
    `CASE substr(${field},1,1) WHEN 'i' THEN CAST(substr(${field},2) AS INTEGER) WHEN '"' THEN ${field}->>'$' ` +
    `WHEN 'r' THEN iif(${field}='r-0',ieee754_from_blob(x'8000000000000000'),` +
    `ieee754(CAST(substr(${field},2,instr(${field},'p')-2) AS INTEGER),CAST(substr(${field},instr(${field},'p')+1) AS INTEGER))) ` +
    `WHEN 'b' THEN ${bytes} WHEN 't' THEN CAST(${bytes} AS TEXT) END`
  );
}

function takeKeys(key: readonly string[]): string {
  return `INSERT OR IGNORE INTO staging.gone SELECT ${key.map(decode).join(",")} FROM staging.lines;`;
}

function removeGone(table: TableSchema, key: readonly string[]): string {
  // The plus sign takes off the column's affinity: then the comparison is exact, and by the index of `gone`.
  const equal = key.map(
    (field, index) => `gone.${field}=+${quoteName(table.columns[index]?.name ?? "")} COLLATE BINARY`,
  );
  return `DELETE FROM main.${quoteName(table.name)} WHERE EXISTS(SELECT 1 FROM staging.gone WHERE ${equal.join(" AND ")});`;
}

function sequences(schema: DatabaseSchema): readonly string[] {
  const inserts = schema.sequences.map(({ name, value }) => {
    if (!/^-?\d{1,19}$/.test(value)) throw new HoldfastError("restore-mismatch", { subject: name });
    return `INSERT INTO main.sqlite_sequence(name,seq) VALUES(${quoteText(name)},CAST('${value}' AS INTEGER));`;
  });
  return ["DELETE FROM main.sqlite_sequence;", ...inserts];
}

function fieldNames(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `f${index + 1}`);
}

/** For a comment: a name may hold a line end. */
function oneLine(name: string): string {
  return JSON.stringify(name).replace(/[^\x20-\x7e]/g, (character) => character.codePointAt(0)?.toString(16) ?? "");
}
