import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { after, before, test } from "node:test";
import { keeperTiming } from "../../src/engine/journal-keeper.ts";
import type { Change } from "../../src/database/change-feed.ts";
import { mysqlEngine } from "../../src/database/mysql/mysql.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { following } from "../support/following.ts";
import { hashOfLive, hashOfPoint } from "../support/live-hash.ts";
import { type MariadbServer, startMariadb } from "../support/mariadb-server.ts";
import { momentOf, withPoint } from "../support/open-moment.ts";
import { exact, smallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";
import { until } from "../support/until.ts";

let server: MariadbServer;
before(async () => {
  server = await startMariadb(["--log-bin", "--server-id=7", "--binlog-format=ROW", "--binlog-row-metadata=FULL"]);
});
after(() => server[Symbol.asyncDispose]());

const tables = `
  CREATE TABLE contact (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, name VARCHAR(300) CHARACTER SET utf8mb4, old VARCHAR(40) CHARACTER SET latin1,
    amount DECIMAL(24,8), ratio DOUBLE, small FLOAT, flag BIT(11), born DATE, at DATETIME(3), stamp TIMESTAMP(6) NULL, span TIME(2), y YEAR,
    kind ENUM('lead','won''t','') , tags SET('a','b','c'), token BINARY(16), body MEDIUMTEXT, raw BLOB, n BIGINT, z INT(7) ZEROFILL, j JSON,
    code CHAR(5) CHARACTER SET ucs2, doubled DOUBLE(24,8), gen INT AS (n + 1) VIRTUAL) ENGINE=InnoDB;
  CREATE TABLE pair (a TINYINT, b VARCHAR(50) COLLATE utf8mb4_general_ci, v MEDIUMINT UNSIGNED, PRIMARY KEY (b, a)) ENGINE=InnoDB;
  CREATE TABLE attachment (id INT PRIMARY KEY, path VARCHAR(200)) ENGINE=InnoDB;
  INSERT INTO attachment VALUES (1, '2026/合同.txt'), (2, 'logo.bin');
  INSERT INTO contact (name, amount, n) SELECT CONCAT('contact ', seq), seq / 7, seq FROM seq_1_to_500;
  INSERT INTO pair SELECT seq % 7, CONCAT('ä', seq), seq FROM seq_1_to_100;
`;

const statements = [
  `INSERT INTO contact (name, old, amount, ratio, small, flag, born, at, stamp, span, y, kind, tags, token, body, raw, n, z, j, code, doubled) VALUES
     ('tab\\there \\\\ 合同 😀', 'Müller €', -12345678901234.00000001, 1e300, 0.1, b'10000000001', '2024-02-29', '2026-01-01 23:59:59.999',
      '2026-03-29 02:30:00.000001', '-838:59:59.99', 2155, 'won''t', 'a,c', X'00112200', REPEAT('x', 70000), X'00095C0A0D', -9223372036854775808, 42, '{"a": 1}', 'é1', 0.125)`,
  "INSERT INTO contact (name, ratio, small, span, y, kind, tags, token, at, born) VALUES (NULL, 1.1, 16777217, '00:00:01.5', 0, '', '', '', '1000-01-01', '0000-00-00'), ('', -0.000001234, 3.4e38, '-00:00:00.01', 1901, 'lead', 'b', X'FF', NULL, '9999-12-31')",
  "UPDATE contact SET name = CONCAT(name, '!'), ratio = id / 3 WHERE id % 50 = 0",
  "DELETE FROM contact WHERE id % 40 = 7",
  "UPDATE pair SET b = CONCAT(b, 'k') WHERE a = 3",
  "UPDATE contact SET id = id + 100000 WHERE id < 10",
  "TRUNCATE TABLE pair",
  "INSERT INTO pair VALUES (1, 'A', 1), (2, 'b', 16777215)",
  "TRUNCATE `crm_test`.`contact`",
  "UPDATE pair SET b = 'a' WHERE b = 'A'",
  "XA START 'x'; UPDATE pair SET v = 6; XA END 'x'; XA PREPARE 'x'; XA COMMIT 'x'",
  // After a temporary table the log has what was taken back as well.
  "BEGIN; UPDATE pair SET v = 5; SAVEPOINT s; DELETE FROM pair; CREATE TEMPORARY TABLE draft (a INT); DROP TEMPORARY TABLE draft; ROLLBACK TO s; COMMIT",
];

test("a log that comes faster than it is read is read to its end", async () => {
  await server.sql("CREATE DATABASE fast; CREATE TABLE fast.item (id INT AUTO_INCREMENT PRIMARY KEY, body LONGTEXT)");
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(120_000)]);
  const options = { signal, name: "fast", mostLagBytes: 2 ** 40, intervalMs: 300, silenceMs: 60_000 };
  assert.ok(mysqlEngine.log);
  await using feed = await mysqlEngine.log.follow({ url: server.url("fast") }, options);
  const rows = 30_000;
  await server.sql(`INSERT INTO item (body) SELECT REPEAT('x', 2000) FROM seq_1_to_${rows}`, "fast");
  let told = 0;
  // As MariaDB and MySQL call it.
  const state =
    "SELECT COUNT(*) FROM information_schema.processlist WHERE state IN ('Writing to net', 'Sending to client')";
  for await (const changes of feed.changes()) {
    // Until the server waits for us, and not only for a moment.
    for (let seen = 0; told === 0 && seen < 10; await wait(50)) {
      seen = (await server.sql(state)).trim() === "0" ? 0 : seen + 1;
    }
    told += changes.filter(({ type }) => type === "write").length;
    if (told === rows) break;
  }
  assert.equal(told, rows);
});

