import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, before, test } from "node:test";
import { targetOf } from "../../src/database/mysql/location.ts";
import { mysqlEngine } from "../../src/database/mysql/mysql.ts";
import { Session } from "../../src/database/mysql/session.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { type MariadbServer, startMariadb } from "../support/mariadb-server.ts";
import { mysqlPrograms } from "../support/mysql-programs.ts";
import { commandOutput } from "../support/run-command.ts";
import { ToldRows } from "../support/told-rows.ts";

const isMariadb = mysqlPrograms().flavour === "mariadb";
const options = [
  ...["--log-bin=log", "--server-id=7", "--binlog-format=ROW", "--binlog-row-metadata=FULL"],
  // With numbers of transactions MySQL takes no statement of several kinds of tables; without, it is followed too.
  ...(isMariadb ? [] : ["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"]),
];
let server: MariadbServer;
before(async () => {
  // What is prepared is on disk before anybody is told so.
  server = await startMariadb([...options, "--innodb-flush-log-at-trx-commit=1", "--sync-binlog=1"]);
});
after(() => server[Symbol.asyncDispose]());

/** What MySQL has not, or cannot be told when it is started. */
function inMariadb(name: string, work: () => Promise<void>): void {
  if (isMariadb) test(name, work);
}

/** What MariaDB has not. */
function inMysql(name: string, work: () => Promise<void>): void {
  if (!isMariadb) test(name, work);
}

async function newDatabase(name: string, tables: string, at = server): Promise<void> {
  await at.sql(`CREATE DATABASE ${name} CHARACTER SET utf8mb4; USE ${name}; ${tables}`);
}

const prepared = (xid: string, rows: string): string => `XA START ${xid}; ${rows}; XA END ${xid}; XA PREPARE ${xid}`;

test("rows of an XA transaction count when it is committed, whoever does that, and not when it is rolled back", async () => {
  await newDatabase("xa", "CREATE TABLE deal (id INT PRIMARY KEY, v INT); CREATE TABLE note (id INT PRIMARY KEY)");
  await newDatabase("elsewhere", "CREATE TABLE deal (id INT PRIMARY KEY)");
  await using told = await ToldRows.of(server, "xa");
  await server.sql(`${prepared("'a'", "INSERT INTO deal VALUES (1, 1)")}; XA COMMIT 'a'`, "xa");
  await server.sql(`${prepared("'b','part',5", "INSERT INTO deal VALUES (2, 2)")}; XA ROLLBACK 'b','part',5`, "xa");
  await server.sql("XA START 'c'; INSERT INTO deal VALUES (3, 3); XA END 'c'; XA COMMIT 'c' ONE PHASE", "xa");
  await server.sql("XA START 'd'; INSERT INTO deal VALUES (4, 4); XA END 'd'; XA ROLLBACK 'd'", "xa");
  await server.sql(prepared("'e'", "INSERT INTO deal SELECT seq, 5 FROM seq_1001_to_31000"), "xa");
  await server.sql(prepared("'f'", "UPDATE deal SET v = 60 WHERE id = 1"), "xa");
  await server.sql(prepared("'g'", "INSERT INTO deal VALUES (1)"), "elsewhere");
  await server.sql("INSERT INTO note VALUES (1)", "xa");
  assert.deepEqual(await told.now(), []);
  assert.deepEqual([told.rows("deal"), told.rows("note")], [["1=1", "3=3"], ["1"]]);
  await server.sql("XA ROLLBACK 'f'; XA COMMIT 'g'; XA COMMIT 'e'", "elsewhere");
  await server.sql("DELETE FROM deal WHERE id > 1002", "xa");
  assert.deepEqual(await told.now(), []);
  assert.deepEqual(told.rows("deal"), ["1=1", "1001=5", "1002=5", "3=3"]);
  // Nothing comes after it, and nothing of it is ours.
  await server.sql(`${prepared("'h'", "INSERT INTO deal VALUES (2)")}; XA COMMIT 'h'`, "elsewhere");
  assert.deepEqual(await told.now(), []);
});

