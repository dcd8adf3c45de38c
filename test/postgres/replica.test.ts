import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { postgres } from "../support/postgres-capture.ts";
import { type PostgresServer, startPostgres } from "../support/postgres-server.ts";
import { smallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const { signal } = new AbortController();

let primary: PostgresServer;
let standby: PostgresServer;
before(async () => {
  primary = await startPostgres();
  await primary.sql("CREATE DATABASE crm");
  await primary.sql(
    `CREATE TABLE contact (id integer PRIMARY KEY, name text); CREATE TABLE sum (id integer PRIMARY KEY, total bigint);
     CREATE TABLE attachment (id integer PRIMARY KEY, path text); INSERT INTO attachment VALUES (1, '2026/合同.txt'), (2, 'logo.bin');
     INSERT INTO contact SELECT i, repeat('x', 200) FROM generate_series(1, 5000) AS i; INSERT INTO sum VALUES (1, 0)`,
    "crm",
  );
  standby = await startPostgres({ standbyOf: primary, settings: ["max_standby_streaming_delay=0"] });
});
after(async () => {
  await standby[Symbol.asyncDispose]();
  await primary[Symbol.asyncDispose]();
});

/** Until the standby has what the primary has committed. */
async function caughtUp(): Promise<void> {
  const place = (await primary.sql("SELECT pg_current_wal_insert_lsn()")).trim();
  for (const from = performance.now(); performance.now() - from < 60_000; await wait(20)) {
    if ((await standby.sql(`SELECT pg_last_wal_replay_lsn() >= '${place}'`)).trim() === "t") return;
  }
  throw new Error("the standby does not follow");
}

const change = (
  n: number,
) => `BEGIN; UPDATE contact SET name = 'new ${n}' WHERE id % 100 = ${n}; DELETE FROM contact WHERE id = ${n * 7 + 1};
  UPDATE sum SET total = (SELECT sum(hashtext(name)) FROM contact); COMMIT`;
const sums = "SELECT count(*), sum(hashtextextended(c::text, 0)), (SELECT total FROM sum) FROM contact c";

test("a standby is backed up as its primary would be, incrementals by xmin; what was taken of a server further on is not built on", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path, { url: standby.url("crm"), engine: postgres });
  const onPrimary = { ...crm.description, database: primary.url("crm") };
  const methods = () =>
    crm.events.flatMap((event) =>
      event.type === "note" && event.code === "table-method" ? [event.facts["method"]] : [],
    );
  await caughtUp();
  const first = await crm.backup();
  assert.deepEqual([first.kind, first.outcome, first.warnings], ["full", "ok", []]);
  await primary.sql(change(1), "crm");
  await caughtUp();
  const second = await crm.backup();
  assert.deepEqual([methods(), second.rows.changedRows], [["xmin"], 52]);

  // The primary goes on, is backed up itself, and then the standby, which stopped replaying before.
  await standby.sql("SELECT pg_wal_replay_pause()");
  await primary.sql(change(2), "crm");
  const ahead = await crm.backup(undefined, { crm: onPrimary });
  assert.equal(ahead.rows.changedRows, 52);
  const behind = await crm.backup();
  await standby.sql("SELECT pg_wal_replay_resume()");
  assert.deepEqual([methods(), behind.rows.changedRows], [["xmin", "xmin"], 52]);

  // What was backed up last is what the standby held then: put on the primary, it is just that.
  const target = primary.url("copy");
  const scope = { kind: "database" } as const;
  const report = await crm.apply(await crm.plan({ scope, targetDatabase: target, purpose: "replacement" }));
  assert.deepEqual([report.failed, report.warnings], [[], []]);
  const [count, , total] = (await primary.sql(sums, "copy")).trim().split("|");
  assert.equal(count, "4999");
  assert.equal(await primary.sql("SELECT sum(hashtext(name)) FROM contact", "copy"), `${total}\n`, "one moment");
});

test("what was taken of a server before it was put back to an earlier state is not built on", async () => {
  using folder = temporaryFolder();
  await using server = await startPostgres();
  await server.sql("CREATE DATABASE crm");
  await server.sql(
    `CREATE TABLE contact (id integer PRIMARY KEY, name text); CREATE TABLE attachment (id integer PRIMARY KEY, path text);
     INSERT INTO contact SELECT i, repeat('x', 200) FROM generate_series(1, 5000) AS i; CREATE TABLE busy (id integer PRIMARY KEY, name text)`,
    "crm",
  );
  const [data, earlier] = [join(server.folder, "data"), join(folder.path, "earlier")];
  await server.sql("CHECKPOINT");
  await server.kill();
  execFileSync("cp", ["-a", data, earlier]);
  await server.start();
  // One transaction and much log.
  await server.sql(
    "BEGIN; INSERT INTO busy SELECT i, repeat('y', 200) FROM generate_series(1, 9000) i; DELETE FROM busy; COMMIT",
    "crm",
  );
  const crm = await smallCrm(folder.path, { url: server.url("crm"), engine: postgres });
  await crm.backup();
  await server.kill();
  rmSync(data, { recursive: true });
  execFileSync("cp", ["-a", earlier, data]);
  await server.start();
  // Of the first one the number is below all that were not over before, of which there is none by now.
  for (const id of [2, 3, 4]) await server.sql(`UPDATE contact SET name = 'since' WHERE id = ${id}`, "crm");
  const { rows } = await crm.backup();
  assert.equal(rows.changedRows, 3, JSON.stringify(rows));
});

test("a standby that may not wait for its readers: one clear error, and the next backup is whole", async () => {
  await caughtUp();
  await using source = await postgres.connect({ url: standby.url("crm") }, { signal });
  const snapshot = await source.snapshot(signal);
  const table = snapshot.schema.tables.find(({ name }) => name === "contact");
  assert.ok(table);
  // Rows that this moment still sees are removed for good.
  await primary.sql("UPDATE contact SET name = name || '!'; VACUUM contact", "crm");
  await caughtUp();
  await assert.rejects(
    async () => {
      for await (const _ of snapshot.reader(table).read({}, signal));
    },
    (error) => isHoldfastError(error, "database-conflict"),
  );
  await snapshot[Symbol.asyncDispose]();
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path, { url: standby.url("crm"), engine: postgres });
  assert.equal((await crm.backup()).outcome, "ok");
});
