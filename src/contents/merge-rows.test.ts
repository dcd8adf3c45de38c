import assert from "node:assert/strict";
import { test } from "node:test";
import { startPostgres } from "../../test/support/postgres-server.ts";
import { withTableStore } from "../../test/support/table-store.ts";
import { postgresEngine } from "../database/postgres/postgres.ts";
import { liveChanges } from "./compare/live-changes.ts";
import { mergeRows, noCounts } from "./merge-rows.ts";
import { openTable } from "./tables/stored-table.ts";

const merging = { createMissing: true, updateChanged: true, removeNewer: false } as const;

test("lists of numbers as keys come in another order than they are stored in: no row is lost or doubled", async () => {
  await using server = await startPostgres();
  await server.sql("CREATE DATABASE crm");
  await server.sql(
    `CREATE TABLE lists (id integer[] PRIMARY KEY, v text);
     INSERT INTO lists SELECT ARRAY[i], 'v' || i FROM generate_series(1, 200) AS i`,
    "crm",
  );
  const engine = postgresEngine({});
  await withTableStore(async ({ capture, blobs, signal }) => {
    await using source = await engine.connect({ url: server.url("crm") }, { signal, connections: 1 });
    const taken = async () => {
      const snapshot = await source.snapshot(signal);
      const [table = assert.fail()] = snapshot.schema.tables;
      return { snapshot, table, reader: snapshot.reader(table) };
    };
    const first = await taken();
    const { tree } = await capture({ reader: first.reader, rules: engine, kind: "full" });
    const stored = await openTable(blobs, tree, first.table, engine, signal);
    await first.snapshot[Symbol.asyncDispose]();
    await server.sql("UPDATE lists SET v = 'other' WHERE id = '{7}'; DELETE FROM lists WHERE id = '{100}'", "crm");
    const now = await taken();
    await using _scope = now.snapshot;
    const counts = noCounts();
    const merged = await Array.fromAsync(mergeRows(now.reader, stored, merging, counts, signal), ({ lines }) =>
      lines.toString("latin1"),
    );
    const keys = merged
      .join("")
      .split("\n")
      .flatMap((line) => (line === "" ? [] : line.slice(0, line.indexOf("\t"))));
    assert.deepEqual([keys.length, new Set(keys).size], [200, 200]);
    assert.deepEqual(counts, { ...noCounts(), created: 1, updated: 1, same: 198 });
    // Of a server that sums up nothing.
    const plain = {
      table: now.table,
      estimatedRows: () => now.reader.estimatedRows(),
      read: now.reader.read.bind(now.reader),
    };
    const changes = await Array.fromAsync(liveChanges(blobs, stored, plain, undefined, signal), ({ key }) => key);
    assert.deepEqual(changes.toSorted(), ["{100}", "{7}"]);
  });
});