test("a feed that cannot begin leaves no session at the server, nor does one that ends", async (context) => {
  if (server.flavour !== "mariadb") return context.skip("MySQL has no sequences");
  await server.sql(`CREATE DATABASE half; USE half; CREATE TABLE t (id INT PRIMARY KEY); CREATE SEQUENCE numbers; CREATE USER halfway@localhost;
    GRANT REPLICATION SLAVE, REPLICATION SLAVE ADMIN, BINLOG MONITOR ON *.* TO halfway@localhost;
    GRANT SELECT ON half.t TO halfway@localhost; GRANT INSERT ON half.numbers TO halfway@localhost`);
  const signal = AbortSignal.timeout(60_000);
  const options = { signal, name: "half", mostLagBytes: 2 ** 40, intervalMs: 300, silenceMs: 60_000 };
  const begun = mysqlEngine.log?.follow({ url: server.url("half").replace("root@", "halfway@") }, options);
  await assert.rejects(begun ?? Promise.resolve(), { code: "database-rights" });
  const whole = await mysqlEngine.log?.follow({ url: server.url("half") }, options);
  await whole?.[Symbol.asyncDispose]();
  const left =
    "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'halfway' OR command LIKE 'Binlog Dump%'";
  await until(async () => (await server.sql(left)).trim() === "0", 10_000);
});

/** What a feed of the database tells, from before `sqls` until a row of table `last` is written. */
async function toldOf(database: string, sqls: readonly string[], last = "last"): Promise<readonly Change[]> {
  const options = {
    ...{ signal: AbortSignal.timeout(120_000), name: database },
    ...{ mostLagBytes: 2 ** 40, intervalMs: 300, silenceMs: 60_000 },
  };
  assert.ok(mysqlEngine.log);
  await using feed = await mysqlEngine.log.follow({ url: server.url(database) }, options);
  const told: Change[] = [];
  const written = async (): Promise<void> => {
    for (const sql of sqls) await server.sql(sql, database);
    await server.sql(`INSERT INTO ${last} VALUES (1)`, database);
  };
  const writing = written();
  for await (const changes of feed.changes()) {
    told.push(...changes);
    if (changes.some((change) => change.type === "write" && change.table.name === last)) break;
  }
  await writing;
  return told;
}

test("values that the server is asked for are there however many there were before, and are asked for in pieces that it takes", async () => {
  await server.sql(`CREATE DATABASE asked; USE asked; CREATE TABLE number (id INT PRIMARY KEY, value DOUBLE); CREATE TABLE last (id INT PRIMARY KEY);
    CREATE TABLE text (id INT PRIMARY KEY, body LONGTEXT CHARACTER SET latin1)`);
  const told = await toldOf("asked", [
    "INSERT INTO number SELECT seq, seq + 0.25 FROM seq_1_to_99950",
    "INSERT INTO number SELECT 200000 + seq, IF(seq < 100, seq + 0.25, seq * 1000 + 0.5) FROM seq_1_to_200",
    "INSERT INTO text SELECT seq, CONCAT('ü', seq, REPEAT('x', 40000)) FROM seq_1_to_600",
  ]);
  const lines = told.flatMap((change) => (change.type === "write" ? change.after : []));
  assert.equal(lines.length, 99_950 + 200 + 600 + 1);
  assert.deepEqual(
    lines.filter((line) => line.endsWith("\t")),
    [],
  );
  assert.ok(lines.includes("200007\t7.25"));
});