test("what was prepared before somebody followed, or the server was started anew, is found in the log; where that is gone, it is a gap", async () => {
  await newDatabase("later", "CREATE TABLE deal (id INT PRIMARY KEY, v INT); CREATE TABLE note (id INT PRIMARY KEY)");
  const sql = (text: string) => server.sql(text, "later");
  const first = await ToldRows.of(server, "later");
  for (const id of [1, 2, 3, 4]) await sql(prepared(`'${id}'`, `INSERT INTO deal VALUES (${id}, ${id})`));
  // The same name for another one, which was undone long ago.
  await sql(`${prepared("'0'", "INSERT INTO deal VALUES (0, 1)")}; XA ROLLBACK '0'`);
  await sql(prepared("'0'", "INSERT INTO deal VALUES (0, 2)"));
  assert.deepEqual(await first.now(), []);
  const { place } = first;
  await first[Symbol.asyncDispose]();
  await sql("XA COMMIT '3'");
  await server.kill();
  await server.start();
  await using second = await ToldRows.of(server, "later", place);
  await sql("XA COMMIT '1'; XA ROLLBACK '2'; XA COMMIT '0'; INSERT INTO note VALUES (1); FLUSH BINARY LOGS");
  assert.deepEqual(await second.now(), []);
  assert.deepEqual([second.rows("deal"), second.rows("note")], [["0=2", "1=1", "3=3"], ["1"]]);
  const current = (await server.sql("SHOW MASTER STATUS")).split("\t")[0];
  await server.sql(`PURGE BINARY LOGS TO '${current}'`);
  await using third = await ToldRows.of(server, "later", second.place);
  await sql("XA COMMIT '4'; INSERT INTO note VALUES (2)");
  assert.deepEqual(await third.now(), ["log-purged deal", "log-purged note"]);
  assert.deepEqual([third.rows("deal"), third.rows("note")], [[], ["2"]]);
});

test("what a transaction takes back to a savepoint is not told, though the log has it", async () => {
  await newDatabase(
    "back",
    "CREATE TABLE deal (id INT PRIMARY KEY); CREATE TABLE hit (id INT PRIMARY KEY) ENGINE=MyISAM",
  );
  await using told = await ToldRows.of(server, "back");
  // A table without transactions has it in the log with what was taken back.
  const keep = "INSERT INTO hit SELECT COUNT(*) FROM hit";
  await server.sql(
    `BEGIN; INSERT INTO deal VALUES (1); SAVEPOINT one; INSERT INTO deal VALUES (2); SAVEPOINT two; INSERT INTO deal VALUES (3); ${keep};
     ROLLBACK TO TWO; INSERT INTO deal VALUES (4); ${keep}; ROLLBACK TO one; INSERT INTO deal VALUES (5); SAVEPOINT one; INSERT INTO deal VALUES (6);
     ROLLBACK TO one; RELEASE SAVEPOINT one; INSERT INTO deal SELECT seq FROM seq_101_to_20100; COMMIT; DELETE FROM deal WHERE id > 101`,
    "back",
  );
  const temporary = "CREATE TEMPORARY TABLE draft (a INT PRIMARY KEY)";
  await server.sql(`BEGIN; INSERT INTO deal VALUES (7); ${temporary}; DROP TEMPORARY TABLE draft; ROLLBACK`, "back");
  const inXa = `INSERT INTO deal VALUES (8); SAVEPOINT s; INSERT INTO deal VALUES (9); ${keep}; ROLLBACK TO s`;
  await server.sql(`${prepared("'s'", inXa)}; XA COMMIT 's'`, "back");
  assert.deepEqual(await told.now(), []);
  assert.deepEqual(told.rows("deal"), ["1", "101", "5", "8"]);
  assert.equal((await server.sql("SELECT GROUP_CONCAT(id ORDER BY id) FROM deal", "back")).trim(), "1,5,8,101");
});

