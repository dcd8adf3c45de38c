import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { after, before, test } from "node:test";
import { postgres } from "../support/postgres-capture.ts";
import { type PostgresServer, startPostgres } from "../support/postgres-server.ts";
import type { ChangeFeed, FeedPlace } from "../../src/database/change-feed.ts";
import { openFor } from "../../src/engine/access.ts";
import { keeperTiming } from "../../src/engine/journal-keeper.ts";
import { listTransactions } from "../../src/engine/transactions.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { following } from "../support/following.ts";
import { momentOf, withPoint } from "../support/open-moment.ts";
import { PostgresWorkload } from "../support/postgres-workload.ts";
import { hashOfPoint } from "../support/live-hash.ts";
import { resticOn } from "../support/restic.ts";
import { exact, limits, smallCrm, type SmallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";
import { until } from "../support/until.ts";

let server: PostgresServer;
before(async () => {
  server = await startPostgres({ settings: ["wal_level=logical", "track_commit_timestamp=on"] });
});
after(() => server[Symbol.asyncDispose]());

const tables = `
  CREATE TABLE contact (id bigserial PRIMARY KEY, name text NOT NULL, note text, amount numeric);
  CREATE TABLE pair (a integer, b text, v bytea, PRIMARY KEY (a, b));
  CREATE TABLE attachment (id integer PRIMARY KEY, path text);
  INSERT INTO contact (name, note, amount) SELECT 'contact ' || i, repeat('n', i % 50), i / 7.0 FROM generate_series(1, 2000) i;
  INSERT INTO pair SELECT i % 7, 'ä' || i, decode(md5(i::text), 'hex') FROM generate_series(1, 300) i;
  INSERT INTO attachment VALUES (1, '2026/合同.txt'), (2, 'logo.bin');
  CREATE TABLE page (name text PRIMARY KEY, hits integer);
  INSERT INTO page SELECT string_agg(md5(i::text), ''), 1 FROM generate_series(1, 80) i;
`;

let made = 0;
async function newCrm(root: string): Promise<SmallCrm & { readonly url: string; readonly name: string }> {
  const name = `crm${made++}`;
  await server.sql(`CREATE DATABASE ${name}`);
  await server.sql(tables, name);
  const url = server.url(name);
  return { ...(await smallCrm(root, { url, engine: postgres })), url, name };
}

test("a moment between two backups is read and restored to the commit", async () => {
  using folder = temporaryFolder();
  const crm = await newCrm(folder.path);
  await using followed = following(crm);
  await followed.event((event) => event.type === "note" && event.code === "follow-gap");
  await using workload = await PostgresWorkload.open(crm.url);
  await crm.backup();
  const commits = [];
  for (const sql of [
    "UPDATE contact SET name = E'tab\\there \\\\ ' || id WHERE id % 100 = 0",
    "DELETE FROM contact WHERE id % 50 = 7",
    // Kept out of line: an update of another column does not repeat it.
    "INSERT INTO contact (name, note) SELECT 'new', string_agg(md5(i::text), '') FROM generate_series(1, 1000) i",
    "UPDATE pair SET b = b || 'k', v = NULL WHERE a = 3",
    "UPDATE contact SET amount = 1 WHERE name = 'new'",
    "UPDATE contact SET id = id + 100000 WHERE name = 'new'",
    // A key that is kept out of line is told beside the row that does not repeat it.
    "UPDATE page SET hits = 2",
    "SAVEPOINT s; DELETE FROM contact; ROLLBACK TO s; UPDATE contact SET amount = 2 WHERE name = 'new'",
    "TRUNCATE pair; INSERT INTO pair VALUES (1, 'after', '\\x00')",
    "DELETE FROM contact WHERE id BETWEEN 1000 AND 1500",
  ]) {
    commits.push(await workload.commit(sql));
  }
  await followed.durable(commits.at(-1)?.time ?? "");
  for (const committed of commits) {
    const hash = await withPoint(crm, momentOf(committed), hashOfPoint);
    assert.equal(hash, committed.hash, `transaction ${committed.transaction}`);
  }
  const [, second] = commits;
  assert.ok(second);
  const plan = await crm.plan({
    point: momentOf(second),
    scope: { kind: "database" },
    switches: exact,
    targetDatabase: server.url("back"),
    purpose: "replacement",
  });
  assert.equal(plan.moment?.last?.transaction, second.transaction);
  await crm.apply(plan);
  await using restored = await PostgresWorkload.open(server.url("back"));
  assert.equal(await restored.hash(), second.hash);
  // The journal says what a backup has to read: of the table that was emptied it does not know which rows there were.
  const { rows, snapshot } = await crm.backup("incremental", { journalWaitMs: 30_000 });
  assert.equal(rows.methods.journal, 2, JSON.stringify(rows));
  assert.ok(rows.changedRows > 500 && rows.readBytes < rows.totalBytes / 2, JSON.stringify(rows));
  const last = await withPoint(crm, { kind: "id", prefix: snapshot }, hashOfPoint);
  assert.equal(last, commits.at(-1)?.hash);
  assert.equal((await followed.end()).transactions, commits.length);
  await resticOn(crm.access.location, crm.access.password).check();
});

test("a table that is altered and written to at once is a gap: the row may come before anybody looked", async () => {
  using folder = temporaryFolder();
  const crm = await newCrm(folder.path);
  await using followed = following(crm);
  await followed.event((event) => event.type === "note" && event.code === "follow-gap");
  await server.sql("ALTER TABLE contact ADD COLUMN extra text; UPDATE contact SET extra = 'x' WHERE id = 1", crm.name);
  await followed.event(
    (event) => event.type === "note" && event.code === "follow-gap" && event.facts["reason"] === "schema",
  );
});

test("a table that is as it was by now is a gap for what was written while it was not, or went with a column", async () => {
  using folder = temporaryFolder();
  const crm = await newCrm(folder.path);
  await using followed = following(crm);
  await followed.event((event) => event.type === "note" && event.code === "follow-gap");
  const gapOf = (table: string) =>
    until(
      () => followed.events.some((event) => event.type === "note" && String(event.facts["subject"]).includes(table)),
      30_000,
    );
  // As a migration does it: a column that is there for a moment.
  const column = "ALTER TABLE contact ADD COLUMN draft text;";
  await server.sql(
    `BEGIN; ${column} UPDATE contact SET draft = 'x', name = 'changed' WHERE id = 1; ALTER TABLE contact DROP COLUMN draft; COMMIT`,
    crm.name,
  );
  await gapOf("contact");
  // Rows that are written anew since their column has another type are in no log.
  const typed = (type: string) => `ALTER TABLE attachment ALTER COLUMN path TYPE ${type}`;
  await server.sql(`${typed("varchar(3) USING left(path, 3)")}; ${typed("text")}`, crm.name);
  await gapOf("attachment");
});

test("a table that is told of since somebody let it go: who stopped before that was stored begins anew", async () => {
  using folder = temporaryFolder();
  const crm = await newCrm(folder.path);
  const { log } = postgres;
  assert.ok(log);
  const options = { name: "holdfast_let_go", mostLagBytes: 2 ** 40, intervalMs: 300, silenceMs: 60_000 };
  const open = (from?: FeedPlace): Promise<ChangeFeed> =>
    log.follow({ url: crm.url }, { ...options, ...(from && { from }), signal: AbortSignal.timeout(60_000) });
  const places: FeedPlace[] = [];
  {
    await using holder = await PostgresWorkload.open(crm.url);
    await holder.run("BEGIN; LOCK TABLE contact IN ROW EXCLUSIVE MODE");
    await using feed = await open();
    for await (const changes of feed.changes()) {
      const known = changes.find(({ type }) => type === "tables");
      if (known?.type !== "tables") continue;
      places.push({ ...feed.start, history: feed.history, tables: known.digest });
      assert.deepEqual(
        known.outside.map(({ reason }) => reason),
        places.length === 1 ? ["busy"] : [],
      );
      if (places.length === 2) break;
      await holder.run("COMMIT");
    }
  }
  const reasons: unknown[] = [];
  for (const place of places) {
    await using again = await open(place);
    reasons.push(again.startedAnew);
  }
  assert.deepEqual(reasons, ["schema", undefined]);
});

test("a publication of some changes or rows only, as somebody made it by hand, is refused", async () => {
  using folder = temporaryFolder();
  const crm = await newCrm(folder.path);
  {
    await using followed = following(crm);
    await followed.event((event) => event.type === "note" && event.code === "follow-gap");
  }
  const publication = (await server.sql("SELECT pubname FROM pg_publication", crm.name)).trim();
  for (const [changes, value] of [
    ["SET (publish = 'insert, update')", "insert, update"],
    [
      "SET (publish = 'insert, update, delete, truncate'); ALTER PUBLICATION $ SET TABLE contact WHERE (id > 5)",
      "(id > 5)",
    ],
  ] as const) {
    await server.sql(`ALTER PUBLICATION $ ${changes}`.replaceAll("$", publication), crm.name);
    await using refused = following(crm);
    await assert.rejects(
      refused.event(() => false),
      (error) => isHoldfastError(error, "follow-settings") && error.facts["value"] === value,
    );
  }
});

test("rows that the backup's definitions would not take are a gap, and an index that is built anew is none", async () => {
  using folder = temporaryFolder();
  const crm = await newCrm(folder.path);
  await server.sql(
    `CREATE TYPE kind AS ENUM ('a', 'b'); CREATE DOMAIN small AS integer CONSTRAINT low CHECK (VALUE < 10);
     CREATE TABLE typed (id integer PRIMARY KEY, kinds kind[], n small, must text NOT NULL, part integer CONSTRAINT positive CHECK (part > 0));
     CREATE TABLE other (id integer PRIMARY KEY)`,
    crm.name,
  );
  await using followed = following(crm);
  await followed.event((event) => event.type === "note" && event.code === "follow-gap");
  const gaps = () =>
    followed.events.flatMap((event) =>
      event.type === "note" && event.code === "follow-gap" && event.facts["reason"] === "schema"
        ? String(event.facts["subject"])
        : [],
    );
  await server.sql("REINDEX TABLE CONCURRENTLY typed", crm.name);
  for (const [at, statement] of [
    "ALTER TYPE kind ADD VALUE 'c'",
    "ALTER DOMAIN small DROP CONSTRAINT low",
    "ALTER TABLE typed ALTER COLUMN must DROP NOT NULL",
    "ALTER TABLE typed DROP CONSTRAINT positive",
  ].entries()) {
    await server.sql(statement, crm.name);
    await until(() => gaps().length > at);
  }
  assert.deepEqual(gaps(), ["typed", "typed", "typed", "typed"]);
});

test("a commit that the server has not flushed yet is not taken for one that is in the journal", async () => {
  using folder = temporaryFolder();
  const crm = await newCrm(folder.path);
  await using followed = following(crm);
  await followed.event((event) => event.type === "note" && event.code === "follow-gap");
  await crm.backup();
  await using workload = await PostgresWorkload.open(crm.url);
  await server.sql("ALTER SYSTEM SET wal_writer_delay = '4s'");
  await server.sql("SELECT pg_reload_conf()");
  try {
    await workload.run("SET synchronous_commit = off");
    const { time, transaction } = await workload.commit("UPDATE contact SET note = 'late' WHERE id = 1");
    await followed.durable(time);
    const asked = { repository: crm.access, around: new Date(time), withinMs: 60_000, most: 10 };
    const { transactions } = await listTransactions(crm.engine, asked, crm.run);
    assert.ok(transactions.some((one) => one.transaction === transaction));
  } finally {
    await server.sql("ALTER SYSTEM RESET wal_writer_delay");
    await server.sql("SELECT pg_reload_conf()");
  }
});

test("a backup that asks the journal stores again what only a run that was cut off has stored", async () => {
  using folder = temporaryFolder();
  const crm = await newCrm(folder.path);
  const first = following(crm);
  await first.event((event) => event.type === "note" && event.code === "follow-gap");
  await crm.backup();
  await first.end();
  // From its first segment on it has a lock, so that nobody takes up what others left.
  await using followed = following(crm, { timing: { ...keeperTiming, publishMs: 3_600_000 } });
  await using workload = await PostgresWorkload.open(crm.url);
  await followed.durable((await workload.commit("UPDATE contact SET note = 'x' WHERE id = 1")).time);
  const content = "the same in both\n";
  {
    await using repository = await openFor(crm.engine, crm.access, crm.run);
    await using lock = await repository.lock("shared", { ...crm.run, waitMs: 0 });
    const indexed = await repository.index(crm.run.signal);
    await using upload = await indexed.upload({ ...crm.run, lock, limits });
    const saved = upload.blob("data", Buffer.from(content), "hot");
    await upload.store();
    await saved;
  }
  writeFileSync(join(crm.attachments, "copy.txt"), content);
  await followed.durable((await workload.commit("UPDATE contact SET note = 'y' WHERE id = 1")).time);
  const { rows } = await crm.backup("incremental", { journalWaitMs: 30_000 });
  assert.ok((rows.methods.journal ?? 0) > 0, JSON.stringify(rows));
  await followed.end();
  await resticOn(crm.access.location, crm.access.password).check();
});

test("a table that was altered while nobody followed: it begins anew, and no moment between is told wrongly", async () => {
  using folder = temporaryFolder();
  const crm = await newCrm(folder.path);
  await using followed = following(crm);
  await followed.event((event) => event.type === "note" && event.code === "follow-gap");
  await crm.backup();
  await followed.durable(new Date().toISOString());
  await followed.end();
  await server.sql("UPDATE contact SET name = 'by other columns' WHERE id = 1", crm.name);
  await wait(1100); // a whole second, which is what MariaDB's log has
  const between = new Date();
  await server.sql("ALTER TABLE contact ADD COLUMN extra INT", crm.name);
  await using again = following(crm);
  const told = await again.event(
    (event) => event.type === "note" && event.code === "follow-gap" && event.facts["reason"] === "schema",
  );
  // From where it was read last, not from where it is read again.
  assert.ok(told.type === "note" && String(told.facts["time"]) < between.toISOString(), JSON.stringify(told));
  await crm.backup();
  await again.durable(new Date().toISOString());
  await assert.rejects(
    withPoint(crm, { kind: "moment", time: between }, hashOfPoint),
    (error) => isHoldfastError(error, "moment-unreachable") && error.facts["problem"] === "schema",
  );
  // Nothing was altered since: it goes on where it was.
  await again.end();
  await using third = following(crm);
  await third.durable(new Date().toISOString());
  assert.ok(!third.events.some((event) => event.type === "note" && event.code === "follow-gap"));
});
