import assert from "node:assert/strict";
import { chmodSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { sqliteEngine } from "../../src/database/sqlite/sqlite.ts";
import { openFor } from "../../src/engine/access.ts";
import { openPoint } from "../../src/engine/open-point.ts";
import { keeperTiming } from "../../src/engine/journal-keeper.ts";
import { listTransactions } from "../../src/engine/transactions.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { following } from "../support/following.ts";
import { hashOfLive, hashOfPoint } from "../support/live-hash.ts";
import { momentOf, withPoint } from "../support/open-moment.ts";
import { resticOn } from "../support/restic.ts";
import { exact, smallCrm } from "../support/small-crm.ts";
import { followed, gapsOf } from "../support/survival.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

for (const mode of ["wal", "delete"] as const) {
  test(`moments between two backups of a SQLite database in mode ${mode}`, async () => {
    using folder = temporaryFolder();
    const crm = await smallCrm(folder.path);
    crm.sql(`PRAGMA journal_mode=${mode}`);
    const url = `sqlite:${crm.database}`;
    await using first = following(crm);
    await first.event((event) => event.type === "note" && event.code === "follow-gap");
    await crm.backup();
    const states: { time: string; hash: string }[] = [];
    for (const statement of [
      "UPDATE contact SET name = 'tab' || char(9) || name WHERE id % 100 = 0",
      "DELETE FROM contact WHERE id % 50 = 7; INSERT INTO contact VALUES (9000, 'new', 1e300), (9001, 'two', NULL)",
      "UPDATE contact SET id = id + 100000 WHERE id < 20",
      "DELETE FROM contact",
    ]) {
      await wait(50);
      crm.sql(`PRAGMA foreign_keys=OFF; ${statement}`);
      const hash = await hashOfLive(sqliteEngine, url);
      // A difference is of the time when it is looked, so the state is that of the moments after that.
      await first.durable(new Date(Date.now() + 1000).toISOString());
      states.push({ time: new Date().toISOString(), hash });
    }
    crm.sql("INSERT INTO contact VALUES (1, 'last', 1)");
    await first.durable(new Date(Date.now() + 1000).toISOString());
    await first.end();
    for (const state of states) assert.equal(await withPoint(crm, momentOf(state), hashOfPoint), state.hash);
    const [, second] = states;
    assert.ok(second);
    await crm.apply(await crm.plan({ point: momentOf(second), scope: { kind: "database" }, switches: exact }));
    assert.equal(await hashOfLive(sqliteEngine, url), second.hash);

    // Nobody looked: that is a gap, which ends with the next backup.
    const unseen = new Date();
    await wait(20);
    crm.sql("PRAGMA foreign_keys=OFF; DELETE FROM contact WHERE id > 100");
    await using again = following(crm);
    await again.event((event) => event.type === "note" && event.code === "follow-gap");
    assert.deepEqual([gapsOf(first.events), gapsOf(again.events)], [[], ["unwatched"]]);
    await crm.backup();
    await again.durable(new Date(Date.now() + 1000).toISOString());
    await again.end();
    await assert.rejects(withPoint(crm, { kind: "moment", time: unseen }, hashOfPoint), (error) =>
      isHoldfastError(error, "moment-unreachable"),
    );
  });
}

test("a row that is longer than a blob can be does not end it, and comes back", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const url = `sqlite:${crm.database}`;
  const running = await followed(crm);
  await crm.backup();
  const states: { time: string; hash: string }[] = [];
  for (const statement of [
    "INSERT INTO contact VALUES (9000, hex(randomblob(9000000)), 1)",
    "UPDATE contact SET name = hex(randomblob(5000000)) WHERE id IN (9000, 17)",
  ]) {
    crm.sql(statement);
    const hash = await hashOfLive(sqliteEngine, url);
    await running.durable(new Date(Date.now() + 1000).toISOString());
    states.push({ time: new Date().toISOString(), hash });
  }
  crm.sql("DELETE FROM contact WHERE id = 9000");
  await running.durable(new Date(Date.now() + 1000).toISOString());
  // Before a snapshot names it, and after that.
  for (const state of states) assert.equal(await withPoint(crm, momentOf(state), hashOfPoint), state.hash);
  await running.end();
  for (const state of states) assert.equal(await withPoint(crm, momentOf(state), hashOfPoint), state.hash);
  await resticOn(crm.access.location, crm.access.password).check();
});

