import { postgresEngine } from "../../src/database/postgres/postgres.ts";
import type { DatabaseSchema, LoadOptions, TableRows, TableSchema } from "../../src/database/database.ts";

export const postgres = postgresEngine({});
const { signal } = new AbortController();

export interface Captured {
  readonly schema: DatabaseSchema;
  readonly lines: ReadonlyMap<TableSchema, Buffer>;
}

/** Everything that a database holds, in memory. */
export async function captureDatabase(url: string): Promise<Captured> {
  await using source = await postgres.connect({ url }, { signal });
  await using snapshot = await source.snapshot(signal);
  const lines = new Map<TableSchema, Buffer>();
  for (const table of snapshot.schema.tables) {
    const found: Buffer[] = [];
    for await (const batch of snapshot.reader(table).read({}, signal)) found.push(Buffer.from(batch.lines));
    lines.set(table, Buffer.concat(found));
  }
  return { schema: snapshot.schema, lines };
}

export async function loadCaptured(
  url: string,
  { schema, lines }: Captured,
  options: Pick<LoadOptions, "onSums"> = {},
): Promise<readonly string[]> {
  const refused: string[] = [];
  async function* tables(): AsyncGenerator<TableRows> {
    for (const [table, bytes] of lines) {
      async function* batches() {
        // In pieces, as a restore gets them.
        for (let start = 0; start < bytes.length;) {
          const end = bytes.indexOf(10, Math.min(start + 5000, bytes.length - 1)) + 1;
          yield { lines: bytes.subarray(start, end), rows: -1 };
          start = end;
        }
      }
      yield { table, batches: batches() };
    }
  }
  const onRefused = (statement: string) => void refused.push(statement);
  await postgres.load({ url }, schema, tables(), { ...options, signal, onRefused });
  return refused;
}

/** Definitions in any order: it follows the numbers of things, which a restore gives anew. */
export function withoutNumbers({ schema }: Captured): object {
  const sorted = (statements: readonly string[] | undefined) => statements?.toSorted();
  return {
    ...schema,
    before: sorted(schema.before),
    after: sorted(schema.after),
    tables: schema.tables.toSorted((a, b) => (`${a.schema}.${a.name}` < `${b.schema}.${b.name}` ? -1 : 1)),
    sequences: schema.sequences.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  };
}