test("changes that the log has in another form are a gap, and what comes after them is told", async () => {
  await newDatabase(
    "form",
    "CREATE TABLE deal (id INT PRIMARY KEY, v INT, w INT); CREATE TABLE note (id INT PRIMARY KEY)",
  );
  await server.sql("CREATE TABLE held (id INT PRIMARY KEY) ENGINE=MEMORY; INSERT INTO deal VALUES (1, 1, 1)", "form");
  await using told = await ToldRows.of(server, "form");
  const gaps = async (sql: string, from = "form"): Promise<readonly string[]> => {
    await server.sql(sql, from);
    return told.now();
  };
  const all = ["log-form deal", "log-form note"];
  const asStatement = "SET SESSION binlog_format='STATEMENT';";
  assert.deepEqual(await gaps(`${asStatement} UPDATE deal SET v = 7`), all);
  assert.deepEqual(await gaps(`${asStatement} /* note */ INSERT INTO form.deal VALUES (4, 4, 4)`, "mysql"), all);
  if (isMariadb) assert.deepEqual(await gaps(`${asStatement} ANALYZE UPDATE deal SET v = 8`), all);
  assert.deepEqual(await gaps(`${asStatement} ${prepared("'a'", "UPDATE deal SET v = 9")}; XA COMMIT 'a'`), all);
  const path = join(server.folder, "rows.txt");
  await server.sql(`SELECT 5, 5, 5 INTO OUTFILE '${path}'`);
  assert.deepEqual(await gaps(`${asStatement} LOAD DATA INFILE '${path}' INTO TABLE deal`), all);
  rmSync(path);
  assert.deepEqual(await gaps("SET SESSION binlog_row_image='MINIMAL'; UPDATE deal SET v = 10 WHERE id = 1"), [
    "log-form deal",
  ]);
  // What a server writes of a table that it has in memory, once it was started anew.
  assert.deepEqual(await gaps(`${asStatement} DELETE FROM form.held`), []);
  assert.deepEqual(await gaps("INSERT INTO note VALUES (1)"), []);
  assert.deepEqual(told.rows("note"), ["1"]);
  // Where the whole server is set so, there would be no end of gaps.
  await server.sql("SET GLOBAL binlog_row_image='MINIMAL'");
  await server.sql("UPDATE deal SET v = 11 WHERE id = 1", "form");
  await assert.rejects(
    told.now(),
    (error) => isHoldfastError(error, "follow-settings") && error.facts["setting"] === "binlog_row_image = FULL",
  );
  await server.sql("SET GLOBAL binlog_row_image='FULL'");
  await using again = await ToldRows.of(server, "form", told.place);
  assert.deepEqual(await again.now(), ["log-form deal"]);
});

