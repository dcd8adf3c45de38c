import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { captureDatabase, loadCaptured, postgres } from "../../../test/support/postgres-capture.ts";
import { rowHash } from "./row-hash.ts";
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

test("a table of names and of an index that finds what it calls only in daily work is read, and its names have their schemas", async () => {
  await server.sql("CREATE DATABASE named");
  await server.sql(
    `CREATE FUNCTION bare(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
     CREATE FUNCTION calls(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT bare($1)';
     CREATE TABLE audited (id integer PRIMARY KEY, what regclass NOT NULL, many regtype[], how regprocedure);
     CREATE INDEX ON audited (calls(id));
     CREATE TYPE mood AS ENUM ('good');
     INSERT INTO audited SELECT i, CASE i % 2 WHEN 0 THEN 'audited' ELSE 'pg_class' END::regclass, '{mood,integer}', 'bare(integer)' FROM generate_series(1, 60) i;`,
    "named",
  );
  await using source = await postgres.connect({ url: server.url("named") }, { signal });
  await using snapshot = await source.snapshot(signal);
  const [table] = snapshot.schema.tables;
  assert.ok(table);
  const reader = snapshot.reader(table);
  const lines = async (batches: AsyncIterable<{ readonly lines: Uint8Array }>): Promise<readonly string[]> =>
    (await Array.fromAsync(batches, (batch) => Buffer.from(batch.lines).toString())).join("").split("\n").slice(0, -1);
  const all = await lines(reader.read({}, signal));
  assert.deepEqual(all.slice(0, 2), [
    "1\tpg_class\t{public.mood,integer}\tpublic.bare(integer)",
    "2\tpublic.audited\t{public.mood,integer}\tpublic.bare(integer)",
  ]);
  assert.equal(all.length, 60);
  // Again, by each way to ask for some of them.
  assert.deepEqual(await lines(reader.read({ after: "20", upTo: "30" }, signal)), all.slice(20, 30));
  const stretches = { starts: ["31"] };
  assert.deepEqual(
    await lines(reader.rowsIn?.({ ...stretches, only: [1] }, "rows", signal) ?? reader.read({}, signal)),
    all.slice(30),
  );
  const sumOf = (some: readonly string[]): bigint =>
    some.reduce((sum, line) => {
      const bytes = Buffer.from(`${line}\n`);
      return BigInt.asUintN(64, sum + rowHash(bytes, 0, bytes.length - 1));
    }, 0n);
  assert.deepEqual(
    (await reader.sums?.(stretches, "rows", signal))?.map(({ rowSum }) => rowSum),
    [sumOf(all.slice(0, 30)), sumOf(all.slice(30))],
  );
  assert.deepEqual(
    (await reader.sums?.({ starts: [] }, "rows", signal))?.map(({ rowSum }) => rowSum),
    [sumOf(all)],
  );
  // A restore sums up what it loaded, with the index on it.
  const told: (bigint | undefined)[] = [];
  const onSums = (_table: unknown, { rowSum }: { readonly rowSum: bigint }) => void told.push(rowSum);
  const captured = await captureDatabase(server.url("named"));
  assert.deepEqual(await loadCaptured(server.url("named again"), captured, { onSums }), []);
  assert.deepEqual(told, [sumOf(all)]);
});
