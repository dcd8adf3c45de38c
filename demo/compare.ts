import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** What a database or a folder held: two that are equal value by value, or byte by byte, give the same text. */

export function databaseContent(path: string): string {
  const hash = createHash("sha256");
  using database = new DatabaseSync(path, { readOnly: true });
  const objects = database.prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name").all();
  hash.update(JSON.stringify(objects));
  for (const { type, name } of objects) {
    if (type !== "table") continue;
    const table = `"${String(name).replaceAll('"', '""')}"`;
    const rows = database.prepare(`SELECT * FROM ${table} ORDER BY rowid`);
    rows.setReadBigInts(true);
    rows.setReturnArrays(true);
    hash.update(`\n${String(name)}\n`);
    for (const row of rows.iterate()) hash.update(JSON.stringify(row, valueWithType));
  }
  return hash.digest("hex");
}

/** Integers and reals that print alike stay apart. */
function valueWithType(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? `i${value}` : value;
}

/** SHA-256 of each file, by its path below the folder. */
export function folderContent(folder: string): ReadonlyMap<string, string> {
  const files = readdirSync(folder, { withFileTypes: true, recursive: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).toSorted();
  return new Map(
    paths.map((path) => [path.slice(folder.length + 1), createHash("sha256").update(readFileSync(path)).digest("hex")]),
  );
}

export function sameFolders(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([path, hash]) => b.get(path) === hash);
}