test("a table is emptied or replaced by whatever statement, however it is typed", async () => {
  await newDatabase(
    "typed",
    "CREATE TABLE deal (id INT PRIMARY KEY, v INT); CREATE TABLE old (id INT PRIMARY KEY, v INT)",
  );
  await server.sql(
    "CREATE TABLE part (id INT PRIMARY KEY, v INT) PARTITION BY RANGE (id) (PARTITION low VALUES LESS THAN (10), PARTITION high VALUES LESS THAN (20))",
    "typed",
  );
  // The client that tests have leaves comments out.
  const target = await targetOf({ url: server.url("typed") });
  await using session = await Session.open(target, "typed", new AbortController().signal);
  await using told = await ToldRows.of(server, "typed");
  const emptying = [
    "/*!40000 TRUNCATE TABLE deal */",
    "# a job\nTRUNCATE -- all of it\n /*M!100100 TABLE */ deal",
    ...(isMariadb ? ["SET STATEMENT max_statement_time=100 FOR TRUNCATE TABLE deal"] : []),
  ];
  for (const sql of emptying) {
    await session.run("INSERT INTO deal VALUES (1, 1)");
    assert.deepEqual([await told.now(), told.rows("deal")], [[], ["1=1"]]);
    await session.run(sql);
    assert.deepEqual([await told.now(), told.rows("deal")], [[], []], sql);
  }
  // A temporary one of the same name stands before it for who made it, and is in the log only of those who write statements there.
  await session.run("INSERT INTO deal VALUES (1, 1)");
  await server.sql(
    `SET SESSION binlog_format='STATEMENT'; CREATE TEMPORARY TABLE deal (a INT); TRUNCATE TABLE deal`,
    "typed",
  );
  assert.deepEqual([await told.now(), told.rows("deal")], [[], ["1=1"]]);
  const replacing = {
    "ALTER TABLE part EXCHANGE PARTITION low WITH TABLE old": ["schema old", "schema part"],
  };
  const replacingOnMariadb = {
    "ALTER IGNORE TABLE deal ADD UNIQUE (v)": ["schema deal"],
    "ALTER TABLE part CONVERT PARTITION low TO TABLE apart": ["schema apart", "schema part"],
    "ALTER TABLE part CONVERT TABLE apart TO PARTITION more VALUES LESS THAN (30)": ["schema apart", "schema part"],
  };
  for (const [sql, gaps] of Object.entries({ ...replacing, ...(isMariadb && replacingOnMariadb) })) {
    await session.run(sql);
    assert.deepEqual([...(await told.now())].toSorted(), gaps, sql);
  }
  // As it was once both are done: what the column held is gone, or is written otherwise, and no row of the log tells.
  for (const changes of [
    ["DROP COLUMN v", "ADD COLUMN v INT"],
    ["MODIFY v TINYINT UNSIGNED", "MODIFY v INT"],
  ]) {
    for (const change of changes) await session.run(`ALTER TABLE old ${change}`);
    assert.deepEqual(await told.now(), ["schema old"], changes.join());
  }
});

inMariadb("what the server says that its log lacks is a gap", async () => {
  await newDatabase("lacks", "CREATE TABLE deal (id INT PRIMARY KEY); CREATE TABLE hit (text TEXT) ENGINE=MyISAM");
  await using told = await ToldRows.of(server, "lacks");
  await server.sql("SET GLOBAL binlog_stmt_cache_size = 4096; SET GLOBAL max_binlog_stmt_cache_size = 4096");
  const tooLong = server.sql("INSERT INTO hit SELECT REPEAT('x', 1000) FROM seq_1_to_200", "lacks");
  await assert.rejects(tooLong, /max_binlog_stmt_cache_size/);
  await server.sql("SET GLOBAL max_binlog_stmt_cache_size = DEFAULT; SET GLOBAL binlog_stmt_cache_size = DEFAULT");
  await server.sql("INSERT INTO deal VALUES (1)", "lacks");
  assert.deepEqual([await told.now(), told.rows("deal")], [["log-form deal"], ["1"]]);
});

test("how far the log was read is told by the server's clock, whatever ours does meanwhile", async (t) => {
  await newDatabase("clock", "CREATE TABLE deal (id INT PRIMARY KEY)");
  const { now } = Date;
  const asked = { name: "clock", mostLagBytes: 2 ** 40, intervalMs: 300, silenceMs: 60_000 };
  const { log } = mysqlEngine;
  assert.ok(log);
  await using feed = await log.follow({ url: server.url("clock") }, { ...asked, signal: AbortSignal.timeout(120_000) });
  t.mock.method(Date, "now", () => now() + 3_600_000);
  for await (const changes of feed.changes()) {
    const reached = changes.find(({ type }) => type === "reached");
    if (reached?.type !== "reached") continue;
    const behindMs = now() - Date.parse(reached.point.time);
    assert.ok(behindMs > 1000 && behindMs < 600_000, `${behindMs}`);
    break;
  }
});

