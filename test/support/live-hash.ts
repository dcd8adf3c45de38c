import { createHash } from "node:crypto";
import type { DatabaseEngine } from "../../src/database/database.ts";
import type { OpenedPoint } from "../../src/engine/open-point.ts";

const { signal } = new AbortController();

type Tables = readonly { readonly name: string; readonly lines: readonly string[] }[];

/** Of all rows of all tables, whatever order they are read in. */
function hashOf(tables: Tables): string {
  const hash = createHash("sha256");
  for (const { name, lines } of tables.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    hash.update(`${name}\n`).update(lines.toSorted().join("\n"), "latin1");
  }
  return hash.digest("hex");
}

async function linesOf(batches: AsyncIterable<{ readonly lines: Buffer }>): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const batch of batches) lines.push(...batch.lines.toString("latin1").split("\n").slice(0, -1));
  return lines;
}

/** The whole database as it is now. */
export async function hashOfLive(engine: DatabaseEngine, url: string): Promise<string> {
  await using source = await engine.connect({ url }, { signal });
  await using snapshot = await source.snapshot(signal);
  const tables = [];
  for (const table of snapshot.schema.tables) {
    tables.push({ name: table.name, lines: await linesOf(snapshot.reader(table).read({}, signal)) });
  }
  return hashOf(tables);
}

/** The same of what a point holds. */
export async function hashOfPoint(point: OpenedPoint): Promise<string> {
  const tables = [];
  for (const database of point.databases) {
    for (const table of database.schema.tables) {
      tables.push({ name: table.name, lines: await linesOf((await database.open(table)).rows({}, signal)) });
    }
  }
  return hashOf(tables);
}
