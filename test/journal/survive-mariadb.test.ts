import assert from "node:assert/strict";
import { readdirSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { history } from "../../src/engine/history.ts";
import { targetOf } from "../../src/database/mysql/location.ts";
import { mysqlEngine } from "../../src/database/mysql/mysql.ts";
import { Session } from "../../src/database/mysql/session.ts";
import { hashOfLive } from "../support/live-hash.ts";
import { type MariadbServer, startMariadb } from "../support/mariadb-server.ts";
import { network, type Network } from "../support/network.ts";
import { smallCrm, type SmallCrm } from "../support/small-crm.ts";
import { closesGap, type Commit, followed, gapsOf, isAsItWas, outlivesNetwork } from "../support/survival.ts";
import { temporaryFolder } from "../support/temp-folder.ts";
import { until } from "../support/until.ts";

const options = ["--log-bin=log", "--binlog-format=ROW", "--binlog-row-metadata=FULL"];
let server: MariadbServer;
let way: Network;
before(async () => {
  server = await startMariadb([...options, "--server-id=7"]);
  await server.sql("CREATE USER far@'127.0.0.1'; GRANT ALL ON *.* TO far@'127.0.0.1'");
  way = await network(server.port);
});
after(async () => {
  await way[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const tables = `CREATE TABLE contact (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50)); INSERT INTO contact (name) VALUES ('张伟');
  CREATE TABLE attachment (id INT PRIMARY KEY, path VARCHAR(200)); INSERT INTO attachment VALUES (1, '2026/合同.txt'), (2, 'logo.bin')`;

async function newCrm(root: string, name: string): Promise<SmallCrm> {
  await server.sql(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
  await server.sql(tables, name);
  return smallCrm(root, { url: `mariadb://far@127.0.0.1:${way.port}/${name}`, engine: mysqlEngine });
}

async function commit(statement: string, name: string, at = server): Promise<Commit> {
  const out = await at.sql(`${statement}; SELECT @@last_gtid, UTC_TIMESTAMP()`, name);
  const [transaction = "", clock = ""] = out.trim().split("\t");
  return { transaction, time: `${clock.replace(" ", "T")}Z`, hash: await hashOfLive(mysqlEngine, at.url(name)) };
}

/** A log that is made anew once more: a record's history has its newest change at the end, and each only once. */
async function isToldInOrder(crm: SmallCrm, change: () => Promise<Commit>): Promise<void> {
  await wait(5000);
  await server.sql("RESET MASTER");
  await using running = await followed(crm);
  await crm.backup();
  const { time } = await change();
  await running.durable(time);
  const asked = { repository: crm.access, record: "contact/1", live: "without" } as const;
  const { versions } = await history(crm.engine, asked, crm.run);
  const names = versions.map(({ fields }) => fields.find(({ column }) => column === "name")?.after);
  assert.deepEqual(names.slice(-2), ["made anew", "by the new log"]);
  assert.equal(new Set(names).size, names.length, names.join());
}

test("a network that is cut, one that falls silent, and a server that is killed: nothing is lost", async () => {
  using folder = temporaryFolder();
  const crm = await newCrm(folder.path, "cut");
  await using running = await followed(crm, { silenceMs: 4000 });
  await crm.backup();
  const commits = [await commit("INSERT INTO contact (name) VALUES ('before')", "cut")];
  await running.durable(commits[0]?.time ?? "");
  commits.push(
    ...(await outlivesNetwork(running, way, server.port, [
      () => commit("UPDATE contact SET name = 'cut' WHERE id = 1", "cut"),
      () => commit("DELETE FROM contact WHERE name = 'before'", "cut"),
    ])),
  );
  // Who holds a table for himself keeps nothing of the others from the repository, and what he writes is told after.
  const holder = await Session.open(await targetOf({ url: server.url("cut") }), "cut", new AbortController().signal);
  await holder.run("LOCK TABLES contact WRITE");
  await server.sql("INSERT INTO attachment VALUES (3, 'x')", "cut");
  await holder.run("INSERT INTO contact (name) VALUES ('locked')");
  await running.durable(new Date().toISOString());
  await holder[Symbol.asyncDispose]();
  commits.push(await commit("UPDATE contact SET name = 'let go' WHERE name = 'locked'", "cut"));
  await running.durable(commits.at(-1)?.time ?? "");
  await server.kill();
  await server.start();
  commits.push(await commit("INSERT INTO contact (name) VALUES ('after')", "cut"));
  await running.durable(commits.at(-1)?.time ?? "");
  assert.deepEqual(gapsOf(running.events), []);
  await isAsItWas(crm, commits);
});

test("a log that was purged, cut short or made anew is a gap, and so is another server at the same address", async () => {
  using folder = temporaryFolder();
  const crm = await newCrm(folder.path, "lost");
  const next = () => commit("INSERT INTO contact (name) VALUES ('next')", "lost");
  const first = await followed(crm);
  await crm.backup();
  await first.end();
  let lost = await commit("UPDATE contact SET name = 'purged' WHERE id = 1; FLUSH BINARY LOGS", "lost");
  // The server keeps what it believes to be still sending.
  const purge = "FLUSH BINARY LOGS; PURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 DAY; SHOW BINARY LOGS";
  await until(async () => (await server.sql(purge)).trim().split("\n").length === 1);
  await closesGap(crm, { reason: "log-purged", lost, next });

  // The machine went down, and what its log had is on no disk: the server goes on in a new file.
  await server.kill();
  const data = join(server.folder, "data");
  const newest = readdirSync(data)
    .filter((name) => /^log\.\d+$/.test(name))
    .toSorted()
    .at(-1);
  truncateSync(join(data, newest ?? ""), 300);
  await server.start();
  lost = await commit("UPDATE contact SET name = 'cut short' WHERE id = 1", "lost");
  await closesGap(crm, { reason: "log-purged", lost, next });

  // It has a file of that name again, and it is longer than the one that was read.
  // Its positions begin again, and only times tell the two apart: those of the server are whole seconds.
  await wait(5000);
  await server.sql("RESET MASTER");
  const bulk = "INSERT INTO contact (name) SELECT REPEAT('x', 50) FROM seq_1_to_200; FLUSH BINARY LOGS";
  for (let files = 0; files < 12; files++) await server.sql(bulk, "lost");
  lost = await commit("UPDATE contact SET name = 'made anew' WHERE id = 1", "lost");
  await closesGap(crm, { reason: "log-purged", lost, next });
  // What the new log has at a place is no part of a backup that was made at that place of the one before.
  await isToldInOrder(crm, () => commit("UPDATE contact SET name = 'by the new log' WHERE id = 1", "lost"));

  await using other = await startMariadb([...options, "--server-id=8"]);
  await other.sql(
    "CREATE USER far@'127.0.0.1'; GRANT ALL ON *.* TO far@'127.0.0.1'; CREATE DATABASE lost CHARACTER SET utf8mb4",
  );
  await other.sql(tables, "lost");
  way.lead(other.port);
  lost = await commit("UPDATE contact SET name = 'elsewhere' WHERE id = 1", "lost", other);
  const there = () => commit("INSERT INTO contact (name) VALUES ('next')", "lost", other);
  await closesGap(crm, { reason: "other-server", lost, next: there });
  way.lead(server.port);
});