test("a statement is read in the character set of who typed it", async () => {
  await newDatabase("letters", "CREATE TABLE `合同` (id INT PRIMARY KEY); CREATE TABLE `müll` (id INT PRIMARY KEY)");
  const target = await targetOf({ url: server.url("letters") });
  await using session = await Session.open(target, "letters", new AbortController().signal);
  await using told = await ToldRows.of(server, "letters");
  for (const [charset, name, bytes, more] of [
    ["gbk", "合同", "BACFCDAC", 0],
    ["latin1", "müll", "6DFC6C6C", 0],
    // As long as the server takes it, but not twice as long; and what is cut may be half a character.
    ["gbk", "合同", "BACFCDAC", 9_000_000],
  ] as const) {
    await session.run(`INSERT INTO \`${name}\` VALUES (1)`);
    assert.deepEqual([await told.now(), told.rows(name)], [[], ["1"]]);
    const file = join(server.folder, "statement.sql");
    writeFileSync(
      file,
      Buffer.concat([
        Buffer.from("TRUNCATE TABLE `"),
        Buffer.from(bytes, "hex"),
        Buffer.from("` /* "),
        Buffer.alloc(more, Buffer.from("8140BACF", "hex")),
        Buffer.from(" */;\n"),
      ]),
    );
    const how = [...server.client.options, `--default-character-set=${charset}`, "--comments", "letters"];
    // Neither text nor ours to decode.
    await commandOutput("/bin/sh", ["-c", `exec "$0" "$@" <"${file}"`, server.client.program, ...how]);
    assert.deepEqual([await told.now(), told.rows(name)], [[], []], charset);
  }
});

test("a database that is dropped and made again as it was is a gap of all its tables", async () => {
  const made = "CREATE DATABASE anew; CREATE TABLE anew.deal (id INT PRIMARY KEY); INSERT INTO anew.deal VALUES (1)";
  await server.sql(made);
  const first = await ToldRows.of(server, "anew");
  await first.now();
  await first[Symbol.asyncDispose]();
  // By the time that the log is read it is there again.
  await server.sql(`DROP DATABASE anew; ${made}; INSERT INTO anew.deal VALUES (2)`);
  await using second = await ToldRows.of(server, "anew", first.place);
  assert.deepEqual(await second.now(), ["schema deal"]);
});

inMariadb(
  "tables that keep what their rows were are not followed: the log does not tell that from what they are",
  async () => {
    await newDatabase(
      "kept",
      "CREATE TABLE deal (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING; CREATE TABLE note (id INT PRIMARY KEY)",
    );
    await using told = await ToldRows.of(server, "kept");
    await server.sql("INSERT INTO deal VALUES (1, 1); DELETE FROM deal; INSERT INTO note VALUES (1)", "kept");
    await told.now();
    assert.deepEqual([told.outside, told.rows("deal"), told.rows("note")], [["history deal"], [], ["1"]]);
    await server.sql("ALTER TABLE note ADD SYSTEM VERSIONING", "kept");
    assert.deepEqual([await told.now(), told.outside], [["schema note"], ["history deal", "history note"]]);
  },
);

inMariadb("a sequence is told as far as it may have been used", async () => {
  await newDatabase("counted", "CREATE SEQUENCE number CACHE 10; CREATE TABLE deal (id INT PRIMARY KEY)");
  await using told = await ToldRows.of(server, "counted");
  await server.sql("INSERT INTO deal VALUES (NEXTVAL(number)), (NEXTVAL(number))", "counted");
  assert.deepEqual([await told.now(), told.rows("deal"), told.sequences.get("number")], [[], ["1", "2"], "11"]);
  await server.sql("BEGIN; SELECT SETVAL(number, 500); ROLLBACK", "counted");
  assert.deepEqual([await told.now(), told.sequences.get("number")], [[], "501"]);
  await server.sql("ALTER SEQUENCE number RESTART 1000; CREATE SEQUENCE other START 7", "counted");
  await told.now();
  assert.deepEqual([told.sequences.get("number"), told.sequences.get("other")], ["1000", "7"]);
});

