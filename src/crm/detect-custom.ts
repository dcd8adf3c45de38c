import { type Dirent, existsSync } from "node:fs";
import { open, readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { quoteName } from "../database/sqlite/identifier.ts";
import type { CustomAttachment, DetectedCrm } from "./platform.ts";

/** Tables of this kind make a database look like a CRM's; two are needed, since one alone is in many a database. */
const crmTables =
  /contact|compan|customer|client|lead|deal|opportunit|account|person|people|partner|part(y|ies)|organi[sz]ation/i;
const fileFolders = /^(attachments?|uploads?|files?|documents?|media|storage|filestore|invoices?|contracts?)$/i;
const pathColumns = /path|file|location|stored|uri|url/i;
const databaseFiles = /\.(db|sqlite|sqlite3)$/i;
const sampledRows = 50;

/**
 * One SQLite database with tables of a CRM in `folder`, or one folder below that is not hidden, and folders that look like attachments.
 * Two such databases are no proposal: which one is meant, only a person knows.
 */
export async function detectCustom(folder: string): Promise<readonly DetectedCrm[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  // Hidden ones are no part of a CRM; what a restore of ours replaced is kept in one, with its database.
  const isPart = (entry: Dirent): boolean => entry.isDirectory() && !entry.name.startsWith(".");
  const folders = entries.filter(isPart).map((entry) => join(folder, entry.name));
  const files = (await Promise.all([folder, ...folders].map(databasesIn))).flat();
  const databases = files.filter((file) => withDatabase(file, looksLikeCrm) === true);
  const [database] = databases;
  if (database === undefined || databases.length > 1) return [];
  const stores = folders.filter((path) => fileFolders.test(basename(path)));
  return [
    {
      platform: "custom",
      name: crmName(folder),
      database: `sqlite:${database}`,
      files: stores,
      attachments: withDatabase(database, (opened) => attachmentColumns(opened, stores)) ?? [],
    },
  ];
}

async function databasesIn(folder: string): Promise<readonly string[]> {
  const entries: readonly Dirent[] = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const found: string[] = [];
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isFile() && databaseFiles.test(entry.name) && (await isSqlite(path))) found.push(path);
  }
  return found;
}

async function isSqlite(path: string): Promise<boolean> {
  try {
    await using file = await open(path, "r");
    const { buffer } = await file.read(Buffer.alloc(16), 0, 16, 0);
    return buffer.toString("latin1") === "SQLite format 3\0";
  } catch {
    return false; // not readable: then it is not ours to propose
  }
}

function withDatabase<T>(path: string, use: (database: DatabaseSync) => T): T | undefined {
  try {
    using database = new DatabaseSync(path, { readOnly: true, timeout: 1000 });
    return use(database);
  } catch {
    return undefined; // busy, damaged or with extensions that we lack
  }
}

function tableNames(database: DatabaseSync): readonly string[] {
  const rows = database
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    .all();
  return rows.map((row) => String(row["name"]));
}

function looksLikeCrm(database: DatabaseSync): boolean {
  const names = tableNames(database);
  // Tryton has a platform of its own.
  return names.filter((name) => crmTables.test(name)).length >= 2 && !names.includes("ir_module");
}

/** Columns whose texts name files below one of the folders: more than half of a sample is there. */
function attachmentColumns(database: DatabaseSync, folders: readonly string[]): readonly CustomAttachment[] {
  return tableNames(database).flatMap((table) =>
    columnNames(database, table)
      .filter((column) => pathColumns.test(column))
      .flatMap((column) => {
        const texts = sample(database, table, column);
        const folder = folders.find((path) => {
          const there = texts.filter((text) => existsSync(join(path, text)));
          return there.length * 2 > texts.length;
        });
        return folder === undefined ? [] : [{ table, column, folder: basename(folder) }];
      }),
  );
}

function columnNames(database: DatabaseSync, table: string): readonly string[] {
  const rows = database.prepare("SELECT name FROM pragma_table_info(?)").all(table);
  return rows.map((row) => String(row["name"]));
}

function sample(database: DatabaseSync, table: string, column: string): readonly string[] {
  const name = quoteName(column);
  const rows = database
    .prepare(
      `SELECT ${name} AS text FROM ${quoteName(table)} WHERE typeof(${name}) = 'text' AND ${name} <> '' LIMIT ${sampledRows}`,
    )
    .all();
  return rows.map((row) => String(row["text"]));
}

/** The folder's name as `holdfast.yaml` takes one. */
function crmName(folder: string): string {
  const name = basename(folder)
    .replaceAll(/[^\p{L}\p{N}._-]+/gu, "-")
    .replace(/^[._-]+/, "")
    .slice(0, 64);
  return name === "" ? "crm" : name;
}
