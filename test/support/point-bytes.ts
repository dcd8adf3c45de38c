import type { OpenedPoint } from "../../src/engine/open-point.ts";

/** Lines of all tables of a point's databases, sorted by bytes, tables by their names. */
export async function bytesOfTables(
  point: OpenedPoint,
): Promise<readonly { readonly name: string; readonly lines: readonly string[] }[]> {
  const { signal } = new AbortController();
  const found: { name: string; lines: readonly string[] }[] = [];
  for (const database of point.databases) {
    for (const table of database.schema.tables) {
      const lines: string[] = [];
      for await (const batch of (await database.open(table)).rows({}, signal)) {
        lines.push(...batch.lines.toString("latin1").split("\n").slice(0, -1));
      }
      found.push({ name: table.name, lines: lines.toSorted() });
    }
  }
  return found.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