test("rows that go with their partition or their table, of which the log says nothing, are a gap of that table", async () => {
  await server.sql(`CREATE DATABASE parted; USE parted; CREATE TABLE visit (id INT PRIMARY KEY) PARTITION BY RANGE (id)
    (PARTITION low VALUES LESS THAN (10), PARTITION high VALUES LESS THAN MAXVALUE); CREATE TABLE other (id INT PRIMARY KEY);
    CREATE TABLE again (id INT PRIMARY KEY); INSERT INTO again VALUES (1); INSERT INTO visit VALUES (1), (20)`);
  const signal = AbortSignal.timeout(120_000);
  const options = { signal, name: "parted", mostLagBytes: 2 ** 40, intervalMs: 300, silenceMs: 60_000 };
  assert.ok(mysqlEngine.log);
  await using feed = await mysqlEngine.log.follow({ url: server.url("parted") }, options);
  // Made anew as it was: whoever looks a moment later sees no difference.
  const anew = "DROP TABLE again; CREATE TABLE again (id INT PRIMARY KEY)";
  await server.sql(`ALTER TABLE visit TRUNCATE PARTITION low; ${anew}; INSERT INTO other VALUES (1)`, "parted");
  const found: string[] = [];
  for await (const changes of feed.changes()) {
    for (const change of changes) {
      if (change.type === "gap") found.push(...change.tables.map((table) => `gap ${table.name}`));
      if (change.type === "write") found.push(`write ${change.table.name}`);
    }
    if (found.includes("write other")) break;
  }
  assert.deepEqual([...new Set(found)], ["gap visit", "gap again", "write other"]);
});

test("a moment between two backups is read and restored to the commit", async () => {
  using folder = temporaryFolder();
  await server.sql("CREATE DATABASE crm CHARACTER SET utf8mb4");
  await server.sql(
    "CREATE DATABASE crm_test; CREATE TABLE crm_test.contact (id INT); INSERT INTO crm_test.contact VALUES (1)",
  );
  await server.sql(`SET sql_mode='NO_ENGINE_SUBSTITUTION'; ${tables}`, "crm");
  const url = server.url("crm");
  const crm = await smallCrm(folder.path, { url, engine: mysqlEngine });
  await using followed = following(crm);
  await followed.event((event) => event.type === "note" && event.code === "follow-gap");
  await crm.backup();
  const states: { transaction: string; time: string; hash: string }[] = [];
  for (const statement of statements) {
    const out = await server.sql(
      `SET sql_mode='NO_ENGINE_SUBSTITUTION'; ${statement}; SELECT @@last_gtid, UTC_TIMESTAMP()`,
      "crm",
    );
    const [transaction = "", clock = ""] = out.trim().split("\t");
    // The log has whole seconds.
    states.push({ transaction, time: `${clock.replace(" ", "T")}Z`, hash: await hashOfLive(mysqlEngine, url) });
  }
  await followed.durable(states.at(-1)?.time ?? "");
  for (const [at, state] of states.entries()) {
    const hash = await withPoint(crm, momentOf(state), hashOfPoint);
    assert.equal(hash, state.hash, statements[at] ?? "");
  }
  // The journal says what a backup has to read; of the table that was emptied it does not know which rows there were.
  const { rows, snapshot } = await crm.backup("incremental", { journalWaitMs: 30_000 });
  assert.equal(rows.methods.journal, 1, JSON.stringify(rows));
  assert.equal(await withPoint(crm, { kind: "id", prefix: snapshot }, hashOfPoint), states.at(-1)?.hash);
  const [, , third] = states;
  assert.ok(third);
  const plan = await crm.plan({
    point: momentOf(third),
    scope: { kind: "database" },
    switches: exact,
    targetDatabase: server.url("back"),
    purpose: "replacement",
  });
  await crm.apply(plan);
  assert.equal(await hashOfLive(mysqlEngine, server.url("back")), third.hash);
});

