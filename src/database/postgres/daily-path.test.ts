import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { postgres } from "../../../test/support/postgres-capture.ts";
import { type PostgresServer, startPostgres } from "../../../test/support/postgres-server.ts";

const { signal } = new AbortController();

let server: PostgresServer;
before(async () => {
  server = await startPostgres();
});
after(() => server[Symbol.asyncDispose]());

test("a function that somebody made to be taken for the server's own is never called while tables are read", async () => {
  await server.sql("CREATE DATABASE crm");
  // Its arguments fit better than those of the server's `concat_ws`, which takes any.
  await server.sql(
    `CREATE FUNCTION concat_ws(text, integer, text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $$caught$$; END';
     CREATE TABLE person (id integer PRIMARY KEY, name text NOT NULL);
     INSERT INTO person SELECT i, 'Name ' || i FROM generate_series(1, 100) i`,
    "crm",
  );
  await assert.rejects(server.sql("SELECT concat_ws(' ', id, name) FROM person", "crm"), /caught/);
  await using source = await postgres.connect({ url: server.url("crm") }, { signal });
  await using snapshot = await source.snapshot(signal);
  const [table] = snapshot.schema.tables;
  assert.ok(table);
  const reader = snapshot.reader(table);
  const sums = await reader.sums?.({ starts: ["50"] }, "rows", signal);
  assert.deepEqual(
    sums?.map(({ rows }) => rows),
    [49, 51],
  );
  const batches = await Array.fromAsync(reader.read({}, signal), ({ rows }) => rows);
  assert.equal(
    batches.reduce((sum, rows) => sum + rows, 0),
    100,
  );
});
