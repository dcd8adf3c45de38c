import assert from "node:assert/strict";
import { test } from "node:test";
import { mysqlEngine } from "../../src/database/mysql/mysql.ts";
import { following } from "../support/following.ts";
import { hashOfLive, hashOfPoint } from "../support/live-hash.ts";
import { startMariadb } from "../support/mariadb-server.ts";
import { withPoint } from "../support/open-moment.ts";
import { exact, smallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";
import { ToldRows } from "../support/told-rows.ts";

/**
 * What MariaDB does otherwise from 11 on, in each run; the rest of the tests run on it by `npm run test:servers`, which is not
 * part of one.
 */
const newer = "mariadb-11";
const logged = ["--log-bin=log", "--server-id=7", "--binlog-format=ROW", "--binlog-row-metadata=FULL"];

const tables = `
  CREATE TABLE contact (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50), n INT, twice INT AS (n * 2) VIRTUAL, thrice INT AS (n * 3) STORED);
  CREATE TABLE place (id UUID PRIMARY KEY DEFAULT UUID(), v6 INET6, v4 INET4);
  CREATE TABLE meaning (id INT PRIMARY KEY, e VECTOR(3) NOT NULL, VECTOR INDEX (e));
  CREATE TABLE word (text VARCHAR(40) COLLATE utf8mb4_uca1400_nopad_as_cs PRIMARY KEY, j JSON, CHECK (text <> ''));
  CREATE TABLE attachment (id INT PRIMARY KEY, path VARCHAR(200)); INSERT INTO attachment VALUES (1, '2026/合同.txt'), (2, 'logo.bin');
  INSERT INTO contact (name, n) SELECT CONCAT('contact ', seq), seq FROM seq_1_to_300;
  INSERT INTO place (v6, v4) VALUES ('::1', '10.0.0.1'), ('2001:db8::1', NULL);
  INSERT INTO meaning VALUES (1, VEC_FromText('[0.1,-2,1e-9]')), (2, VEC_FromText('[1,2,3]'));
  INSERT INTO word VALUES ('a', '{"b": 1}'), ('A', NULL), ('ä ', '[]');
`;

test("MariaDB 11: everything comes back, and a moment between two backups", async () => {
  using folder = temporaryFolder();
  await using server = await startMariadb(logged, undefined, newer);
  await server.sql("CREATE DATABASE crm");
  await server.sql(tables, "crm");
  const url = server.url("crm");
  const crm = await smallCrm(folder.path, { url, engine: mysqlEngine });
  await using followed = following(crm);
  await followed.event((event) => event.type === "note" && event.code === "follow-gap");
  const first = await crm.backup();
  const was = await hashOfLive(mysqlEngine, url);
  // Of what follows from other columns the log has nothing.
  await server.sql(
    "UPDATE contact SET name = CONCAT(name, '!') WHERE id % 50 = 0; DELETE FROM word WHERE text = 'A'",
    "crm",
  );
  await server.sql(
    "UPDATE meaning SET e = VEC_FromText('[9,9,9]') WHERE id = 1; UPDATE place SET v4 = '10.0.0.9' WHERE v4 IS NULL",
    "crm",
  );
  const [transaction = "", clock = ""] = (await server.sql("SELECT @@gtid_binlog_pos, UTC_TIMESTAMP()"))
    .trim()
    .split("\t");
  const time = `${clock.replace(" ", "T")}Z`;
  const between = await hashOfLive(mysqlEngine, url);
  await server.sql("DELETE FROM contact WHERE id > 100", "crm");
  await followed.durable(new Date(Date.parse(time) + 2000).toISOString());
  const second = await crm.backup("incremental", { journalWaitMs: 30_000 });
  assert.equal(second.rows.methods.journal, 4, JSON.stringify(second.rows));
  const point = { kind: "moment", time: new Date(time), transaction } as const;
  assert.equal(await withPoint(crm, point, hashOfPoint), between);
  const plan = await crm.plan({
    point: { kind: "id", prefix: first.snapshot },
    scope: { kind: "database" },
    switches: exact,
    targetDatabase: server.url("back"),
    purpose: "replacement",
  });
  assert.deepEqual((await crm.apply(plan)).failed, []);
  assert.equal(await hashOfLive(mysqlEngine, server.url("back")), was);
});

test("MariaDB 11: what is taken back to a savepoint and what is prepared, of which the log says less than before", async () => {
  await using server = await startMariadb(logged, undefined, newer);
  await server.sql(
    "CREATE DATABASE back; USE back; CREATE TABLE deal (id INT PRIMARY KEY); CREATE TABLE hit (id INT PRIMARY KEY) ENGINE=MyISAM",
  );
  await using told = await ToldRows.of(server, "back");
  // A table without transactions has it in the log with what was taken back.
  await server.sql(
    `BEGIN; INSERT INTO deal VALUES (1); SAVEPOINT one; INSERT INTO deal VALUES (2); INSERT INTO hit VALUES (1); ROLLBACK TO one;
     INSERT INTO deal SELECT seq FROM seq_101_to_5000; COMMIT; DELETE FROM deal WHERE id > 101;
     XA START 'a'; INSERT INTO deal VALUES (7); XA END 'a'; XA PREPARE 'a'; XA COMMIT 'a'; FLUSH BINARY LOGS; INSERT INTO deal VALUES (8)`,
    "back",
  );
  assert.deepEqual([await told.now(), told.rows("deal")], [[], ["1", "101", "7", "8"]]);
});

test("MariaDB 11: a table is altered in two steps of the log, and what comes between them is told", async () => {
  await using server = await startMariadb([...logged, "--binlog-alter-two-phase=ON"], undefined, newer);
  await server.sql(
    "CREATE DATABASE steps; CREATE TABLE steps.deal (id INT PRIMARY KEY); CREATE TABLE steps.note (id INT PRIMARY KEY)",
  );
  await using told = await ToldRows.of(server, "steps");
  await server.sql(
    "INSERT INTO deal VALUES (1); ALTER TABLE deal ADD COLUMN v INT DEFAULT 7, ALGORITHM=COPY; INSERT INTO note VALUES (1); INSERT INTO deal VALUES (2, 2)",
    "steps",
  );
  assert.deepEqual(await told.now(), ["schema deal"]);
  assert.deepEqual([told.rows("deal").at(-1), told.rows("note")], ["2=2", ["1"]]);
});
