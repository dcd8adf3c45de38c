import assert from "node:assert/strict";
import { test } from "node:test";
import { postgres } from "../../../test/support/postgres-capture.ts";
import { startPostgres } from "../../../test/support/postgres-server.ts";
import type { RowSums } from "../database.ts";
import { rowHash } from "./row-hash.ts";

const { signal } = new AbortController();

/** Every row has the same number, and another one with each commit. */
const writer = `
  CREATE TABLE stop (now integer);
  CREATE TABLE even (id integer PRIMARY KEY, n bigint); INSERT INTO even SELECT i, 0 FROM generate_series(1, 100) i;
  CREATE PROCEDURE go() LANGUAGE plpgsql AS $$
    BEGIN WHILE NOT EXISTS (SELECT FROM stop) LOOP UPDATE even SET n = n + 1; COMMIT; END LOOP; END $$`;

function sumsOf(lines: readonly string[]): RowSums {
  const sums = { rows: lines.length, keySum: 0n, rowSum: 0n };
  for (const line of lines) {
    const bytes = Buffer.from(line, "latin1");
    sums.rowSum = BigInt.asUintN(64, sums.rowSum + rowHash(bytes, 0, bytes.length));
  }
  return sums;
}

test("each session of a snapshot sees the same moment, whatever is committed while they begin", async () => {
  await using server = await startPostgres();
  await server.sql("CREATE DATABASE crm");
  await server.sql(writer, "crm");
  const writing = server.sql("CALL go()", "crm");
  writing.catch(() => {}); // told below
  try {
    await using source = await postgres.connect({ url: server.url("crm") }, { signal, connections: 2 });
    const seen = new Set<string>();
    for (let round = 0; round < 8; round++) {
      await using snapshot = await source.snapshot(signal);
      const table = snapshot.schema.tables.find(({ name }) => name === "even");
      assert.ok(table);
      const reader = snapshot.reader(table);
      const batches = await Array.fromAsync(reader.read({}, signal), (batch) => batch.lines.toString("latin1"));
      const lines = batches.join("").split("\n").slice(0, -1);
      seen.add(new Set(lines.map((line) => line.split("\t")[1])).size === 1 ? (lines[0] ?? "") : "torn");
      // Of two stretches, each session sums up one; of the whole table the one that keeps the moment does.
      const halves = [sumsOf(lines.slice(0, 50)), sumsOf(lines.slice(50))];
      assert.deepEqual(await reader.sums?.({ starts: ["51"] }, "rows", signal), halves);
      assert.deepEqual(await reader.sums?.({ starts: [] }, "rows", signal), [sumsOf(lines)]);
    }
    assert.ok(!seen.has("torn"));
    assert.ok(seen.size > 4, "it was written to meanwhile");
  } finally {
    await server.sql("INSERT INTO stop VALUES (1)", "crm");
    await writing;
  }
});