test("a compressed log is read as one that is not", async () => {
  const compressed = isMariadb
    ? ["--log-bin-compress=ON", "--log-bin-compress-min-len=10"]
    : ["--binlog-transaction-compression=ON", "--binlog-transaction-compression-level-zstd=1"];
  await using small = await startMariadb([...options, ...compressed]);
  const columns = Array.from({ length: 300 }, (_, at) => `c${at} INT`);
  await newDatabase(
    "small",
    `CREATE TABLE deal (id INT PRIMARY KEY, v TEXT); CREATE TABLE wide (id INT PRIMARY KEY, ${columns.join()})`,
    small,
  );
  await using told = await ToldRows.of(small, "small");
  await small.sql(
    `INSERT INTO deal SELECT seq, REPEAT(seq, 300) FROM seq_1_to_300; UPDATE deal SET v = REPEAT('y', 9) WHERE id < 3; DELETE FROM deal WHERE id > 2;
     INSERT INTO wide (id, c1) VALUES (1, 7), (2, 8); UPDATE wide SET c299 = 9; DELETE FROM wide WHERE id = 1`,
    "small",
  );
  assert.deepEqual([await told.now(), told.rows("deal")], [[], ["1=yyyyyyyyy", "2=yyyyyyyyy"]]);
  assert.match(told.rows("wide").join(), /^2=\\N=8=(?:\\N=)+9$/);
  await small.sql("/* is long enough */ TRUNCATE TABLE deal", "small");
  assert.deepEqual([await told.now(), told.rows("deal")], [[], []]);
});

inMariadb("where names do not depend on case, a statement's need not be as the table was made", async () => {
  await using folding = await startMariadb([...options, "--lower-case-table-names=1"]);
  await newDatabase("Shop", "CREATE TABLE Deal (id INT PRIMARY KEY); CREATE TABLE note (id INT PRIMARY KEY)", folding);
  await using told = await ToldRows.of(folding, "SHOP");
  const sql = (text: string) => folding.sql(text, "shop");
  await sql("INSERT INTO DEAL VALUES (1)");
  assert.deepEqual([await told.now(), told.rows("deal")], [[], ["1"]]);
  await sql("TRUNCATE TABLE SHOP.DEAL");
  assert.deepEqual([await told.now(), told.rows("deal")], [[], []]);
  await sql("DROP TABLE NOTE; CREATE TABLE Note (id INT PRIMARY KEY)");
  assert.deepEqual(await told.now(), ["schema note"]);
  await sql("CREATE TABLE Other LIKE Deal");
  assert.deepEqual(await told.now(), ["schema other"]);
  await sql("RENAME TABLE DEAL TO Old, OTHER TO deal");
  assert.deepEqual([...(await told.now())].toSorted(), ["schema deal", "schema old", "schema other"]);
});

test("a log that is not of everything is refused, as nobody could see what it lacks", async () => {
  for (const [setting, value] of [
    ["binlog_do_db", "crm"],
    ["binlog_ignore_db", "crm"],
  ] as const) {
    await using part = await startMariadb([...options, `--${setting.replaceAll("_", "-")}=${value}`]);
    await part.sql("CREATE DATABASE crm");
    await assert.rejects(
      ToldRows.of(part, "crm"),
      (error) => isHoldfastError(error, "follow-settings") && error.facts["setting"] === `${setting} = ''`,
    );
  }
});

