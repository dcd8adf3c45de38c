import { isAbsolute } from "node:path";

import { HoldfastError } from "../../lib/errors.ts";
import { realFile } from "../../lib/real-file.ts";

/** What a SQLite database consists of on disk, as endings of the file's name. */
export const sqliteFileSuffixes: readonly string[] = ["", "-wal", "-shm", "-journal"];

/** Those of them that hold data. `-shm` is an index into `-wal` that readers make, change and leave behind. */
export const sqliteDataSuffixes: readonly string[] = sqliteFileSuffixes.filter((suffix) => suffix !== "-shm");

export function isSqliteUrl(url: string): boolean {
  return url.startsWith("sqlite:");
}

/** `sqlite:/var/lib/crm.db` or `sqlite:///var/lib/crm.db` → `/var/lib/crm.db`. The path is taken literally. */
export function sqlitePath(url: string): string {
  const path = url.slice("sqlite:".length).replace(/^\/+/, "/");
  if (!isSqliteUrl(url) || !isAbsolute(path) || path === "/" || path.includes("\0")) {
    throw new HoldfastError("database-unsupported", { location: url });
  }
  return path;
}

/** Files of a database as they are on disk. SQLite has what is beside the file where the file is, and not beside a link that leads to it. */
export function sqliteFiles(url: string, suffixes = sqliteFileSuffixes): readonly string[] {
  const path = realFile(sqlitePath(url));
  return suffixes.map((suffix) => path + suffix);
}
