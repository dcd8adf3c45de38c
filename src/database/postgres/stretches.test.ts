import assert from "node:assert/strict";
import { test } from "node:test";
import { startPostgres } from "../../../test/support/postgres-server.ts";
import { PostgresConnection } from "./connection.ts";
import { stretchesOf } from "./stretches.ts";
import { TableSizes } from "./table-sizes.ts";
import { readTables } from "./tables.ts";

const { signal } = new AbortController();

test("stretches hold each row once, one behind the other, whatever the key", async () => {
  await using server = await startPostgres();
  await server.sql(`
    CREATE TABLE number (id bigint PRIMARY KEY, body text);
    INSERT INTO number SELECT CASE WHEN i > 2000 THEN 10000 + i ELSE 5000 + i - 7000 * (i % 2) END, repeat('x', 90) FROM generate_series(1, 4000) i;
    CREATE TABLE text (id text PRIMARY KEY, body text);
    INSERT INTO text SELECT 'Party ' || (i * 7919 % 100003), repeat('x', 90) FROM generate_series(1, 4000) i;
    CREATE TABLE uuid (id uuid PRIMARY KEY, body text);
    INSERT INTO uuid SELECT md5(i::text)::uuid, repeat('x', 90) FROM generate_series(1, 4000) i;
    ANALYZE`);
  await using session = await PostgresConnection.open({ url: server.url("postgres") }, { environment: {}, signal });
  const tables = await readTables(session);
  assert.equal(tables.length, 3);
  const sizes = new TableSizes(
    session,
    tables.map(({ table }) => table),
  );
  for (const { table } of tables) {
    const stretches = await stretchesOf(table, await sizes.of(table), session, 64 << 10);
    assert.ok(stretches.length >= 5, `${table.name}: ${stretches.length}`);
    const found: (string | null | undefined)[] = [];
    for (const { column, from, to } of stretches) {
      const where = [from && `${column} >= ${from}`, to && `${column} < ${to}`].filter(Boolean).join(" AND ");
      const rows = await session.rows(`SELECT id::text FROM public.${table.name} AS t WHERE ${where} ORDER BY t.id`);
      found.push(...rows.map(([id]) => id));
    }
    const all = await session.rows(`SELECT id::text FROM public.${table.name} AS t ORDER BY t.id`);
    assert.deepEqual(
      found,
      all.map(([id]) => id),
      table.name,
    );
  }
});
