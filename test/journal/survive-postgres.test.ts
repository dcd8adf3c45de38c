import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openFor } from "../../src/engine/access.ts";
import { listSnapshots } from "../../src/engine/snapshots.ts";
import { journalProgress } from "../../src/jobs/journal-progress.ts";
import { network, type Network } from "../support/network.ts";
import { postgres } from "../support/postgres-capture.ts";
import { type PostgresServer, startPostgres } from "../support/postgres-server.ts";
import { PostgresWorkload } from "../support/postgres-workload.ts";
import { smallCrm, type SmallCrm } from "../support/small-crm.ts";
import { closesGap, type Commit, followed, gapsOf, isAsItWas, outlivesNetwork } from "../support/survival.ts";
import { temporaryFolder } from "../support/temp-folder.ts";
import { until } from "../support/until.ts";

const settings = ["wal_level=logical", "track_commit_timestamp=on", "max_standby_streaming_delay=0"];
let server: PostgresServer;
let way: Network;
before(async () => {
  server = await startPostgres({ settings });
  way = await network(server.port);
});
after(async () => {
  await way[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

async function newCrm(root: string, name: string): Promise<SmallCrm> {
  await server.sql(`CREATE DATABASE ${name}`);
  await server.sql(
    `CREATE TABLE contact (id serial PRIMARY KEY, name text); INSERT INTO contact (name) VALUES ('张伟');
     CREATE TABLE attachment (id integer PRIMARY KEY, path text); INSERT INTO attachment VALUES (1, '2026/合同.txt'), (2, 'logo.bin')`,
    name,
  );
  return smallCrm(root, { url: `postgresql://postgres@127.0.0.1:${way.port}/${name}`, engine: postgres });
}

test("a network that is cut, one that falls silent, and a table that somebody locks: nothing is lost", async () => {
  using folder = temporaryFolder();
  const crm = await newCrm(folder.path, "cut");
  await using workload = await PostgresWorkload.open(server.url("cut"));
  await using running = await followed(crm, { silenceMs: 3000 });
  await crm.backup();
  const commits = [await workload.commit("INSERT INTO contact (name) VALUES ('before')")];
  await running.durable(commits[0]?.time ?? "");
  commits.push(
    ...(await outlivesNetwork(running, way, server.port, [
      () => workload.commit("UPDATE contact SET name = 'cut' WHERE id = 1"),
      () => workload.commit("DELETE FROM contact WHERE name = 'before'"),
    ])),
  );
  await using holder = await PostgresWorkload.open(server.url("cut"));
  await holder.run("BEGIN; LOCK TABLE contact IN ACCESS EXCLUSIVE MODE");
  await server.sql("INSERT INTO attachment VALUES (3, 'x')", "cut");
  await running.durable(new Date().toISOString());
  await holder.run("COMMIT");
  commits.push(await workload.commit("INSERT INTO contact (name) VALUES ('after')"));
  await running.durable(commits.at(-1)?.time ?? "");
  assert.deepEqual(gapsOf(running.events), []);
  // While nothing happens, nobody finds a lock in the repository.
  await until(() => readdirSync(join(crm.access.location, "locks")).length === 0);
  await isAsItWas(crm, commits);
});

test("while somebody has the repository for himself, changes wait unacknowledged, that is shown, and nothing is lost", async () => {
  using folder = temporaryFolder();
  const crm = await newCrm(folder.path, "held");
  await using workload = await PostgresWorkload.open(server.url("held"));
  await using running = await followed(crm);
  await crm.backup();
  const commits = [await workload.commit("INSERT INTO contact (name) VALUES ('before')")];
  await running.durable(commits[0]?.time ?? "");
  const shown = () => running.events.map(journalProgress()).findLast((progress) => progress !== undefined);
  {
    const { signal, now } = crm.run;
    await using repository = await openFor(crm.engine, crm.access, crm.run);
    await using _lock = await repository.lock("exclusive", { signal, now, waitMs: 60_000 });
    const eventsBefore = running.events.length;
    const place = (await server.sql("SELECT pg_current_wal_insert_lsn()", "held")).trim();
    for (let count = 0; count < 5; count++) {
      commits.push(
        await workload.commit(`INSERT INTO contact (name) SELECT '${count} ' || i FROM generate_series(1, 200) i`),
      );
    }
    await until(() =>
      running.events
        .slice(eventsBefore)
        .some((event) => event.type === "note" && event.code === "follow-waiting" && Number(event.facts["bytes"]) > 0),
    );
    const progress = shown();
    assert.equal(progress?.trouble, "repository-locked");
    assert.ok(progress.waitingBytes > 0 && (progress.durableTo ?? "") < (commits.at(-1)?.time ?? ""));
    const acknowledged = await server.sql(
      `SELECT confirmed_flush_lsn <= '${place}' FROM pg_replication_slots WHERE database = 'held'`,
      "held",
    );
    assert.equal(acknowledged.trim(), "t");
  }
  await running.durable(commits.at(-1)?.time ?? "");
  assert.deepEqual([shown()?.trouble, gapsOf(running.events)], [undefined, []]);
  await isAsItWas(crm, commits);
});

test("the log that a server keeps for us is bounded too while nothing can be stored: rather a gap than a full disk", async () => {
  using folder = temporaryFolder();
  const crm = await newCrm(folder.path, "lagging");
  await using workload = await PostgresWorkload.open(server.url("lagging"));
  const running = await followed(crm, { mostLagBytes: 32 << 20 });
  await crm.backup();
  const kept = await workload.commit("INSERT INTO contact (name) VALUES ('before')");
  await running.durable(kept.time);
  {
    const { signal, now } = crm.run;
    await using repository = await openFor(crm.engine, crm.access, crm.run);
    await using _lock = await repository.lock("exclusive", { signal, now, waitMs: 60_000 });
    // Little in the server's log, and more than waits in memory: nothing is read any more.
    await workload.run("INSERT INTO contact (name) SELECT repeat('x', 1000000) FROM generate_series(1, 100)");
    await running.event((event) => event.type === "note" && Number(event.facts["bytes"]) > 60 << 20);
    await workload.run(
      "INSERT INTO contact (name) SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 1300000) i GROUP BY i % 50",
    );
    await until(
      async () =>
        (
          await server.sql("SELECT slot_name FROM pg_replication_slots WHERE database = 'lagging'", "lagging")
        ).trim() === "",
    );
  }
  await running.event((event) => event.type === "note" && event.facts["reason"] === "slot-lost");
  await crm.backup();
  const next = await workload.commit("DELETE FROM contact WHERE name = 'before'");
  await running.durable(next.time);
  await running.end();
  await isAsItWas(crm, [kept, next]);
});

test("a publication that is lost, and a table that is taken out of it, are gaps", async () => {
  using folder = temporaryFolder();
  const crm = await newCrm(folder.path, "lost");
  await using workload = await PostgresWorkload.open(server.url("lost"));
  const next = () => workload.commit("INSERT INTO contact (name) VALUES ('next')");
  const first = await followed(crm);
  await crm.backup();
  await first.end();
  const publication = (await server.sql("SELECT pubname FROM pg_publication", "lost")).trim();
  await workload.run(`DROP PUBLICATION ${publication}`);
  // The slot is there, and can tell nothing of a publication that is younger than what it tells.
  const lost = await workload.commit("UPDATE contact SET name = 'unpublished' WHERE id = 1");
  await closesGap(crm, { reason: "slot-lost", lost, next });

  await using running = await followed(crm);
  await workload.run(`ALTER PUBLICATION ${publication} DROP TABLE contact`);
  await running.event((event) => event.type === "note" && event.code === "follow-gap");
  assert.deepEqual(gapsOf(running.events), ["schema"]);
  await workload.run("SELECT lo_from_bytea(0, 'a file')");
  await until(async () => {
    const { journal } = await listSnapshots(crm.engine, { repository: crm.access }, crm.run);
    const outside = journal[0]?.outside ?? [];
    return outside.some(({ table, reason }) => table === "pg_largeobject" && reason === "large-objects");
  });
});

test("a server that is put back to an earlier state, as a machine is to its snapshot, is another one", async () => {
  using folder = temporaryFolder();
  const crm = await newCrm(folder.path, "back");
  const data = join(server.folder, "data");
  const commit = async (sql: string): Promise<Commit> => {
    await using workload = await PostgresWorkload.open(server.url("back"));
    return await workload.commit(sql);
  };
  const first = await followed(crm);
  await crm.backup();
  await first.end();
  await server.kill();
  execFileSync("cp", ["-a", data, join(folder.path, "earlier")]);
  await server.start();
  const second = await followed(crm);
  const kept = await commit("INSERT INTO contact (name) SELECT 'kept ' || i FROM generate_series(1, 1000) i");
  await second.durable(kept.time);
  await second.end();
  await server.kill();
  rmSync(data, { recursive: true });
  execFileSync("cp", ["-a", join(folder.path, "earlier"), data]);
  await server.start();
  const lost = await commit("UPDATE contact SET name = 'since it was put back' WHERE id = 1");
  const next = () => commit("INSERT INTO contact (name) VALUES ('next')");
  await closesGap(crm, { reason: "other-server", lost, next });
  await isAsItWas(crm, [kept]);
});

test("a standby that takes over at the same address is another log", async () => {
  using folder = temporaryFolder();
  const crm = await newCrm(folder.path, "over");
  await using standby = await startPostgres({ standbyOf: server, settings });
  await using workload = await PostgresWorkload.open(server.url("over"));
  const running = await followed(crm);
  await crm.backup();
  const kept = await workload.commit("INSERT INTO contact (name) VALUES ('kept')");
  await running.durable(kept.time);
  const end = (await server.sql("SELECT pg_current_wal_flush_lsn()")).trim();
  await until(async () => (await standby.sql(`SELECT pg_last_wal_replay_lsn() >= '${end}'`)).trim() === "t");
  await running.end();
  await standby.sql("SELECT pg_promote()");
  way.lead(standby.port);
  await using other = await PostgresWorkload.open(standby.url("over"));
  const lost = await other.commit("UPDATE contact SET name = 'while nobody followed' WHERE id = 1");
  await closesGap(crm, {
    reason: "other-server",
    lost,
    next: () => other.commit("DELETE FROM contact WHERE name = 'kept'"),
  });
  await isAsItWas(crm, [kept]);
  way.lead(server.port);
});
