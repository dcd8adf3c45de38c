import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { mysqlEngine } from "../../src/database/mysql/mysql.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { type MariadbServer, startMariadb } from "../support/mariadb-server.ts";
import { mysqlPrograms } from "../support/mysql-programs.ts";
import { smallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";
import { until } from "../support/until.ts";

const isMariadb = mysqlPrograms().flavour === "mariadb";
/** How MariaDB and MySQL call the one that is sent what happens on the other. */
const replicas = isMariadb ? "SLAVE" : "REPLICA";
const updates = isMariadb ? "log_slave_updates" : "log_replica_updates";

let primary: MariadbServer;
let replica: MariadbServer;
before(async () => {
  primary = await startMariadb(["--log-bin=log", "--binlog-format=ROW"]);
  replica = await startMariadb(["--server-id=2", "--log-bin=own", `--${updates.replaceAll("_", "-")}`, "--read-only"]);
  await primary.sql("CREATE USER replica@'%' IDENTIFIED BY 'pw'; GRANT REPLICATION SLAVE ON *.* TO replica@'%'");
  await replica.sql(`${followPrimary()}; START ${replicas}`);
  await primary.sql(
    `CREATE DATABASE crm CHARACTER SET utf8mb4; USE crm;
     CREATE TABLE contact (id integer PRIMARY KEY, name varchar(300)); CREATE TABLE sum (id integer PRIMARY KEY, total bigint);
     CREATE TABLE attachment (id integer PRIMARY KEY, path varchar(200)); INSERT INTO attachment VALUES (1, '2026/合同.txt'), (2, 'logo.bin');
     INSERT INTO contact SELECT seq, REPEAT('x', 200) FROM seq_1_to_5000; INSERT INTO sum VALUES (1, 0)`,
  );
});
after(async () => {
  await replica[Symbol.asyncDispose]();
  await primary[Symbol.asyncDispose]();
});

function followPrimary(): string {
  if (!isMariadb) {
    return `CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=${primary.port}, SOURCE_USER='replica', SOURCE_PASSWORD='pw', SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1`;
  }
  return `CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=${primary.port}, MASTER_USER='replica', MASTER_PASSWORD='pw', MASTER_USE_GTID=slave_pos`;
}

/** Until the replica has what the primary has committed. */
async function caughtUp(): Promise<void> {
  const place = (await primary.sql(`SELECT ${isMariadb ? "@@gtid_binlog_pos" : "@@global.gtid_executed"}`)).trim();
  const waited = isMariadb ? "MASTER_GTID_WAIT" : "WAIT_FOR_EXECUTED_GTID_SET";
  const reached = (await replica.sql(`SELECT ${waited}('${place}', 60)`)).trim();
  assert.equal(reached, "0", await replica.sql(`SHOW ${replicas} STATUS`));
}

const change = (n: number) =>
  `START TRANSACTION; UPDATE contact SET name = 'new ${n}' WHERE id % 100 = ${n}; DELETE FROM contact WHERE id = ${n * 7 + 1};
   UPDATE sum SET total = (SELECT SUM(CRC32(name)) FROM contact); COMMIT`;

test("a replica is backed up as its primary would be, while it follows", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path, { url: replica.url("crm"), engine: mysqlEngine });
  await caughtUp();
  const first = await crm.backup();
  assert.deepEqual([first.kind, first.outcome, first.warnings], ["full", "ok", []]);
  await primary.sql(change(1), "crm");
  await caughtUp();
  const second = await crm.backup();
  assert.deepEqual([second.kind, second.rows.changedRows], ["incremental", 52]);

  // The primary goes on while the replica stands still: its backup is of what it has.
  await replica.sql(`STOP ${replicas} SQL_THREAD`);
  await primary.sql(change(2), "crm");
  assert.equal((await crm.backup()).rows.changedRows, 0);
  await replica.sql(`START ${replicas} SQL_THREAD`);
  await caughtUp();
  assert.equal((await crm.backup()).rows.changedRows, 52);

  // Transactions arrive while moments are taken: each is in one whole, or not at all.
  const writing = (async () => {
    for (let n = 3; n < 30; n++) await primary.sql(change(n), "crm");
  })();
  for (let round = 0; round < 3; round++) {
    assert.equal((await crm.backup()).outcome, "ok");
    await wait(50);
  }
  await writing;
  const target = primary.url("copy");
  const scope = { kind: "database" } as const;
  const report = await crm.apply(await crm.plan({ scope, targetDatabase: target, purpose: "replacement" }));
  assert.deepEqual([report.failed, report.warnings], [[], []]);
  const [rows, total] = (await primary.sql("SELECT SUM(CRC32(name)), (SELECT total FROM sum) FROM contact", "copy"))
    .trim()
    .split("\t");
  assert.equal(rows, total, "one moment");
});

test("a replica that does not put what it is sent into its own log is not followed, as if nothing happened", async () => {
  await using server = await startMariadb([
    "--server-id=3",
    "--log-bin=own",
    "--binlog-format=ROW",
    "--binlog-row-metadata=FULL",
    `--skip-${updates.replaceAll("_", "-")}`,
  ]);
  await server.sql(`CREATE DATABASE mine; CREATE TABLE mine.contact (id integer PRIMARY KEY);
    CREATE USER least@localhost IDENTIFIED BY 'pw'; GRANT SELECT ON mine.* TO least@localhost; GRANT REPLICATION SLAVE, ${isMariadb ? "BINLOG MONITOR" : "REPLICATION CLIENT"} ON *.* TO least@localhost`);
  const { log } = mysqlEngine;
  assert.ok(log);
  const stop = new AbortController();
  const options = { signal: stop.signal, name: "crm", mostLagBytes: 2 ** 40, intervalMs: 300, silenceMs: 60_000 };
  const root = { url: server.url("mine") };
  // Who may not be told whether the server is a replica.
  const least = { url: root.url.replace("root@", "least@"), password: "pw" };
  const refused = (error: unknown) =>
    isHoldfastError(error, "follow-settings") && error.facts["setting"] === `${updates} = ON`;
  // By itself it may be followed, whatever the setting.
  for (const address of [root, least]) await (await log.follow(address, options))[Symbol.asyncDispose]();
  await server.sql(followPrimary());
  await assert.rejects(log.follow(root, options), refused);
  if (isMariadb) {
    await server.sql("START SLAVE");
    await until(async () => (await server.sql("SHOW GLOBAL STATUS LIKE 'Slaves_running'")).includes("\t1"));
  }
  await assert.rejects(log.follow(least, options), refused);
});
