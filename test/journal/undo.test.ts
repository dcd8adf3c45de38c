import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { keeperTiming } from "../../src/engine/journal-keeper.ts";
import { history } from "../../src/engine/history.ts";
import { search } from "../../src/engine/search.ts";
import type { PointName } from "../../src/engine/snapshots.ts";
import { planUndo } from "../../src/engine/undo-cause.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { following } from "../support/following.ts";
import { postgres } from "../support/postgres-capture.ts";
import { type PostgresServer, startPostgres } from "../support/postgres-server.ts";
import { PostgresWorkload } from "../support/postgres-workload.ts";
import { smallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

let server: PostgresServer;
before(async () => {
  server = await startPostgres({ settings: ["wal_level=logical", "track_commit_timestamp=on"] });
});
after(() => server[Symbol.asyncDispose]());

test("what a transaction or a user changed is put back, but for what something else changed too", async () => {
  using folder = temporaryFolder();
  await server.sql("CREATE DATABASE crm");
  await server.sql(
    `CREATE TABLE contact (id integer PRIMARY KEY, name text, city text, write_uid integer);
     CREATE TABLE attachment (id integer PRIMARY KEY, path text);
     INSERT INTO attachment VALUES (1, '2026/合同.txt'), (2, 'logo.bin');
     INSERT INTO contact SELECT i, 'name ' || i, 'Berlin', 1 FROM generate_series(1, 100) i`,
    "crm",
  );
  const crm = await smallCrm(folder.path, { url: server.url("crm"), engine: postgres });
  // Nothing is named in a snapshot: all that is asked below is asked of segments that are merely stored.
  await using followed = following(crm, { timing: { ...keeperTiming, publishMs: 3_600_000 } });
  await followed.event((event) => event.type === "note" && event.code === "follow-gap");
  await crm.backup();
  await using workload = await PostgresWorkload.open(server.url("crm"));
  const rows = (where: string) => server.sql(`SELECT id, name, city FROM contact WHERE ${where} ORDER BY id`, "crm");
  // A bad import: changes, deletes and makes rows.
  const bad = await workload.commit(
    "UPDATE contact SET name = 'spoiled', write_uid = 7 WHERE id <= 10; DELETE FROM contact WHERE id = 20; INSERT INTO contact VALUES (500, 'junk', '', 7), (501, 'junk', '', 7)",
  );
  // Afterwards somebody works on with what it left.
  const later = await workload.commit("UPDATE contact SET city = 'Bonn', write_uid = 1 WHERE id = 3");
  const own = await workload.commit("UPDATE contact SET name = 'by hand', write_uid = 1 WHERE id IN (4, 501)");
  await followed.durable(own.time);

  // The record's history leads to the transaction, which is what is taken back.
  const lineOf = async (record: string) =>
    (await history(crm.engine, { repository: crm.access, record, live: "without" }, crm.run)).versions.map(
      ({ action, fields, transaction }) => ({
        action,
        ...(transaction && { transaction: transaction.transaction, time: transaction.time, users: transaction.users }),
        ...(action === "changed" && { fields: fields.map((one) => [one.column, one.before, one.after]) }),
      }),
    );
  assert.deepEqual(await lineOf("contact/3"), [
    { action: "first" },
    {
      action: "changed",
      ...{ transaction: bad.transaction, time: bad.time, users: ["7"] },
      fields: [
        ["name", "name 3", "spoiled"],
        ["write_uid", "1", "7"],
      ],
    },
    {
      action: "changed",
      ...{ transaction: later.transaction, time: later.time, users: ["1"] },
      fields: [
        ["city", "Berlin", "Bonn"],
        ["write_uid", "7", "1"],
      ],
    },
  ]);
  assert.deepEqual(await lineOf("contact/20"), [
    { action: "first" },
    { action: "deleted", transaction: bad.transaction, time: bad.time, users: [] },
  ]);
  assert.deepEqual(
    (await lineOf("contact/501")).map(({ action, transaction }) => [action, transaction]),
    [
      ["created", bad.transaction],
      ["changed", own.transaction],
    ],
  );
  // A recovery point that has it all adds nothing.
  const known = await lineOf("contact/4");
  await crm.backup();
  assert.equal(known.length, 3);
  assert.deepEqual(await lineOf("contact/4"), known);

  // The same rows by two moments of the journal, with what stands in conflict; and what the later one does not have any more.
  const upTo = { kind: "moment", time: new Date(bad.time), transaction: bad.transaction } as const;
  const between = await crm.plan({
    point: { ...upTo, side: "before" },
    scope: {
      kind: "records",
      selection: {
        ...{ handles: [], keys: [], in: ["contact"], related: "all", renames: [], until: upTo },
        compared: ["deleted", "changed", "created"],
      },
    },
  });
  const sums = between.records?.groups.find(({ name }) => name === "contact")?.counts;
  assert.deepEqual([sums?.insert, sums?.update, sums?.remove, sums?.conflict], [1, 9, 1, 2]);
  const asked = { repository: crm.access, text: "name 20", only: ["contact"], state: "deleted" } as const;
  const gone = (point: PointName) =>
    search(crm.engine, { ...asked, point }, crm.run, ({ hits }) => Array.fromAsync(hits));
  assert.deepEqual(
    (await gone(upTo)).map((hit) => hit.type === "record" && hit.handle),
    ["contact/20"],
  );
  assert.deepEqual(await gone({ ...upTo, side: "before" }), []);

  const plan = await planUndo(
    crm.engine,
    { repository: crm.access, cause: { kind: "transaction", transaction: bad.transaction } },
    crm.run,
  );
  const counts = plan.records?.groups.find(({ name }) => name === "contact")?.counts;
  assert.ok(counts);
  assert.deepEqual([counts.insert, counts.update, counts.remove, counts.conflict], [1, 9, 1, 2]);
  await crm.apply(plan);
  assert.equal(await rows("id = 20"), "20|name 20|Berlin\n");
  assert.equal(await rows("id IN (1, 3, 4)"), "1|name 1|Berlin\n3|name 3|Bonn\n4|by hand|Berlin\n");
  assert.equal(await rows("id >= 500"), "501|by hand|\n");

  // The same by the user: what was restored meanwhile is none of his any more.
  await workload.commit("UPDATE contact SET name = 'again', write_uid = 7 WHERE id BETWEEN 30 AND 32");
  const other = await workload.commit("UPDATE contact SET name = 'other', write_uid = 2 WHERE id BETWEEN 32 AND 33");
  await followed.durable(other.time);
  const [from, to] = [new Date(Date.parse(own.time) + 1), new Date(Math.ceil(Date.parse(other.time)))];
  const byUser = await planUndo(
    crm.engine,
    { repository: crm.access, cause: { kind: "between", from, to, by: "7" } },
    crm.run,
  );
  await crm.apply(byUser);
  assert.equal(
    await rows("id BETWEEN 30 AND 33"),
    "30|name 30|Berlin\n31|name 31|Berlin\n32|other|Berlin\n33|other|Berlin\n",
  );
  assert.ok(later.time < own.time);
  await assert.rejects(
    planUndo(crm.engine, { repository: crm.access, cause: { kind: "transaction", transaction: "1" } }, crm.run),
    (error) => isHoldfastError(error, "moment-transaction"),
  );
});