test("UUIDs and addresses are told as they are read, and a table that an older server made is named", async (t) => {
  if (server.flavour === "mysql") return t.skip("MySQL has no such columns");
  using folder = temporaryFolder();
  await server.sql("CREATE DATABASE ids CHARACTER SET utf8mb4");
  await server.sql(
    `CREATE TABLE visit (id UUID PRIMARY KEY, other UUID, address INET6, old INET4);
     CREATE TABLE host (address INET6, old INET4, name VARCHAR(20), PRIMARY KEY (old, address));
     CREATE TABLE earlier (id UUID PRIMARY KEY);
     CREATE TABLE attachment (id INT PRIMARY KEY, path VARCHAR(200)); INSERT INTO attachment VALUES (1, '2026/合同.txt'), (2, 'logo.bin')`,
    "ids",
  );
  // As MariaDB 10.11.4 leaves it: the version in its definition is all that tells.
  await server.sql("FLUSH TABLES");
  const definition = join(server.folder, "data/ids/earlier.frm");
  const bytes = readFileSync(definition);
  bytes.writeUInt32LE(101_104, 51);
  writeFileSync(definition, bytes);
  await server.sql("FLUSH TABLES");
  const url = server.url("ids");
  const crm = await smallCrm(folder.path, { url, engine: mysqlEngine });
  await using followed = following(crm);
  await followed.event((event) => event.type === "note" && event.code === "follow-gap");
  await crm.backup();
  const states: { transaction: string; time: string; hash: string }[] = [];
  for (const statement of [
    // With zeros at the end, and what is no UUID by the book.
    `INSERT INTO visit (id) VALUES ('00000000-0000-0000-0000-000000000000'), ('ffffffff-ffff-ffff-ffff-ffffffffffff'),
       ('d9428888-122b-11e1-b85c-61cd3cbb3210'), ('f47ac10b-58cc-4372-a567-0e02b2c30000'), ('00000000-58cc-4372-8567-000000000000'),
       ('1ec9414c-232a-6b00-b3c8-9f6bdeced846'), ('017f22e2-79b0-7cc3-98c4-dc0c0c07398f'), ('01000000-0000-7000-8000-000000000000'),
       ('2489e9ad-2ee2-8e00-8ec9-32d5f69181c0'), ('11111111-2222-1222-1333-444444444400')`,
    `INSERT INTO visit (id, other) SELECT UUID(), UUID() FROM seq_1_to_200`,
    // All versions and variants that a server takes.
    `INSERT INTO visit (id, other) SELECT a, a FROM
       (SELECT seq, INSERT(INSERT(UUID(), 15, 1, CONV(seq % 16, 10, 16)), 20, 1, CONV(seq DIV 16, 10, 16)) AS a FROM seq_0_to_255) AS ids
       WHERE seq % 16 < 8 OR seq DIV 16 >= 8`,
    `INSERT INTO host VALUES ('::', '0.0.0.0', 'none'), ('::1', '127.0.0.1', 'here'), ('::ffff:192.0.2.1', '192.0.2.1', 'mapped'),
       ('::192.0.2.1', '255.255.255.255', 'as before'), ('2001:db8::', '10.0.0.0', 'net'), ('2001:db8:0:0:1:0:0:1', '10.1.0.0', 'zeros'),
       ('fe80::1234:5678:9abc:def0', '1.2.3.4', 'link'), ('1:2:3:4:5:6:7:8', '1.2.3.5', 'full'), ('0:0:0:1::', '1.2.3.6', 'late')`,
    "UPDATE visit SET address = '2001:db8::5', old = '192.0.2.0', other = NULL WHERE id > '80000000-0000-0000-0000-000000000000'",
    "UPDATE host SET old = '9.9.9.0' WHERE name = 'link'",
    "DELETE FROM visit WHERE old IS NULL LIMIT 40",
    "DELETE FROM host WHERE address = '::ffff:192.0.2.1'",
  ]) {
    const out = await server.sql(`${statement}; SELECT @@last_gtid, UTC_TIMESTAMP()`, "ids");
    const [transaction = "", clock = ""] = out.trim().split("\t");
    states.push({ transaction, time: `${clock.replace(" ", "T")}Z`, hash: await hashOfLive(mysqlEngine, url) });
  }
  await followed.durable(states.at(-1)?.time ?? "");
  for (const [at, state] of states.entries()) {
    assert.equal(await withPoint(crm, momentOf(state), hashOfPoint), state.hash, `statement ${at}`);
  }
  const warnings = await withPoint(crm, momentOf(states[0] ?? { time: "" }), async ({ moment }) => moment?.warnings);
  const ofRows = warnings?.filter(({ code }) => !code.startsWith("files-"));
  assert.deepEqual(ofRows, [{ code: "outside-journal", subject: "earlier", detail: "type" }]);
  const { rows, snapshot } = await crm.backup("incremental", { journalWaitMs: 30_000 });
  assert.ok((rows.methods.journal ?? 0) > 0, JSON.stringify(rows));
  assert.equal(await withPoint(crm, { kind: "id", prefix: snapshot }, hashOfPoint), states.at(-1)?.hash);
});

