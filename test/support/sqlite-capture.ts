/** Captures a SQLite database as lines and builds it again, by the engine and by SQLite's own shell. */
import { execFileSync } from "node:child_process";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { DatabaseSchema, RowRange, StoredTableLayout, TableSchema } from "../../src/database/database.ts";
import { sqliteEngine } from "../../src/database/sqlite/sqlite.ts";

export interface Captured {
  readonly schema: DatabaseSchema;
  /** Lines without LF. */
  readonly lines: ReadonlyMap<TableSchema, readonly Buffer[]>;
}

const { signal } = new AbortController();

/** All rows of a database, in batches of about `targetBytes`. */
export async function captureDatabase(path: string, range: RowRange = {}, targetBytes = 300): Promise<Captured> {
  await using source = await sqliteEngine.connect({ url: `sqlite:${path}` }, { signal });
  await using snapshot = await source.snapshot(signal);
  const lines = new Map<TableSchema, readonly Buffer[]>();
  for (const table of snapshot.schema.tables) {
    const found: Buffer[] = [];
    for await (const batch of snapshot.reader(table).read(range, signal, targetBytes)) {
      const before = found.length;
      for (let start = 0; start < batch.lines.length;) {
        const end = batch.lines.indexOf(0x0a, start);
        found.push(batch.lines.subarray(start, end));
        start = end + 1;
      }
      if (found.length - before !== batch.rows) throw new Error(`${batch.rows} rows in ${found.length - before} lines`);
    }
    lines.set(table, found);
  }
  return { schema: snapshot.schema, lines };
}

export async function loadCaptured(path: string, { schema, lines }: Captured): Promise<void> {
  async function* tables() {
    for (const [table, rows] of lines) {
      async function* batches() {
        if (rows.length > 0) yield { lines: Buffer.concat(rows.flatMap(ended)), rows: rows.length };
      }
      yield { table, batches: batches() };
    }
  }
  await sqliteEngine.load({ url: `sqlite:${path}` }, schema, tables(), { signal });
}

/** One base file a table, in `folder`. */
export function writeBases(folder: string, { lines }: Captured): readonly StoredTableLayout[] {
  return [...lines].map(([table, rows], index) => {
    writeLines(join(folder, `base-${index}`), rows);
    return { table, base: [`base-${index}`], runs: [] };
  });
}

export function writeLines(path: string, lines: readonly Buffer[]): void {
  writeFileSync(path, "");
  for (const line of lines) appendFileSync(path, Buffer.concat(ended(line)));
}

/** Writes `restore.sql` into `folder` and runs it there with the system's `sqlite3`; returns what that printed. */
export function restoreByShell(folder: string, schema: DatabaseSchema, layouts: readonly StoredTableLayout[]): string {
  writeFileSync(join(folder, "restore.sql"), sqliteEngine.restoreScript(schema, layouts));
  return execFileSync("sqlite3", ["new.db"], {
    cwd: folder,
    input: readFileSync(join(folder, "restore.sql")),
    encoding: "utf8",
  });
}

function ended(line: Buffer): readonly Buffer[] {
  return [line, Buffer.from("\n")];
}