/** As the database has them now, and as a load of them leaves them. */
async function linesOf(
  name: string,
): Promise<{ readonly live: readonly string[]; readonly loaded: readonly string[] }> {
  const { signal } = new AbortController();
  const read = async (database: string) => {
    await using source = await mysqlEngine.connect({ url: server.url(database) }, { signal });
    await using snapshot = await source.snapshot(signal);
    const [table] = snapshot.schema.tables;
    assert.ok(table);
    const batches = await Array.fromAsync(snapshot.reader(table).read({}, signal));
    return {
      schema: snapshot.schema,
      table,
      lines: Buffer.concat(batches.map(({ lines }) => lines)).toString("latin1"),
    };
  };
  const { schema, table, lines } = await read(name);
  const rows = (async function* () {
    yield {
      table,
      batches: Readable.from([{ lines: Buffer.from(lines, "latin1"), rows: lines.split("\n").length - 1 }]),
    };
  })();
  await mysqlEngine.load({ url: server.url(`${name}_again`) }, schema, rows, { signal, grants: "skip" });
  const linesIn = (text: string) => text.replaceAll("\t", "=").split("\n").slice(0, -1);
  return { live: linesIn(lines), loaded: linesIn((await read(`${name}_again`)).lines) };
}

inMysql("JSON of each kind, and vectors, are told as they are read, and loaded as they were", async () => {
  await newDatabase("document", "CREATE TABLE deal (id INT AUTO_INCREMENT PRIMARY KEY, j JSON, v VECTOR(3))");
  await using told = await ToldRows.of(server, "document");
  const long = `JSON_OBJECT('a', REPEAT('x', 70000), 'b', 70000, 'c', -5, 'd', JSON_ARRAY(1, NULL, TRUE))`;
  const documents = [
    "NULL",
    "'null'",
    "'[]'",
    "'{}'",
    `'{"z": {"é\\\\n\\\\u0001": [1.5, 1e22, 0.1, -0.0, 1.0]}, "a": "\\\\"\\\\\\\\"}'`,
    "JSON_ARRAY(CAST(12.50 AS DECIMAL(10,2)), CAST(-7 AS DECIMAL(4,0)), 12345678901234567890.125)",
    "JSON_ARRAY(CAST('2020-01-02 03:04:05' AS DATETIME), CAST('-12:30:01.5' AS TIME(1)), CAST('2020-02-03' AS DATE), X'00FF')",
    "JSON_ARRAY(32767, -32768, 65535, 2147483647, -2147483648, 4294967295, -9223372036854775808, 18446744073709551615, FALSE)",
    long,
  ];
  for (const document of documents) await server.sql(`INSERT INTO deal (j) VALUES (${document})`, "document");
  await server.sql("UPDATE deal SET v = STRING_TO_VECTOR('[0.1,-2,1e-9]') WHERE id > 3", "document");
  assert.deepEqual(await told.now(), []);
  const { live, loaded } = await linesOf("document");
  assert.equal(live.length, documents.length);
  assert.deepEqual(told.rows("deal"), live.toSorted());
  assert.deepEqual(loaded, live);
});

inMysql("a transaction whose number has a tag is told by it", async () => {
  await using numbered = await startMariadb([...options, "--gtid-mode=ON", "--enforce-gtid-consistency=ON"]);
  await newDatabase("tagged", "CREATE TABLE deal (id INT PRIMARY KEY)", numbered);
  await using told = await ToldRows.of(numbered, "tagged");
  await numbered.sql(
    "SET gtid_next='AUTOMATIC:nightly_job'; INSERT INTO deal VALUES (1); INSERT INTO deal VALUES (2); SET gtid_next='AUTOMATIC'; INSERT INTO deal VALUES (3)",
    "tagged",
  );
  assert.deepEqual([await told.now(), told.rows("deal")], [[], ["1", "2", "3"]]);
  const uuid = (await numbered.sql("SELECT @@server_uuid")).trim();
  assert.deepEqual(told.transactions, [`${uuid}:nightly_job:1`, `${uuid}:nightly_job:2`, `${uuid}:3`]);
});