test("of two transactions in the second of a backup, one before it and one after, each is a moment of its own", async () => {
  using folder = temporaryFolder();
  await server.sql("CREATE DATABASE second CHARACTER SET utf8mb4");
  await server.sql(
    `CREATE TABLE note (id INT PRIMARY KEY, text VARCHAR(40)); INSERT INTO note VALUES (1, 'first');
     CREATE TABLE line (id INT PRIMARY KEY, note INT, FOREIGN KEY (note) REFERENCES note (id) ON DELETE CASCADE);
     CREATE TABLE attachment (id INT PRIMARY KEY, path VARCHAR(200)); INSERT INTO attachment VALUES (1, '2026/合同.txt'), (2, 'logo.bin')`,
    "second",
  );
  const url = server.url("second");
  const crm = await smallCrm(folder.path, { url, engine: mysqlEngine });
  // Nothing is named meanwhile: between its index and its snapshot a segment is out of sight for an instant.
  await using followed = following(crm, { timing: { ...keeperTiming, publishMs: 3_600_000 } });
  await followed.event((event) => event.type === "note" && event.code === "follow-gap");
  const write = async (text: string, second: number) => {
    const out = await server.sql(
      `SET timestamp = ${second}; INSERT INTO note SELECT MAX(id) + 1, '${text}' FROM note; SELECT @@last_gtid`,
      "second",
    );
    const time = new Date(second * 1000).toISOString();
    return { transaction: out.trim(), time, hash: await hashOfLive(mysqlEngine, url) };
  };
  const { snapshot } = await crm.backup();
  const databases = await withPoint(
    crm,
    { kind: "id", prefix: snapshot },
    async (point) => point.snapshot?.manifest.databases,
  );
  const taken = Date.parse(/time=(\S+)/.exec(databases?.[0]?.position ?? "")?.[1] ?? "");
  // In the second of the backup and after it: to the log that is before it.
  const after1 = await write("after", Math.floor(taken / 1000));
  const after2 = await write("after too", Math.floor(taken / 1000));
  // Of one second too, and the backup between the two holds the first.
  const late = Math.ceil(taken / 1000) + 600;
  const before3 = await write("before", late);
  const before4 = await write("before too", late);
  await crm.backup();
  const after5 = await write("behind", late);
  await followed.durable(after5.time);
  // What goes with a row of another table is in no log: such a table is named.
  const warnings = await withPoint(crm, momentOf(after1), async ({ moment }) => moment?.warnings);
  // Files may be looked at only later.
  const ofRows = warnings?.filter(({ code }) => !code.startsWith("files-"));
  assert.deepEqual(ofRows, [{ code: "outside-journal", subject: "line", detail: "cascade" }]);
  for (const state of [after1, after2, before3, before4, after5]) {
    assert.equal(await withPoint(crm, momentOf(state), hashOfPoint), state.hash, JSON.stringify(state));
  }
});

