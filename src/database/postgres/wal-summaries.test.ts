import assert from "node:assert/strict";
import { test } from "node:test";
import { postgres } from "../../../test/support/postgres-capture.ts";
import { postgresLacks, startPostgres } from "../../../test/support/postgres-server.ts";
import { PostgresConnection } from "./connection.ts";

const { signal } = new AbortController();
const lacks = postgresLacks(18);

test(
  "with summaries of the log only blocks that were written are read; without the right, or after a transaction that was open, the table is looked through",
  { ...(lacks && { skip: lacks }) },
  async () => {
    await using server = await startPostgres({ version: 18, settings: ["summarize_wal=on"] });
    await server.sql("CREATE DATABASE crm; CREATE ROLE holdfast LOGIN; GRANT pg_read_all_data TO holdfast");
    await server.sql(
      `CREATE TABLE contact (id integer PRIMARY KEY, name text);
       INSERT INTO contact SELECT i, repeat(md5(i::text), 20) FROM generate_series(1, 30000) i;
       CHECKPOINT;
       VACUUM contact;
       CHECKPOINT`,
      "crm",
    );
    const checkpoints = () => server.sql("SELECT num_requested FROM pg_stat_checkpointer", "crm");
    /** The mark of now, and what changed since another one, as the role sees it. */
    const look = async (since?: string, user = "postgres") => {
      await using source = await postgres.connect({ url: server.url("crm", user) }, { signal });
      await using snapshot = await source.snapshot(signal);
      const [table] = snapshot.schema.tables;
      assert.ok(table);
      const reader = snapshot.reader(table);
      const before = await checkpoints();
      const changes = since === undefined ? undefined : await reader.changes?.(since, signal);
      // Whoever has more to ask does not wait for the server's checkpoint until he needs what changed.
      assert.equal(await checkpoints(), before);
      const keys: number[] = [];
      if (changes) {
        for await (const { lines } of changes.rows()) {
          keys.push(...(lines.toString("latin1").match(/^\d+(?=\t)/gm) ?? []).map(Number));
        }
      }
      return {
        mark: (await reader.mark?.(signal)) ?? "",
        method: await changes?.method(),
        keys: keys.toSorted((a, b) => a - b),
      };
    };
    const first = await look();
    const change = "UPDATE contact SET name = 'x' WHERE id % 9000 = 7; INSERT INTO contact VALUES (40000, 'new')";
    await server.sql(`${change}; DELETE FROM contact WHERE id = 5`, "crm");
    const written = [7, 9007, 18_007, 27_007, 40_000];
    const second = await look(first.mark);
    assert.deepEqual([second.method, second.keys], ["wal", written]);
    const limited = await look(first.mark, "holdfast");
    assert.deepEqual([limited.method, limited.keys], ["xmin", written]);

    await using open = await PostgresConnection.open({ url: server.url("crm") }, { environment: {}, signal });
    await open.run("BEGIN; UPDATE public.contact SET name = 'late' WHERE id = 11");
    const third = await look();
    assert.doesNotMatch(third.mark, /"lsn"/);
    await open.run("COMMIT");
    const last = await look(third.mark);
    assert.deepEqual([last.method, last.keys], ["xmin", [11]]);
  },
);
