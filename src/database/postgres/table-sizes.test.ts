import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { startPostgres } from "../../../test/support/postgres-server.ts";
import { postgresEngine } from "./postgres.ts";

const { signal } = new AbortController();

test("the sizes of all tables are asked for once, however many are read", async () => {
  const logging = ["logging_collector=on", "log_filename='statements'", "log_statement=all", "log_min_messages=log"];
  await using server = await startPostgres({ settings: logging });
  const tables = Array.from({ length: 30 }, (_, at) => `"Table ${at}"`);
  await server.sql(
    tables.map((name) => `CREATE TABLE ${name} (id int PRIMARY KEY); INSERT INTO ${name} VALUES (1), (2);`).join("\n"),
  );
  await server.sql("ANALYZE");
  await using source = await postgresEngine({}).connect({ url: server.url("postgres") }, { signal });
  await using snapshot = await source.snapshot(signal);
  for (const table of snapshot.schema.tables) {
    const reader = snapshot.reader(table);
    assert.equal(await reader.estimatedRows(), 2);
    const batches = await Array.fromAsync(reader.read({}, signal));
    assert.deepEqual(
      batches.map(({ rows }) => rows),
      [2],
    );
  }
  const log = readFileSync(join(server.folder, "data/log/statements"), "utf8");
  const asked = log.split("\n").filter((line) => /pg_(table|relation)_size/.test(line));
  assert.equal(asked.length, 1, asked.join("\n"));
});