test("in the second in which a gap begins, a transaction that there is not is unknown, and one of the gap is out of reach", async () => {
  using folder = temporaryFolder();
  await server.sql("CREATE DATABASE edge CHARACTER SET utf8mb4");
  await server.sql(
    `CREATE TABLE note (id INT PRIMARY KEY, text VARCHAR(40)); INSERT INTO note VALUES (1, 'first');
     CREATE TABLE attachment (id INT PRIMARY KEY, path VARCHAR(200)); INSERT INTO attachment VALUES (1, '2026/合同.txt'), (2, 'logo.bin')`,
    "edge",
  );
  const url = server.url("edge");
  const crm = await smallCrm(folder.path, { url, engine: mysqlEngine });
  await using followed = following(crm);
  await followed.event((event) => event.type === "note" && event.code === "follow-gap");
  await crm.backup();
  const second = Math.ceil(Date.now() / 1000) + 600;
  const time = new Date(second * 1000).toISOString();
  const write = async (text: string, format: "ROW" | "STATEMENT", at = second) => {
    const out = await server.sql(
      `SET timestamp = ${at}; SET SESSION binlog_format = ${format}; UPDATE note SET text = '${text}'; SELECT @@last_gtid`,
      "edge",
    );
    return { transaction: out.trim(), time, hash: await hashOfLive(mysqlEngine, url) };
  };
  const told = await write("before", "ROW");
  await write("lost", "STATEMENT");
  const behind = await write("behind", "ROW");
  await write("later", "ROW", second + 5);
  await followed.event(
    (event) => event.type === "note" && event.code === "follow-gap" && event.facts["reason"] === "log-form",
  );
  await followed.durable(new Date((second + 5) * 1000).toISOString());
  assert.equal(await withPoint(crm, momentOf(told), hashOfPoint), told.hash);
  const refused = (transaction: string, code: "moment-transaction" | "moment-unreachable") =>
    assert.rejects(withPoint(crm, momentOf({ transaction, time }), hashOfPoint), (error) =>
      isHoldfastError(error, code),
    );
  await refused(behind.transaction, "moment-unreachable");
  await refused("0-7-999999", "moment-transaction");
});

test("a table that was altered while nobody followed: it begins anew, and no moment between is told wrongly", async () => {
  using folder = temporaryFolder();
  await server.sql(
    "CREATE DATABASE altered CHARACTER SET utf8mb4; CREATE TABLE altered.contact (id INT PRIMARY KEY, name VARCHAR(50)); INSERT INTO altered.contact VALUES (1, 'a'); CREATE TABLE altered.attachment (id INT PRIMARY KEY, path VARCHAR(200)); INSERT INTO altered.attachment VALUES (1, '2026/合同.txt'), (2, 'logo.bin')",
  );
  const crm = await smallCrm(folder.path, { url: server.url("altered"), engine: mysqlEngine });
  await using followed = following(crm);
  await followed.event((event) => event.type === "note" && event.code === "follow-gap");
  await crm.backup();
  await followed.durable(new Date().toISOString());
  await followed.end();
  await server.sql("UPDATE contact SET name = 'by other columns' WHERE id = 1", "altered");
  await wait(1100); // a whole second, which is what MariaDB's log has
  const between = new Date();
  await server.sql("ALTER TABLE contact ADD COLUMN extra INT", "altered");
  await using again = following(crm);
  const told = await again.event(
    (event) => event.type === "note" && event.code === "follow-gap" && event.facts["reason"] === "schema",
  );
  // From where it was read last, not from where it is read again.
  assert.ok(told.type === "note" && String(told.facts["time"]) < between.toISOString(), JSON.stringify(told));
  await crm.backup();
  await again.durable(new Date().toISOString());
  // What was only in memory is in the repository by then.
  await again.end();
  await assert.rejects(
    withPoint(crm, { kind: "moment", time: between }, hashOfPoint),
    (error) => isHoldfastError(error, "moment-unreachable") && error.facts["problem"] === "schema",
  );
  // Nothing was altered since: it goes on where it was.
  await using third = following(crm);
  await third.durable(new Date().toISOString());
  assert.ok(!third.events.some((event) => event.type === "note" && event.code === "follow-gap"));
});

test("a server that is not set up for it is named before anything is read", async () => {
  using folder = temporaryFolder();
  await using plain = await startMariadb(["--log-bin", "--binlog-format=ROW"]);
  await plain.sql("CREATE DATABASE crm");
  const crm = await smallCrm(folder.path, { url: plain.url("crm"), engine: mysqlEngine });
  await using followed = following(crm);
  await assert.rejects(
    followed.durable("9999"),
    (error) => isHoldfastError(error, "follow-settings") && error.facts["setting"] === "binlog_row_metadata = FULL",
  );
  await assert.rejects(followed.end());
});
