import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { startMariadb, type MariadbServer } from "../../../test/support/mariadb-server.ts";
import { mysqlPrograms } from "../../../test/support/mysql-programs.ts";
import { type Authority, makeAuthority } from "../../../test/support/authority.ts";
import { temporaryFolder } from "../../../test/support/temp-folder.ts";
import { until } from "../../../test/support/until.ts";
import { isHoldfastError } from "../../lib/errors.ts";
import type { DatabaseSchema, DatabaseSnapshot, LoadedSums, TableRows, TableSchema } from "../database.ts";
import { followed } from "./log-server.ts";
import { mysqlEngine } from "./mysql.ts";
import { Session } from "./session.ts";
import { targetOf } from "./location.ts";
import { takeSnapshot } from "./snapshot.ts";

let server: MariadbServer;
let authority: Authority;
const folder = temporaryFolder();
before(async () => {
  authority = await makeAuthority(folder.path, "ours");
  const tls = [`--ssl-ca=${authority.root}`, `--ssl-cert=${authority.certificate}`, `--ssl-key=${authority.key}`];
  server = await startMariadb(["--log-bin=log", "--binlog-format=ROW", ...tls]);
});
after(async () => {
  await server[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const { signal } = new AbortController();
const address = (database: string) => ({ url: server.url(database) });
const { home } = mysqlEngine;
assert.ok(home.kind === "server");

const isMariadb = mysqlPrograms().flavour === "mariadb";

/** What the server calls the state of an event that sleeps. */
const asleep = isMariadb ? "SLAVESIDE_DISABLED" : "REPLICA_SIDE_DISABLED";

/** Programs of each kind, with bodies that hold what a script could stumble over. */
const crm = `
  ${isMariadb ? "CREATE SEQUENCE numbers START WITH 10;" : ""}
  CREATE TABLE account (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(50), no BIGINT DEFAULT ${isMariadb ? "nextval(numbers)" : "13"}) CHARACTER SET utf8mb4;
  CREATE TABLE contact (id INT PRIMARY KEY, account INT, name VARCHAR(50), seen INT DEFAULT 0,
    FOREIGN KEY (account) REFERENCES account(id) ON DELETE CASCADE) CHARACTER SET latin1;
  INSERT INTO account(name) VALUES ('a'),('b; -- c'),('客户');
  INSERT INTO contact(id,account,name) VALUES (1,1,'x'),(2,1,'é'),(3,NULL,NULL);
  CREATE VIEW a_second AS SELECT name FROM contact;
  CREATE OR REPLACE VIEW z_first AS SELECT id, name, no FROM account WHERE name <> ';';
  CREATE OR REPLACE VIEW a_second AS SELECT z_first.name, upper(contact.name) AS up FROM z_first JOIN contact ON contact.account = z_first.id;
  DELIMITER //
  CREATE TRIGGER stamp BEFORE INSERT ON crm.contact FOR EACH ROW BEGIN SET NEW.seen = 1; IF NEW.name = ';' THEN SET NEW.name = 'it''s "x"'; END IF; END//
  CREATE FUNCTION twice(a INT) RETURNS INT DETERMINISTIC BEGIN DECLARE b INT; SET b = a*2; RETURN b; END//
  CREATE PROCEDURE fill() BEGIN INSERT INTO account(name) VALUES ('called'); END//
  CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 03:00:00' DO BEGIN DELETE FROM contact WHERE id < 0; END//
  CREATE EVENT off ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 03:00:00' DISABLE DO DELETE FROM contact WHERE id < 0//
  DELIMITER ;
`;

/** Names of everything in a database, and the state of its events. */
function inventory(database: string): Promise<string> {
  return server.sql(`
    SELECT 'table', TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA='${database}' ORDER BY 2;
    SELECT 'trigger', TRIGGER_NAME, EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA='${database}' ORDER BY 2;
    SELECT 'routine', ROUTINE_NAME, ROUTINE_TYPE, SECURITY_TYPE, SQL_MODE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA='${database}' ORDER BY 2;
    SELECT 'event', EVENT_NAME, STATUS FROM information_schema.EVENTS WHERE EVENT_SCHEMA='${database}' ORDER BY 2;
    SELECT 'key', TABLE_NAME, COLUMN_NAME, REFERENCED_TABLE_SCHEMA='${database}', REFERENCED_TABLE_NAME FROM information_schema.KEY_COLUMN_USAGE
      WHERE TABLE_SCHEMA='${database}' AND REFERENCED_TABLE_NAME IS NOT NULL;`);
}

async function withSnapshot<T>(database: string, work: (snapshot: DatabaseSnapshot) => Promise<T>): Promise<T> {
  await using source = await mysqlEngine.connect(address(database), { signal });
  await using snapshot = await source.snapshot(signal);
  return await work(snapshot);
}

async function* rowsOf(snapshot: DatabaseSnapshot): AsyncGenerator<TableRows> {
  for (const table of snapshot.schema.tables) yield { table, batches: snapshot.reader(table).read({}, signal) };
}

async function copy(from: string, to: string): Promise<DatabaseSchema> {
  return withSnapshot(from, async (snapshot) => {
    await mysqlEngine.load(address(to), snapshot.schema, rowsOf(snapshot), { signal, grants: "skip" });
    return snapshot.schema;
  });
}

test("who only reads rows asks for no definitions", async () => {
  await server.sql(`CREATE DATABASE shapes; USE shapes; ${crm.replaceAll("crm.", "shapes.")}`);
  const whole = await withSnapshot("shapes", async ({ schema }) => schema);
  await using source = await mysqlEngine.connect(address("shapes"), { signal });
  const snapshot = await source.snapshot(signal, "rows");
  const { tables, before: statements, after: programs, grants, sequences } = snapshot.schema;
  await snapshot[Symbol.asyncDispose]();
  assert.deepEqual(tables, whole.tables);
  assert.deepEqual(
    { statements, programs, grants, sequences },
    { statements: [], programs: [], grants: [], sequences: [] },
  );
  assert.ok(whole.before.length >= whole.tables.length && whole.after.length > 0 && whole.sequences.length > 0);
  await server.sql("DROP DATABASE shapes");
});

test("everything in a database comes back, and works; events sleep until they are in their place", async () => {
  await server.sql(`CREATE DATABASE crm; USE crm; ${crm}`);
  const there = await inventory("crm");
  const schema = await copy("crm", "crm_copy");
  assert.deepEqual(schema.uncovered, []);
  assert.deepEqual(await inventory("crm_copy"), there.replace("nightly\tENABLED", `nightly\t${asleep}`));
  const used = await server.sql(
    `INSERT INTO contact(id,account,name) VALUES (9,1,';'); SELECT name, seen FROM contact WHERE id=9; CALL fill();
     SELECT twice(21); SELECT name FROM account ORDER BY id DESC LIMIT 1; SELECT no FROM account ORDER BY id DESC LIMIT 1;
     SELECT COUNT(*) FROM a_second;`,
    "crm_copy",
  );
  const [trigger, twice, called, number, view] = used.trim().split("\n");
  assert.deepEqual([trigger, twice, called, view], [`it's "x"\t1`, "42", "called", "3"]);
  assert.ok(Number(number) >= 13, `the sequence went on from ${number}`);
  assert.deepEqual(await mysqlEngine.check(address("crm_copy"), signal), { damage: [], orphans: [] });
  await server.sql("SET foreign_key_checks=0; UPDATE contact SET account=77 WHERE id=2", "crm_copy");
  assert.deepEqual((await mysqlEngine.check(address("crm_copy"), signal)).orphans, ["contact -> account: 1"]);
});

test("a restored database takes the live one's name; cut off anywhere, the same call finishes it", async () => {
  const made = home.beside(address("crm"), "0a1b", "new");
  const aside = home.beside(address("crm"), "0a1b", "old");
  await server.sql("DROP DATABASE IF EXISTS crm_copy");
  await withSnapshot("crm", async (snapshot) => {
    await mysqlEngine.load(made, snapshot.schema, rowsOf(snapshot), { signal, grants: "skip" });
  });
  const [live, copied] = [await home.identity(address("crm"), signal), await home.identity(made, signal)];
  assert.ok(live !== undefined && copied !== undefined && live !== copied);
  const there = await inventory("crm");
  /** Renames, cutting the connection a little later each time, until an attempt gets through. */
  const stubborn = async (from: { url: string }, to: { url: string }): Promise<number> => {
    const was = await home.identity(from, signal);
    for (let cuts = 0; ; cuts++) {
      const cut = new AbortController();
      const timer = setTimeout(() => cut.abort(), 5 + cuts * 4);
      try {
        await home.rename(from, to, cut.signal);
        assert.equal(await home.identity(to, signal), was);
        assert.equal(await home.identity(from, signal), undefined);
        return cuts;
      } catch (error) {
        assert.ok(isHoldfastError(error, "cancelled") || isHoldfastError(error, "target-in-use"), String(error));
        await wait(10); // the server notices that we are gone
        const source: string | undefined = await home.identity(from, signal);
        const target: string | undefined = await home.identity(to, signal);
        assert.ok(
          source === was ? target === undefined : source === undefined && target === was,
          `${source} ${target}`,
        );
        if (target === was) return cuts;
      } finally {
        clearTimeout(timer);
      }
    }
  };
  const cuts = (await stubborn(address("crm"), aside)) + (await stubborn(made, address("crm")));
  assert.ok(cuts > 2, `${cuts} cuts`);
  assert.equal(await home.identity(address("crm"), signal), copied);
  assert.equal(await inventory("crm"), there, "the copy is all that the original was, and its events are awake");
  assert.match(
    await inventory(decodeURIComponent(new URL(aside.url).pathname.slice(1))),
    new RegExp(`nightly\t${asleep}`),
  );
  assert.equal(await server.sql("SELECT COUNT(*) FROM a_second", "crm"), "2\n");

  // and back, as an undo does
  await home.rename(address("crm"), made, signal);
  await home.rename(aside, address("crm"), signal);
  assert.equal(await home.identity(address("crm"), signal), live);
  assert.equal(await inventory("crm"), there);
  await home.drop(made, signal);
  assert.equal(await home.identity(made, signal), undefined);
});

test("a view of what is not there is told, and holds up neither a restore, nor a change of names, nor the client", async () => {
  await server.sql(`CREATE DATABASE torn; USE torn; CREATE TABLE one (id INT PRIMARY KEY); CREATE TABLE two (id INT PRIMARY KEY);
    CREATE VIEW good AS SELECT id FROM one; CREATE VIEW bad AS SELECT id FROM two; CREATE VIEW worse AS SELECT id FROM bad;
    CREATE TRIGGER stamp BEFORE INSERT ON one FOR EACH ROW SET NEW.id = NEW.id + 1; DROP TABLE two`);
  const views = (name: string) =>
    server.sql(`SELECT TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA='${name}' ORDER BY 1;
      SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA='${name}'`);
  await withSnapshot("torn", async (snapshot) => {
    assert.deepEqual(
      snapshot.schema.uncovered,
      ["bad", "worse"].map((subject) => ({ subject, reason: "mysql-view" })),
    );
    const refused: string[] = [];
    const onRefused = (statement: string, reason: string) => refused.push(`${statement} ${reason}`);
    await mysqlEngine.load(address("torn_copy"), snapshot.schema, rowsOf(snapshot), { signal, onRefused });
    assert.match(refused.join("\n"), /`bad`.*torn_copy\.two.*\n.*`worse`.*torn_copy\.bad/);
    assert.equal(await views("torn_copy"), "good\nstamp\n");
    await server.sql("CREATE DATABASE torn_script");
    await server.sql(mysqlEngine.restoreScript(snapshot.schema, []), "torn_script");
    assert.equal(await views("torn_script"), "good\nstamp\n");
  });
  await home.rename(address("torn"), address("torn_moved"), signal);
  assert.equal(await views("torn_moved"), "good\nstamp\n");
  assert.equal(await home.identity(address("torn"), signal), undefined);
});

test("nobody's database is renamed under their hands", async () => {
  await using other = await Session.open(await targetOf(address("crm")), "crm", signal);
  await other.run("DO 0");
  const aside = home.beside(address("crm"), "ff", "old");
  await assert.rejects(home.rename(address("crm"), aside, signal), { code: "target-in-use" });
  assert.deepEqual(
    (await mysqlEngine.holders(address("crm"), signal)).map(({ command }) => command),
    ["root@localhost"],
  );
});

test("a change is seen, be it in the second that was looked in; that the server counts pages anew is none", async () => {
  await server.sql(`CREATE DATABASE counted; USE counted; CREATE TABLE a (id INT PRIMARY KEY, v TEXT);
    INSERT INTO a SELECT seq, REPEAT('x', 500) FROM seq_1_to_2000; ANALYZE TABLE a; DELETE FROM a WHERE id > 10`);
  const length = `SELECT DATA_LENGTH FROM information_schema.TABLES WHERE TABLE_SCHEMA='counted'`;
  const pages = await server.sql(length);
  const seen = await home.witness(address("counted"), signal);
  await server.sql("OPTIMIZE TABLE counted.a");
  const rebuilt = await home.witness(address("counted"), signal);
  assert.notEqual(rebuilt, seen);
  await server.sql("ANALYZE TABLE counted.a");
  assert.notEqual(await server.sql(length), pages);
  assert.equal(await home.witness(address("counted"), signal), rebuilt);
  await server.sql("UPDATE counted.a SET v = 'y' WHERE id = 1");
  assert.notEqual(await home.witness(address("counted"), signal), rebuilt);
});

test("all connections see one moment, which holds writers up for less than 50 ms", async () => {
  await server.sql(`CREATE DATABASE bank; USE bank;
    CREATE TABLE a (id INT PRIMARY KEY, v INT); CREATE TABLE b (id INT PRIMARY KEY, v INT);
    INSERT INTO a SELECT seq, 100 FROM seq_1_to_200; INSERT INTO b SELECT seq, 100 FROM seq_1_to_200;`);
  await using writer = await Session.open(await targetOf(address("bank")), "bank", signal);
  const stalls: number[] = [];
  let running = true;
  const writing = (async () => {
    for (let round = 0; running; round++) {
      const id = (round % 200) + 1;
      const started = performance.now();
      await writer.run("START TRANSACTION");
      await writer.run(`UPDATE a SET v=v-1 WHERE id=${id}`);
      await writer.run(`UPDATE b SET v=v+1 WHERE id=${id}`);
      await writer.run("COMMIT");
      stalls.push(performance.now() - started);
    }
  })();
  const total = async (snapshot: DatabaseSnapshot): Promise<number> => {
    const sums = await Promise.all(
      snapshot.schema.tables.map(async (table) => {
        let sum = 0;
        for await (const { lines } of snapshot.reader(table).read({}, signal)) {
          for (const line of lines.toString().trim().split("\n")) sum += Number(line.split("\t")[1]);
        }
        return sum;
      }),
    );
    return sums.reduce((one, other) => one + other, 0);
  };
  /** The longest transaction meanwhile; one that was held up is over then. */
  const worstWhile = async (work: () => Promise<unknown>): Promise<number> => {
    stalls.length = 0;
    await work();
    for (const done = stalls.length; stalls.length < done + 2;) await wait(1);
    return Math.max(...stalls);
  };
  const worst: number[] = [];
  const calm: number[] = [];
  try {
    for (let round = 0; round < 8; round++) {
      const started = performance.now();
      await using source = await mysqlEngine.connect(address("bank"), { signal, connections: 3 });
      let taken: DatabaseSnapshot | undefined;
      worst.push(await worstWhile(async () => (taken = await source.snapshot(signal))));
      const spent = performance.now() - started;
      calm.push(await worstWhile(() => wait(spent)));
      assert.ok(taken);
      await using snapshot = taken;
      assert.equal(await total(snapshot), 40_000);
      assert.match(snapshot.position, /file=log\.\d+ position=\d+ gtid=\S+ server=\d+ time=\S+Z/);
    }
  } finally {
    running = false;
    await writing;
  }
  // Other processes of the machine hold a writer up too, and us while nobody may commit: not in each round. What the
  // snapshot itself takes it takes in all of them, so the lower quarter tells.
  const low = (values: readonly number[]) => values.toSorted((x, y) => x - y)[2] ?? Infinity;
  const shown = (values: readonly number[]) => values.map((ms) => ms.toFixed(1)).join(", ");
  const message = `a writer was held up for ${shown(worst)} ms, and without a snapshot for ${shown(calm)} ms`;
  assert.ok(low(worst) < 50 + low(calm), message);
});

test("stretches are summed up by the server, whatever stands beside the key", async () => {
  await withSnapshot("bank", async (snapshot) => {
    const [table] = snapshot.schema.tables;
    assert.ok(table);
    const counts = async (only?: readonly number[]) => {
      const asked = { starts: ["50", "100", "150"], ...(only && { only }) };
      return (await snapshot.reader(table).sums?.(asked, "rows", signal))?.map(({ rows }) => rows);
    };
    // MySQL has no function for it: a few of them are read.
    assert.deepEqual(await counts(), isMariadb ? [49, 50, 50, 51] : undefined);
    assert.deepEqual(await counts([0, 2, 3]), [49, 50, 51]);
    // More than one statement asks for, by sessions that take turns: each stretch has what it has alone.
    const many = Array.from({ length: 180 }, (_, at) => String(at + 2));
    let pauses = 0;
    const pause = async () => void pauses++;
    const ask = async (only?: readonly number[]) =>
      await snapshot.reader(table).sums?.({ starts: many, ...(only && { only }), pause }, "rows", signal);
    const alone = await Promise.all(Array.from({ length: 181 }, async (_, at) => (await ask([at]))?.[0]));
    pauses = 0;
    assert.deepEqual(await ask(), isMariadb ? alone : undefined);
    assert.equal(pauses, isMariadb ? 4 : 0);
    // Two halves at once are all of it.
    const { sums } = snapshot.reader(table);
    const whole = await sums?.call(snapshot.reader(table), { starts: [] }, "rows", signal);
    assert.deepEqual(await sums?.call(snapshot.reader(table), { starts: [], middle: "77" }, "rows", signal), whole);
    assert.equal(whole?.[0]?.rows, isMariadb ? 200 : undefined);
  });
});

test("how busy a server is: statements of others, not ours, and how long a real piece of work takes it", async () => {
  await server.sql("CREATE DATABASE busy");
  await using source = await mysqlEngine.connect(address("busy"), { signal });
  const first = await source.load?.(signal);
  await using session = await Session.open(await targetOf(address("busy")), "busy", signal);
  for (let count = 0; count < 50; count++) await session.run("DO 1");
  const ours = await source.load?.(signal);
  await server.sql("DO 1;".repeat(50));
  const theirs = await source.load?.(signal);
  assert.ok(first && ours && theirs);
  assert.ok(ours.others - first.others < 5, `${ours.others - first.others} of 50 counted`);
  assert.ok(theirs.others - ours.others >= 50, `${theirs.others - ours.others} of 50 counted`);
  assert.ok(ours.answerMs > 0.3, `${ours.answerMs} ms`);

  // Who only watches must not end what is read: its session may be ended, or be one too many.
  const killed = await server.sql(
    "SELECT CONCAT('KILL ', ID, ';') FROM information_schema.PROCESSLIST WHERE DB='busy'",
  );
  await server.sql(killed);
  assert.equal(await source.load?.(signal), undefined);
  assert.ok(await source.load?.(signal), "it is asked again");
});

test("a user without rights: what cannot be seen is named, and the printed SQL gives what is missing", async () => {
  await server.sql("CREATE USER poor@localhost IDENTIFIED BY 'pw'; GRANT SELECT ON crm.* TO poor@localhost");
  const poor = { url: server.url("crm").replace("root@", "poor@"), password: "pw" };
  await using source = await mysqlEngine.connect(poor, { signal });
  const rights = await source.rights?.(signal);
  // MariaDB has a right to see routines of its own from 11.3 on; before, their bodies stand in a table.
  const hasOwn = /^Show Create Routine\t/im.test(await server.sql("SHOW PRIVILEGES"));
  const serverRights = isMariadb
    ? ["BINLOG MONITOR", hasOwn ? "SHOW CREATE ROUTINE" : "SELECT"]
    : ["REPLICATION CLIENT", "SHOW_ROUTINE"];
  assert.deepEqual(
    rights?.missing.map(({ right }) => right),
    ["SHOW VIEW", "TRIGGER", "EVENT", "RELOAD", ...serverRights, "SELECT", "SELECT", "SELECT", "SELECT"],
  );
  const { uncovered } = await source.inspect(signal);
  for (const subject of ["a_second", "z_first", "triggers", "events"]) {
    assert.ok(
      uncovered.some((one) => one.subject === subject && one.reason === "mysql-no-right"),
      subject,
    );
  }
  // One connection sees one moment without a lock.
  await using snapshot = await source.snapshot(signal);
  assert.equal(snapshot.schema.tables.length, 2);

  await server.sql((rights?.script ?? "").replaceAll("CHOOSE A PASSWORD", "pw"));
  const holdfast = { url: poor.url.replace("poor@", "holdfast@"), password: "pw" };
  await using whole = await mysqlEngine.connect(holdfast, { signal });
  assert.deepEqual((await whole.rights?.(signal))?.missing, []);
  assert.deepEqual((await whole.inspect(signal)).uncovered, []);
  // As this SQL made a user before it said who may what.
  await server.sql("REVOKE SELECT ON mysql.db FROM holdfast@localhost");
  {
    await using blind = await mysqlEngine.connect(holdfast, { signal });
    assert.deepEqual((await blind.rights?.(signal))?.missing, [{ subject: "mysql.db", right: "SELECT" }]);
    assert.deepEqual((await blind.inspect(signal)).uncovered, [
      { subject: "rights of others", reason: "mysql-no-right" },
    ]);
  }
  await server.sql((rights?.script ?? "").replaceAll("CHOOSE A PASSWORD", "pw"));
  await using asRoot = await mysqlEngine.connect(address("crm"), { signal });
  await server.sql(
    `GRANT SELECT, UPDATE (name) ON crm.contact TO poor@localhost WITH GRANT OPTION; GRANT CREATE TEMPORARY TABLES ON crm.* TO poor@localhost`,
  );
  const [seen, all] = [await whole.inspect(signal), await asRoot.inspect(signal)];
  assert.deepEqual([seen.after, seen.grants], [all.after, all.grants]);
  const ofPoor = seen.grants?.filter((grant) => grant.includes("'poor'"));
  assert.deepEqual(ofPoor, [
    "GRANT SELECT, CREATE TEMPORARY TABLES ON * TO 'poor'@'localhost'",
    "GRANT SELECT ON `contact` TO 'poor'@'localhost' WITH GRANT OPTION",
    "GRANT UPDATE (`name`) ON `contact` TO 'poor'@'localhost'",
  ]);
  // A name as tools write it in a grant, and one that is for more than this database.
  await server.sql(
    "CREATE DATABASE under_score; GRANT SELECT ON `under\\_score`.* TO poor@localhost; GRANT INSERT ON `under%`.* TO poor@localhost",
  );
  await using underScore = await mysqlEngine.connect(address("under_score"), { signal });
  assert.deepEqual((await underScore.inspect(signal)).grants, ["GRANT SELECT ON * TO 'poor'@'localhost'"]);
});

test("failures have names, and no passwords", async () => {
  const fails = async (url: string, code: string, password?: string) => {
    await assert.rejects(
      mysqlEngine.connect({ url, ...(password !== undefined && { password }) }, { signal }),
      (error: Error & { code: string }) => {
        assert.equal(error.code, code);
        assert.doesNotMatch(error.message, /s3cret/);
        return true;
      },
    );
  };
  const none = "defaults-file=/nowhere";
  await fails(`mariadb://poor:s3cret@127.0.0.1:${server.port}/crm?${none}`, "database-login");
  await fails(server.url("crm").replace("root@", "poor@"), "database-login", "s3cret");
  await fails(server.url("nothing"), "database-missing");
  await fails(`mariadb://root@127.0.0.1:1/crm?${none}`, "database-unreachable");
  await fails(`mariadb://root@localhost/crm?socket=/nowhere&${none}`, "database-unreachable");
  await fails("mariadb://root:s3cret@localhost", "database-unsupported");
  await fails(server.url("mysql").replace("root@", "poor@"), "database-rights", "pw");
});

test("TLS as the modes mean it, and a whole copy through it alone", async () => {
  await server.sql(`CREATE USER sealed@localhost IDENTIFIED BY 'pw' REQUIRE SSL; GRANT ALL ON *.* TO sealed@localhost;
    CREATE USER sealed@'127.0.0.1' IDENTIFIED BY 'pw' REQUIRE SSL; GRANT ALL ON *.* TO sealed@'127.0.0.1'`);
  const { root: others } = await makeAuthority(folder.path, "others");
  const at = (host: string, query: string, name = "crm") => ({
    url: `mariadb://sealed@${host}:${server.port}/${name}?defaults-file=/nowhere&${query}`,
    password: "pw",
  });
  const own = `ssl-mode=verify-identity&ssl-ca=${authority.root}`;
  for (const [host, query] of [
    ["127.0.0.1", "ssl-mode=required"],
    ["127.0.0.1", `ssl-mode=verify-ca&ssl-ca=${authority.root}`],
    ["localhost", own],
  ] as const) {
    await using _source = await mysqlEngine.connect(at(host, query), { signal });
  }
  await assert.rejects(mysqlEngine.connect(at("localhost", "ssl-mode=disabled"), { signal }), {
    code: "database-login",
  });
  for (const [host, query] of [
    ["127.0.0.1", own],
    ["localhost", "ssl-mode=verify-identity"],
    ["localhost", `ssl-mode=verify-identity&ssl-ca=${others}`],
    ["localhost", `ssl-mode=verify-ca&ssl-ca=${others}`],
    ["localhost", "ssl-mode=verify-ca&ssl-ca=/nowhere.pem"],
  ] as const) {
    await assert.rejects(mysqlEngine.connect(at(host, query), { signal }), (error) => {
      assert.ok(isHoldfastError(error, "database-unreachable"), `${query}: ${String(error)}`);
      assert.match(String(error.facts["reason"]), /^[^\n]*(certificate|altnames|nowhere\.pem)[^\n]*$/i);
      return true;
    });
  }
  await using source = await mysqlEngine.connect(at("localhost", own), { signal });
  await using snapshot = await source.snapshot(signal);
  await mysqlEngine.load(at("localhost", own, "through"), snapshot.schema, rowsOf(snapshot), { signal });
  const rows = "SELECT * FROM account ORDER BY id; SELECT * FROM contact ORDER BY id";
  assert.equal(await server.sql(rows, "through"), await server.sql(rows, "crm"));
});

test("definers and rights: as they were, those that this user cannot give told, or all to whoever restores", async () => {
  await server.sql(`CREATE DATABASE owned; CREATE USER owner@localhost, reader@localhost IDENTIFIED BY 'pw';
    GRANT ALL ON owned.* TO owner@localhost; GRANT SELECT ON owned.* TO reader@localhost;
    CREATE USER restorer@localhost IDENTIFIED BY 'pw'; GRANT ALL ON \`owned\\_%\`.* TO restorer@localhost; GRANT RELOAD, PROCESS ON *.* TO restorer@localhost;
    USE owned;
    CREATE TABLE one (id INT PRIMARY KEY, n INT);
    CREATE DEFINER=owner@localhost VIEW shown AS SELECT id FROM one;
    CREATE DEFINER=owner@localhost TRIGGER stamp BEFORE INSERT ON one FOR EACH ROW SET NEW.n = 7;
    CREATE DEFINER=owner@localhost PROCEDURE add_one(i INT) INSERT INTO one(id) VALUES (i);
    CREATE DEFINER=owner@localhost FUNCTION half(a INT) RETURNS INT DETERMINISTIC RETURN a / 2;
    CREATE DEFINER=owner@localhost EVENT often ON SCHEDULE EVERY 1 YEAR DO DELETE FROM one WHERE id < 0;
    GRANT UPDATE, INSERT (id) ON one TO reader@localhost; GRANT EXECUTE ON PROCEDURE add_one TO reader@localhost`);
  const definers = async (name: string) =>
    (
      await server.sql(`SELECT DEFINER FROM information_schema.VIEWS WHERE TABLE_SCHEMA='${name}'
        UNION ALL SELECT DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA='${name}'
        UNION ALL SELECT DEFINER FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA='${name}'
        UNION ALL SELECT DEFINER FROM information_schema.EVENTS WHERE EVENT_SCHEMA='${name}'`)
    )
      .trim()
      .split("\n");
  const rights = (name: string) =>
    server.sql(`SELECT GRANTEE, PRIVILEGE_TYPE FROM information_schema.SCHEMA_PRIVILEGES WHERE TABLE_SCHEMA='${name}' AND GRANTEE LIKE "'reader%"
      UNION ALL SELECT GRANTEE, PRIVILEGE_TYPE FROM information_schema.TABLE_PRIVILEGES WHERE TABLE_SCHEMA='${name}'
      UNION ALL SELECT GRANTEE, CONCAT(PRIVILEGE_TYPE, COLUMN_NAME) FROM information_schema.COLUMN_PRIVILEGES WHERE TABLE_SCHEMA='${name}'
      UNION ALL SELECT User, CONCAT(Routine_name, Proc_priv) FROM mysql.procs_priv WHERE Db='${name}'`);
  const works = (name: string) => server.sql("CALL add_one(5); SELECT n, half(n) FROM one; SELECT id FROM shown", name);
  const made = async (name: string, user: string, grants: "restore" | "skip") => {
    const refused: string[] = [];
    const place = { url: server.url(name).replace("root@", `${user}@`), ...(user !== "root" && { password: "pw" }) };
    await withSnapshot("owned", (snapshot) =>
      mysqlEngine.load(place, snapshot.schema, rowsOf(snapshot), {
        signal,
        grants,
        onRefused: (statement) => refused.push(statement),
      }),
    );
    return refused;
  };
  const all = (user: string) => Array.from({ length: 5 }, () => `${user}@localhost`);

  assert.deepEqual(await made("owned_a", "root", "restore"), []);
  assert.deepEqual(await definers("owned_a"), all("owner"));
  assert.equal(await rights("owned_a"), await rights("owned"));
  assert.deepEqual(await made("owned_b", "root", "skip"), []);
  assert.deepEqual([await definers("owned_b"), await rights("owned_b")], [all("root"), ""]);
  assert.equal(await works("owned_b"), "7\t4\n5\n");

  // A user who may not speak for others: everything is there and works, and each owner and right that is not is told.
  await assert.rejects(made("owned_c", "restorer", "restore"), { code: "database-rights" });
  await server.sql("SET GLOBAL log_bin_trust_function_creators=1");
  const refused = await made("owned_c", "restorer", "restore");
  assert.equal(refused.filter((statement) => /DEFINER/.test(statement)).length, 5, refused.join("\n"));
  assert.equal(refused.filter((statement) => statement.startsWith("GRANT")).length, refused.length - 5);
  assert.deepEqual([await definers("owned_c"), await rights("owned_c")], [all("restorer"), ""]);
  assert.equal(await works("owned_c"), "7\t4\n5\n");
});

test("an event sleeps in a copy, whatever its definer is called", async () => {
  await server.sql("CREATE DATABASE named; CREATE TABLE named.t (id INT PRIMARY KEY); CREATE USER `a user`@localhost");
  await server.sql("CREATE DEFINER=`a user`@localhost EVENT often ON SCHEDULE EVERY 1 YEAR DO DELETE FROM t", "named");
  await copy("named", "named_copy");
  assert.equal((await inventory("named_copy")).trim().split("\n").at(-1), `event\toften\t${asleep}`);
});

test("a remark at the end of a routine does not keep the client from making what comes after it", async () => {
  await server.sql("CREATE DATABASE remarks");
  await using session = await Session.open(await targetOf(address("remarks")), "remarks", signal);
  // Its own client would leave the remark out.
  for (const name of ["first", "second"]) await session.run(`CREATE PROCEDURE ${name}() SELECT 1 -- a remark`);
  await withSnapshot("remarks", async ({ schema }) => {
    assert.match(schema.after.join("\n"), /-- a remark$/);
    await server.sql("CREATE DATABASE remarks_script");
    await server.sql(mysqlEngine.restoreScript(schema, []), "remarks_script");
  });
  assert.equal(await inventory("remarks_script"), await inventory("remarks"));
});

test("a database is told from another one of the same tables, in whatever letters its name is", async () => {
  const identities = new Set<string | undefined>();
  // MySQL tells nobody how it writes letters with accents, and those of other alphabets than Chinese.
  const names = ["crm-1", "crm-2", "客户_", "plain", ...(isMariadb ? ["kündin-1", "kündin-2", "клиент"] : [])];
  for (const name of names) {
    await server.sql(`CREATE DATABASE \`${name}\`; CREATE TABLE \`${name}\`.t (id INT PRIMARY KEY)`);
    const identity = await home.identity(address(name), signal);
    assert.match(identity ?? "", /^innodb \d+$/, name);
    identities.add(identity);
  }
  assert.equal(identities.size, names.length);
});

test("what is no field of a line never gets out of its literal", () => {
  const columns = [
    { name: "id", type: "int(11)", nullable: false },
    { name: "text", type: "varchar(20) character set utf8mb4 collate utf8mb4_bin", nullable: true },
    { name: "bytes", type: "varbinary(20)", nullable: true },
  ];
  const table = { schema: "main", name: "t", columns, keyLength: 1, foreignKeys: [], fingerprint: "" };
  const sql = (text: string, bytes: string): string => mysqlEngine.rowSql(table, undefined, `1\t${text}\t${bytes}`);
  assert.match(sql("it's", "00fF"), / VALUES \('1', 'it''s', X'00fF'\)$/);
  const malformed: readonly (readonly [string, string])[] = [
    ["x\\", "00"],
    ["x\\\\\\", "00"],
    ["x\\ ", "00"],
    ["x", "0"],
    ["x", "00'); DROP TABLE t; --"],
  ];
  for (const [text, bytes] of malformed) assert.throws(() => sql(text, bytes), { code: "restore-mismatch" }, text);
});

test("a row's change is the same statement in any mode of SQL", async () => {
  const made = `(id INT PRIMARY KEY, x TEXT, kind ENUM('a','it''s','b\\\\c'), g VARCHAR(20) CHARACTER SET gbk) CHARACTER SET utf8mb4`;
  await server.sql(`CREATE DATABASE modes; CREATE TABLE modes.t ${made}; CREATE DATABASE other_modes`);
  await using session = await Session.open(await targetOf(address("modes")), "modes", signal);
  await session.run("INSERT INTO t VALUES (1, 'it''s \\\\ \\n\\t\\0 客户', 'it''s', '客户')");
  await session.run("INSERT INTO t VALUES (2, '\\\\''; DROP TABLE t; -- ', 'b\\\\c', NULL), (3, '\\\\N', 0, '')");
  await withSnapshot("modes", async (snapshot) => {
    const [table] = snapshot.schema.tables;
    assert.ok(table);
    const lines: string[] = [];
    for await (const batch of snapshot.reader(table).read({}, signal)) {
      lines.push(...batch.lines.toString("latin1").split("\n").slice(0, -1));
    }
    const inserts = lines.map((line) => `${mysqlEngine.rowSql(table, undefined, line)};`).join("\n");
    for (const mode of ["", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES"]) {
      await server.sql(
        `DROP TABLE IF EXISTS t; CREATE TABLE t ${made}; SET sql_mode='${mode}';\n${inserts}`,
        "other_modes",
      );
      const all = "SELECT id, HEX(x), kind + 0, HEX(g) FROM t ORDER BY id";
      assert.equal(await server.sql(all, "other_modes"), await server.sql(all, "modes"), mode);
    }
  });
});

test("a table that somebody else has locked is waited for, and that is told", async () => {
  await server.sql("CREATE DATABASE locked; CREATE TABLE locked.contact (id integer PRIMARY KEY)");
  const other = await Session.open(await targetOf(address("locked")), "locked", signal);
  await other.run("LOCK TABLES contact WRITE");
  const told = Promise.withResolvers<object>();
  await using source = await mysqlEngine.connect(address("locked"), { signal, onWait: told.resolve });
  const taking = source.snapshot(signal);
  const first = await Promise.race([told.promise, taking.then(() => "not waited for")]);
  await other[Symbol.asyncDispose]();
  await using _snapshot = await taking;
  assert.deepEqual(first, {
    subject: "locked.contact",
    reason: isMariadb ? "Waiting for backup lock" : "Waiting for table flush",
  });
});

test("a table that stays locked is named, and nobody locks one that is being read", async () => {
  const target = await targetOf(address("locked"));
  await using other = await Session.open(target, "locked", signal);
  await other.run("LOCK TABLES contact WRITE");
  await assert.rejects(
    takeSnapshot({
      target,
      connections: 1,
      onWait: undefined,
      signal,
      what: undefined,
      unread: [],
      lockWaitSeconds: 1,
    }),
    (error) => isHoldfastError(error, "database-busy") && error.facts["subject"] === "locked.contact",
  );
  await other.run("UNLOCK TABLES");
  await using source = await mysqlEngine.connect(address("locked"), { signal });
  await using snapshot = await source.snapshot(signal);
  await other.run("SET SESSION lock_wait_timeout=1");
  await assert.rejects(other.run("LOCK TABLES contact WRITE"), { code: "database-busy" });
  for (const table of snapshot.schema.tables) for await (const _ of snapshot.reader(table).read({}, signal));
});

test("whoever empties a table whose rows nobody reads does not wait for a backup", async () => {
  await server.sql(
    `CREATE DATABASE cached; USE cached; CREATE TABLE cache (id INT PRIMARY KEY); CREATE TABLE note (id INT PRIMARY KEY)`,
  );
  await using source = await mysqlEngine.connect(address("cached"), { signal, unread: ["cache"] });
  await using snapshot = await source.snapshot(signal);
  await server.sql("SET SESSION lock_wait_timeout=1; TRUNCATE cache; ALTER TABLE cache ADD COLUMN v INT", "cached");
  assert.deepEqual(
    snapshot.schema.tables.map(({ name }) => name),
    ["cache", "note"],
  );
});

test("whoever alters or empties a table waits for a backup that reads it, and no session of the backup for him", async () => {
  await server.sql(`CREATE DATABASE altered; USE altered; CREATE TABLE log (id INT PRIMARY KEY, t VARCHAR(200));
    CREATE TABLE note (id INT PRIMARY KEY); INSERT INTO log SELECT seq, REPEAT('x', 100) FROM seq_1_to_2000; INSERT INTO note VALUES (1)`);
  await using source = await mysqlEngine.connect(address("altered"), { signal, connections: 2 });
  const waiting: Promise<string>[] = [];
  {
    await using snapshot = await source.snapshot(signal);
    for (const sql of ["TRUNCATE log", "ALTER TABLE note ADD COLUMN v INT"]) {
      const done = server.sql(sql, "altered");
      done.catch(() => {});
      waiting.push(done);
    }
    const state = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for table metadata%'";
    await until(async () => (await server.sql(state)).trim() === "2", 20_000);
    const since = performance.now();
    // By each of its sessions: the rows by those that read, the stretch by the one that asks.
    for (const { name } of snapshot.schema.tables) {
      const table = snapshot.schema.tables.find((one) => one.name === name);
      assert.ok(table);
      const reader = snapshot.reader(table);
      const count = async (): Promise<number> => {
        let rows = 0;
        for await (const batch of reader.read({}, signal)) rows += batch.rows;
        return rows;
      };
      const counts = await Promise.all([count(), count()]);
      assert.deepEqual(counts, name === "log" ? [2000, 2000] : [1, 1]);
      assert.equal((await reader.sums?.({ starts: [], only: [0] }, "rows", signal))?.[0]?.rows, counts[0]);
    }
    assert.ok(performance.now() - since < 20_000);
  }
  await Promise.all(waiting);
  assert.equal(await server.sql("SELECT COUNT(*) FROM log; SELECT v IS NULL FROM note", "altered"), "0\n1\n");
});

test("tables that are altered and emptied all the time: each moment is whole", async () => {
  await server.sql(
    "CREATE DATABASE restless; CREATE TABLE restless.a (id INT PRIMARY KEY); CREATE TABLE restless.b (id INT PRIMARY KEY)",
  );
  const over = new AbortController();
  const restless = async (table: string): Promise<void> => {
    await using session = await Session.open(await targetOf(address("restless")), "restless", signal);
    for (let count = 0; !over.signal.aborted; count++) {
      await session.run(`ALTER TABLE ${table} ${count % 2 === 0 ? "ADD COLUMN v INT FIRST" : "DROP COLUMN v"}`);
      await session.run(`TRUNCATE ${table}`);
      await session.run(`INSERT INTO ${table} (id) VALUES (1)`);
    }
  };
  const others = Promise.all([restless("a"), restless("b")]);
  others.catch(() => {});
  try {
    await using source = await mysqlEngine.connect(address("restless"), { signal, connections: 2 });
    for (let count = 0; count < 8; count++) {
      await using snapshot = await source.snapshot(signal);
      for (const table of snapshot.schema.tables) {
        for await (const batch of snapshot.reader(table).read({}, signal)) {
          assert.equal(batch.lines.toString().split("\t").length, table.columns.length, table.name);
        }
      }
    }
  } finally {
    over.abort();
  }
  await others;
});

test("a load that is cut off leaves nothing behind, and one onto a database that is there is refused", async () => {
  await withSnapshot("bank", async (snapshot) => {
    const cut = new AbortController();
    const rowsThen = async function* (work: () => Promise<void>): AsyncGenerator<TableRows> {
      for await (const { table, batches } of rowsOf(snapshot)) {
        yield {
          table,
          batches: (async function* () {
            yield* batches;
            await work();
            yield { lines: Buffer.from("999\t1\n"), rows: 1 };
          })(),
        };
      }
    };
    const slowly = async (): Promise<void> => {
      cut.abort();
      await wait(50);
    };
    const options = { signal: cut.signal, grants: "skip" } as const;
    await assert.rejects(mysqlEngine.load(address("half"), snapshot.schema, rowsThen(slowly), options), {
      code: "cancelled",
    });
    assert.equal(await home.identity(address("half"), signal), undefined);
    assert.equal(await server.sql("SHOW DATABASES LIKE 'half'"), "");
    // What somebody made to be filled is there, and empty, as he made it.
    await server.sql("CREATE DATABASE half CHARACTER SET latin1 COLLATE latin1_german2_ci");
    const made = await server.sql("SHOW CREATE DATABASE half");
    const torn = rowsThen(() => Promise.reject(new Error("torn")));
    await assert.rejects(mysqlEngine.load(address("half"), snapshot.schema, torn, { signal, grants: "skip" }));
    assert.equal(await server.sql("SHOW CREATE DATABASE half"), made);
    assert.equal(await server.sql("SHOW TABLES", "half"), "");
    const onto = mysqlEngine.load(address("bank"), snapshot.schema, rowsOf(snapshot), { signal, grants: "skip" });
    await assert.rejects(onto, { code: "target-not-empty" });
    assert.equal(await server.sql("SELECT SUM(v) FROM a", "bank").then((sum) => Number(sum) > 0), true);
  });
});

test("a large table whose rows come in small pieces is loaded without its indexes, summed up beside their making, and has them afterwards", async () => {
  await server.sql(`CREATE DATABASE many; USE many;
    CREATE TABLE party (id INT PRIMARY KEY, name VARCHAR(100), kind INT, KEY by_name (name), KEY (kind));
    INSERT INTO party SELECT seq, REPEAT(MD5(seq), 3), seq % 7 FROM seq_1_to_9000`);
  const altered = async () => Number((await server.sql("SHOW GLOBAL STATUS LIKE 'Com_alter_table'")).split("\t")[1]);
  const alteredBefore = await altered();
  await withSnapshot("many", async (snapshot) => {
    const [table] = snapshot.schema.tables;
    assert.ok(table);
    const batches = snapshot.reader(table).read({}, signal, 30_000);
    const rows = async function* (): AsyncGenerator<TableRows> {
      yield { table, batches };
    };
    const told: (readonly [TableSchema, LoadedSums])[] = [];
    const onSums = (...one: readonly [TableSchema, LoadedSums]) => void told.push(one);
    await mysqlEngine.load(address("many_again"), snapshot.schema, rows(), { signal, onSums });
    const [sums] = (await snapshot.reader(table).sums?.({ starts: [] }, "rows", signal)) ?? [];
    // MySQL has no function for one half of the hash.
    assert.deepEqual(told, sums ? [[table, { rows: 9000, rowSum: sums.rowSum }]] : []);
    assert.equal(sums !== undefined, server.flavour === "mariadb");
  });
  assert.equal((await altered()) - alteredBefore, 2, "one statement takes them away, one makes them again");
  const shown = (database: string) =>
    server.sql(`SHOW CREATE TABLE ${database}.party; CHECKSUM TABLE ${database}.party`);
  assert.equal((await shown("many_again")).replaceAll("many_again", "many"), await shown("many"));
});

test("a table larger than a piece is loaded in several transactions, as rows or as statements, and is what it was", async () => {
  await server.sql(`CREATE DATABASE pieces; USE pieces;
    CREATE TABLE party (id INT PRIMARY KEY AUTO_INCREMENT, name MEDIUMTEXT, kind INT, UNIQUE KEY (name(40)), KEY (kind));
    INSERT INTO party SELECT seq, CONCAT(seq, REPEAT(MD5(seq), IF(seq % 3000 = 1, 20000, 55))), seq % 7 FROM seq_1_to_9000;
    CREATE TABLE other (id INT PRIMARY KEY) SELECT seq AS id FROM seq_1_to_10`);
  const setting = (await server.sql("SELECT @@global.local_infile")).trim();
  const counted = async (name: string) =>
    Number((await server.sql(`SHOW GLOBAL STATUS LIKE '${name}'`)).split("\t")[1]);
  const digest = (database: string) =>
    server.sql(`USE ${database}; SHOW CREATE TABLE party; CHECKSUM TABLE party, other`);
  for (const localFiles of [0, 1]) {
    await server.sql(`SET GLOBAL local_infile=${localFiles}`);
    const countBefore = await counted(localFiles === 1 ? "Com_load" : "Com_commit");
    await copy("pieces", "pieces_again");
    const loads = (await counted(localFiles === 1 ? "Com_load" : "Com_commit")) - countBefore;
    assert.equal(loads, 4, "three pieces of the large table, and the small one");
    assert.equal((await digest("pieces_again")).replaceAll("pieces_again", "pieces"), await digest("pieces"));
    await server.sql("DROP DATABASE pieces_again");
  }
  await server.sql(`SET GLOBAL local_infile=${setting}`);
});

test("a large table is summed up in two halves, whatever the server's order of its keys, and each table is checked once", async () => {
  // By bytes, keys with umlauts and capitals ascend otherwise than in their collation; rows of the last one do not lie in the order of its first column.
  await server.sql(`CREATE DATABASE halves CHARACTER SET utf8mb4; USE halves;
    CREATE TABLE numbers (id BIGINT PRIMARY KEY, name TEXT, kind INT, KEY (kind));
    INSERT INTO numbers SELECT CAST(seq AS SIGNED) * 7 - 9000, REPEAT(MD5(seq), 50), seq % 7 FROM seq_1_to_6000;
    CREATE TABLE names (name VARCHAR(40) COLLATE utf8mb4_unicode_ci, no INT, more TEXT, kind INT, PRIMARY KEY (name, no), KEY (kind));
    INSERT INTO names SELECT CONCAT(ELT(1 + seq % 5, 'a', 'É', 'e', 'Z', ''''), seq % 900), seq, REPEAT(MD5(seq), 50), seq FROM seq_1_to_6000;
    CREATE TABLE hexes (id BINARY(16) PRIMARY KEY, more TEXT, kind INT, KEY (kind));
    INSERT INTO hexes SELECT UNHEX(MD5(seq)), REPEAT(MD5(seq), 50), seq FROM seq_1_to_6000;
    CREATE TABLE others (more TEXT, id INT NOT NULL, kind INT, UNIQUE KEY (id), KEY (kind));
    INSERT INTO others SELECT REPEAT(MD5(seq), 50), seq, seq FROM seq_1_to_6000`);
  const checked = async () => Number((await server.sql("SHOW GLOBAL STATUS LIKE 'Com_check'")).split("\t")[1]);
  const checkedBefore = await checked();
  const told = new Map<string, LoadedSums>();
  const onSums = ({ name }: TableSchema, sums: LoadedSums) => void told.set(name, sums);
  await withSnapshot("halves", async (snapshot) => {
    await mysqlEngine.load(address("halves_again"), snapshot.schema, rowsOf(snapshot), { signal, onSums });
    for (const table of snapshot.schema.tables) {
      const [sums] = (await snapshot.reader(table).sums?.({ starts: [] }, "rows", signal)) ?? [];
      assert.deepEqual(told.get(table.name), sums && { rows: 6000, rowSum: sums.rowSum }, table.name);
    }
  });
  assert.equal((await checked()) - checkedBefore, 4);
  assert.deepEqual(await mysqlEngine.check(address("halves_again"), signal, "loaded"), { damage: [], orphans: [] });
  assert.equal((await checked()) - checkedBefore, 4, "not again after it was loaded");
  assert.deepEqual(await mysqlEngine.check(address("halves_again"), signal), { damage: [], orphans: [] });
  assert.equal((await checked()) - checkedBefore, 8);
});

test("rows of several stretches are written as all of them are", async () => {
  await server.sql(`CREATE DATABASE stretches; USE stretches; CREATE TABLE one (a INT(6) ZEROFILL, b VARCHAR(9), f FLOAT, d DECIMAL(8,3) ZEROFILL, PRIMARY KEY (a, b));
    INSERT INTO one SELECT seq DIV 10, CHAR(97 + seq % 10), seq / 7, seq / 3 FROM seq_1_to_400`);
  await withSnapshot("stretches", async (snapshot) => {
    const [table] = snapshot.schema.tables;
    assert.ok(table);
    const reader = snapshot.reader(table);
    assert.ok(reader.rowsIn);
    const linesOf = async (batches: AsyncIterable<{ readonly lines: Buffer }>) => {
      const found: string[] = [];
      for await (const { lines } of batches) found.push(...lines.toString("latin1").split("\n").slice(0, -1));
      return found;
    };
    const all = await linesOf(reader.read({}, signal));
    const starts = Array.from({ length: 39 }, (_, at) => `${String(at + 1).padStart(6, "0")}\tc`);
    const keyOf = (line: string) => line.split("\t", 2).join("\t");
    const inside = (line: string) => {
      const [a, b = ""] = line.split("\t");
      const at = Number(a);
      return at === 0 || (at === 1 && b < "c") || (at === 8 && b >= "c") || (at === 9 && b < "c");
    };
    assert.deepEqual(
      (await linesOf(reader.rowsIn({ starts, only: [0, 8] }, "rows", signal))).toSorted(),
      all.filter(inside),
    );
    assert.deepEqual((await linesOf(reader.rowsIn({ starts }, "rows", signal))).toSorted(), all);
    assert.deepEqual((await linesOf(reader.rowsIn({ starts }, "keys", signal))).toSorted(), all.map(keyOf));
    assert.deepEqual((await linesOf(reader.rowsIn({ starts: [] }, "rows", signal))).toSorted(), all);
  });
});

test("rows that are not what was stored are noticed: a value that the column cannot hold", async () => {
  await withSnapshot("bank", async (snapshot) => {
    const wrong = async function* (): AsyncGenerator<TableRows> {
      for (const table of snapshot.schema.tables) {
        const batch = { lines: Buffer.from("1\t5\n1\t6\n"), rows: 2 };
        yield {
          table,
          batches: (async function* () {
            yield batch;
          })(),
        };
      }
    };
    const setting = (await server.sql("SELECT @@global.local_infile")).trim();
    for (const localFiles of [0, 1]) {
      await server.sql(`SET GLOBAL local_infile=${localFiles}`);
      const loaded = mysqlEngine.load(address("wrong"), snapshot.schema, wrong(), { signal, grants: "skip" });
      await assert.rejects(loaded, { code: "restore-mismatch" });
      assert.equal(await server.sql("SHOW DATABASES LIKE 'wrong'"), "");
    }
    await server.sql(`SET GLOBAL local_infile=${setting}`);
  });
});

test("a connection that is lost in the middle ends in one error", async () => {
  await using source = await mysqlEngine.connect(address("bank"), { signal });
  await using snapshot = await source.snapshot(signal);
  await server.kill();
  const [table] = snapshot.schema.tables;
  assert.ok(table);
  await assert.rejects(
    async () => {
      for await (const _ of snapshot.reader(table).read({}, signal));
    },
    { code: "database-unreachable" },
  );
  await server.start();
});

test("which of the tables have UUIDs that are kept otherwise is asked for all of them together", async (context) => {
  if (!isMariadb) return context.skip("MySQL has no such columns");
  const asked = async (database: string, tables: number): Promise<number> => {
    await server.sql(`CREATE DATABASE ${database}`);
    const made = Array.from({ length: tables }, (_, at) => `CREATE TABLE t${at} (id UUID PRIMARY KEY, other UUID);`);
    await server.sql(`${made.join("")} CREATE TABLE plain (id INT PRIMARY KEY)`, database);
    const target = await targetOf(address(database));
    await using session = await Session.open(target, target.database, signal);
    const questions = async () => Number((await session.query("SHOW SESSION STATUS LIKE 'Questions'"))[0]?.[1]);
    const first = await questions();
    const { tables: found, outside } = await followed(session);
    assert.deepEqual([found.length, outside], [tables + 1, []]);
    return (await questions()) - first;
  };
  const few = await asked("few_ids", 1);
  assert.equal(await asked("many_ids", 110), few + 1, "two statements of at most 200 columns");
});