test("what waits while others have the repository for themselves is stored by an orderly end", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  await using running = following(crm, { timing: { ...keeperTiming, publishMs: 0, restMs: 3_600_000 } });
  await running.event((event) => event.type === "journal");
  await crm.backup();
  crm.sql("INSERT INTO contact VALUES (9000, 'new', 1)");
  await running.event((event) => event.type === "journal" && event.transactions === 1);
  await running.end();
  const input = { repository: crm.access, withinMs: 3_600_000, most: 10 };
  const { transactions } = await listTransactions(crm.engine, input, crm.run);
  assert.deepEqual(
    transactions.map(({ rows }) => rows),
    [1],
  );
});

test("rows that a table took once a key or a check was gone are a gap of it", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  crm.sql(
    "CREATE TABLE checked (id INTEGER PRIMARY KEY, n INTEGER CHECK (n > 0)); CREATE UNIQUE INDEX one ON CONTACT (name)",
  );
  await using running = await followed(crm);
  await crm.backup();
  const gaps: string[] = [];
  for (const statements of [
    "DROP INDEX one; INSERT INTO contact VALUES (9000, '张伟 1', 1)",
    "DROP TABLE checked; CREATE TABLE checked (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO checked VALUES (1, -1)",
    "CREATE INDEX any ON contact (amount)",
  ]) {
    crm.sql(statements);
    await running.durable(new Date(Date.now() + 1000).toISOString());
    gaps.push(gapsOf(running.events).join(" "));
  }
  assert.deepEqual(gaps, ["schema", "schema schema", "schema schema"]);
});

test("that it waits for the repository is told when it begins, too", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const { signal, now } = crm.run;
  await using repository = await openFor(crm.engine, crm.access, crm.run);
  await using running = await (async () => {
    await using _lock = await repository.lock("exclusive", { signal, now, waitMs: 0 });
    const begun = following(crm);
    await begun.event((event) => event.type === "note" && event.code === "follow-waiting");
    return begun;
  })();
  await running.event((event) => event.type === "journal");
});

test("rows that are deleted in bulk are told of when they are seen, not with the next backup", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  await crm.backup();
  await using running = await followed(crm);
  await crm.backup();
  crm.sql("INSERT INTO contact VALUES (9000, 'new', 1)");
  await running.durable(new Date(Date.now() + 1000).toISOString());
  assert.ok(!running.events.some((event) => event.type === "note" && event.code === "follow-anomaly"));
  const { engine, access, run } = crm;
  await using repository = await openFor(engine, access, run);
  const snapshots = await repository.snapshots(run.signal);
  crm.sql("DELETE FROM contact WHERE id > 100");
  const told = await running.event((event) => event.type === "note" && event.code === "follow-anomaly");
  assert.ok(told.type === "note");
  assert.deepEqual(told.facts, { kind: "mass-delete", subject: "contact", count: 2901, of: 3000, usual: 0 });
  const after = new Date();
  await running.durable(after.toISOString());
  await running.end();
  // Named in a snapshot since the snapshots were listed, and in the index.
  const reader = await repository.index(run.signal);
  const source = { engine, reader, snapshots, run };
  await using point = await openPoint(source, "acme", { kind: "moment", time: after });
  assert.equal(await hashOfPoint(point), await hashOfLive(sqliteEngine, `sqlite:${crm.database}`));
});

test("a backup that is damaged does not end what protects: another one is made", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  await crm.backup();
  const packs = globSync(join(crm.access.location, "data/*/*"));
  assert.ok(packs.length > 0);
  for (const pack of packs) {
    const bytes = readFileSync(pack);
    // All blobs; what is in a pack stays known.
    bytes.fill(0, 0, bytes.length - 4 - bytes.readUInt32LE(bytes.length - 4));
    chmodSync(pack, 0o600);
    writeFileSync(pack, bytes);
  }
  await using running = following(crm, { backup: () => crm.backup("full") });
  await running.event((event) => event.type === "note" && event.code === "follow-backup");
  await running.durable(new Date(Date.now() + 1000).toISOString());
  await running.end();
});
