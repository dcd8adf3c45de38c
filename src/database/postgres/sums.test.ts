import assert from "node:assert/strict";
import { test } from "node:test";
import { startPostgres } from "../../../test/support/postgres-server.ts";
import { PostgresConnection } from "./connection.ts";
import { stretchSums } from "./sums.ts";
import { readTables } from "./tables.ts";

const { signal } = new AbortController();

test("stretches are summed up by the sessions that are free, and statements of one session do not come between each other", async () => {
  await using server = await startPostgres();
  await server.sql(
    "CREATE TABLE deal (id bigint PRIMARY KEY, name text); INSERT INTO deal SELECT i, 'deal ' || i FROM generate_series(1, 3000) i",
  );
  const open = () => PostgresConnection.open({ url: server.url("postgres") }, { environment: {}, signal });
  await using busy = await open();
  await using free = await open();
  const [table] = (await readTables(free)).map((one) => one.table);
  assert.ok(table);
  const starts = Array.from({ length: 1500 }, (_, index) => String(index * 2 + 1));
  const done: string[] = [];
  const long = busy.run("SELECT pg_sleep(1.5)").then(() => done.push("long"));
  let pauses = 0;
  const pause = async () => void pauses++;
  const sums = stretchSums(table, [busy, free], { starts, pause }, "counts").then((found) => {
    done.push("sums");
    return found;
  });
  const found = await sums;
  assert.deepEqual(
    found?.map(({ rows }) => rows),
    [0, ...Array.from({ length: 1500 }, () => 2)],
  );
  assert.equal(pauses, 4);
  await long;
  assert.deepEqual(done, ["sums", "long"]);

  // Where an index calls what is found in daily work only, a query is two statements.
  await server.sql(
    `CREATE FUNCTION bare(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
     CREATE FUNCTION calls(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT bare($1)';
     SET search_path = public; CREATE INDEX ON deal (calls(id))`,
  );
  await busy.search("daily to plan");
  const twice = [1, 2].map(() => stretchSums(table, [busy], { starts }, "counts"));
  assert.deepEqual(await Promise.all(twice), [found, found]);
});
