import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { mysqlEngine } from "../../src/database/mysql/mysql.ts";
import { undoRestore } from "../../src/engine/undo.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { type MariadbServer, startMariadb } from "../support/mariadb-server.ts";
import { resticOn } from "../support/restic.ts";
import { commandOutput } from "../support/run-command.ts";
import { type SmallCrm, smallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const names = Array.from({ length: 3000 }, (_, at) => `(${at + 1},'name ${at}',${at % 7})`).join(",");

const everything = `
  CREATE TABLE company (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(100), kind INT, changed TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    KEY by_name (name(20)), KEY (kind)) CHARACTER SET utf8mb4;
  INSERT INTO company(id,name,kind) VALUES ${names};
  CREATE TABLE contact (id INT PRIMARY KEY, company INT, name VARCHAR(50), seen INT DEFAULT 0,
    FOREIGN KEY (company) REFERENCES company(id) ON DELETE CASCADE) CHARACTER SET latin1;
  INSERT INTO contact(id,company,name) VALUES (1,1,'x'),(2,1,'é'),(3,NULL,NULL),(4,2999,'y');
  CREATE TABLE attachment (id INT PRIMARY KEY, path VARCHAR(200)) CHARACTER SET utf8mb4;
  INSERT INTO attachment VALUES (1,'2026/合同.txt'),(2,'logo.bin');
  CREATE TABLE log (line VARCHAR(20)); INSERT INTO log VALUES ('a'),('a'),('b');
  CREATE VIEW z_first AS SELECT id, name FROM company WHERE name <> ';';
  CREATE VIEW a_second AS SELECT z_first.name, upper(contact.name) AS up FROM z_first JOIN contact ON contact.company = z_first.id;
  DELIMITER //
  CREATE TRIGGER stamp BEFORE INSERT ON contact FOR EACH ROW BEGIN SET NEW.seen = 1; IF NEW.name = ';' THEN SET NEW.name = 'it''s "x"'; END IF; END//
  CREATE FUNCTION twice(a INT) RETURNS INT DETERMINISTIC BEGIN DECLARE b INT; SET b = a*2; RETURN b; END//
  CREATE PROCEDURE fill() BEGIN INSERT INTO company(name) VALUES ('called'); END//
  CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 03:00:00' DO BEGIN DELETE FROM contact WHERE id < 0; END//
  DELIMITER ;
`;

const day = `UPDATE company SET name = CONCAT(name, ' AG') WHERE id % 50 = 0; DELETE FROM contact WHERE id = 4;
  INSERT INTO company(id,name) VALUES (4000,'new\\tone'); INSERT INTO log VALUES ('c')`;

interface World extends SmallCrm {
  readonly server: MariadbServer;
  readonly name: string;
  sqlHere(script: string): Promise<string>;
}

async function newCrm(server: MariadbServer, root: string, name: string): Promise<World> {
  await server.sql(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
  await server.sql(everything, name);
  const crm = await smallCrm(root, { url: server.url(name), engine: mysqlEngine });
  return { ...crm, server, name, sqlHere: (script) => server.sql(script, name) };
}

/** What a database is, as its server says it: tables with the sums of their rows, programs and their states. */
async function stateOf(server: MariadbServer, name: string): Promise<string> {
  const tables = (
    await server.sql(
      `SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA='${name}' AND TABLE_TYPE='BASE TABLE' ORDER BY 1`,
    )
  )
    .trim()
    .split("\n");
  const asked = tables.map((table) => `SHOW CREATE TABLE ${table}; CHECKSUM TABLE ${table};`);
  const said = await server.sql(
    `${asked.join("\n")}
    SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE, ACTION_STATEMENT FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA=DATABASE() ORDER BY 1;
    SELECT ROUTINE_NAME, ROUTINE_TYPE, ROUTINE_DEFINITION, SQL_MODE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA=DATABASE() ORDER BY 1;
    SELECT EVENT_NAME, EVENT_DEFINITION, STATUS FROM information_schema.EVENTS WHERE EVENT_SCHEMA=DATABASE() ORDER BY 1;
    SELECT TABLE_NAME, VIEW_DEFINITION, SECURITY_TYPE FROM information_schema.VIEWS WHERE TABLE_SCHEMA=DATABASE() ORDER BY 1;`,
    name,
  );
  return said.replaceAll(name, "DATABASE");
}

async function backedUpAndBack(server: MariadbServer): Promise<void> {
  using folder = temporaryFolder();
  const crm = await newCrm(server, folder.path, "crm");
  const first = await crm.backup();
  assert.deepEqual([first.kind, first.outcome, first.warnings], ["full", "ok", []]);
  await crm.sqlHere(day);
  const second = await crm.backup();
  assert.deepEqual([second.kind, second.outcome, second.rows.changedRows], ["incremental", "ok", 63]);
  assert.equal((await crm.backup()).rows.changedRows, 0);
  await resticOn(crm.access.location, crm.access.password).check();
  const was = await stateOf(server, "crm");
  await crm.sqlHere(
    "DROP TABLE contact; DELETE FROM company WHERE id > 9; DROP PROCEDURE fill; CREATE TABLE newer (x INT)",
  );
  // The view of a table that is not there is no part of what can be moved.
  const broken = (await stateOf(server, "crm")).replace(/^a_second\t.*\n/m, "");

  const plan = await crm.plan();
  assert.deepEqual(plan.warnings, [{ code: "undo-without", subject: "a_second" }]);
  // What changes after the plan was made is noticed.
  await crm.sqlHere("INSERT INTO newer VALUES (1)");
  await assert.rejects(crm.apply(plan), (error) => isHoldfastError(error, "plan-outdated"));
  await crm.sqlHere("DELETE FROM newer");
  const report = await crm.apply(await crm.plan());
  assert.deepEqual([report.failed, report.warnings], [[], []]);
  assert.equal(await stateOf(server, "crm"), was);
  assert.equal(await crm.sqlHere("CALL fill(); SELECT twice(21), COUNT(*) FROM a_second"), "42\t2\n");
  await undoRestore(crm.engine, {}, crm.run);
  assert.equal(await stateOf(server, "crm"), broken);

  const scope = { kind: "database" } as const;
  await crm.apply(await crm.plan({ scope, targetDatabase: server.url("clone"), purpose: "clone" }));
  assert.equal(await server.sql("SELECT DISTINCT name FROM contact", "clone"), "nobody\n");
}

async function withClientAlone(server: MariadbServer): Promise<void> {
  using folder = temporaryFolder();
  const crm = await newCrm(server, folder.path, "stock");
  await crm.backup();
  await crm.sqlHere(day);
  await crm.backup();
  await crm.sqlHere("UPDATE company SET name = 'x' WHERE id < 20; DELETE FROM company WHERE id = 7; DELETE FROM log");
  await crm.backup();
  const out = join(folder.path, "out");
  await resticOn(crm.access.location, crm.access.password).output("restore", "latest", "--target", out);
  const inside = join(out, "acme/databases/main");
  await server.sql(`CREATE DATABASE back CHARACTER SET utf8mb4`);
  const input = readFileSync(join(inside, "restore.sql"), "utf8");
  const was = (await server.sql("SELECT @@global.local_infile")).trim();
  await server.sql("SET GLOBAL local_infile=1");
  await commandOutput(server.client.program, [...server.client.options, "--local-infile=1", "back"], {
    input,
    cwd: inside,
  });
  await server.sql(`SET GLOBAL local_infile=${was}`);
  assert.equal(await stateOf(server, "back"), await stateOf(server, "stock"));
}

/** The server sorts `_x`, `a` and `B` in another way than their bytes are. */
async function mergedWhateverTheOrder(server: MariadbServer): Promise<void> {
  using folder = temporaryFolder();
  const crm = await newCrm(server, folder.path, "merged");
  const keys = ["a", "B", "_x", "Zed", "é", "10", "9", "z"];
  await crm.sqlHere(`
    CREATE TABLE setting (name VARCHAR(40) PRIMARY KEY, value INT) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
    INSERT INTO setting VALUES ${keys.map((key) => `('${key}',1)`).join(",")}`);
  await crm.backup();
  await crm.sqlHere(`
    DELETE FROM setting WHERE name IN ('B', '_x'); UPDATE setting SET value = 2 WHERE name = 'Zed';
    INSERT INTO setting VALUES ('Ab', 3); DELETE FROM log; INSERT INTO log VALUES ('a'), ('c')`);
  const switches = { createMissing: true, updateChanged: false, removeNewer: false };
  await crm.apply(await crm.plan({ scope: { kind: "database" }, switches }));
  const rows = await crm.sqlHere("SELECT CONCAT(name, value) FROM setting ORDER BY name COLLATE utf8mb4_bin");
  assert.deepEqual(rows.trim().split("\n"), ["101", "91", "Ab3", "B1", "Zed2", "_x1", "a1", "z1", "é1"]);
  assert.equal(await crm.sqlHere("SELECT line FROM log ORDER BY line"), "a\na\nb\nc\n");
}

/** To the server `Ab` and `AB` are one key, as bytes they are two: the row is one that was changed. */
async function keyOfAnotherCase(server: MariadbServer): Promise<void> {
  using folder = temporaryFolder();
  const crm = await newCrm(server, folder.path, "cased");
  await crm.sqlHere(`
    CREATE TABLE setting (name VARCHAR(40), part INT, value INT, PRIMARY KEY (name, part)) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
    INSERT INTO setting VALUES ('Ab',1,1),('Ab',2,1),('gone',1,1),('same',1,1),('é',1,1)`);
  await crm.backup();
  const damage = `REPLACE INTO setting VALUES ('AB',1,2),('same',1,1),('newer',1,2); UPDATE setting SET name = 'E', value = 2 WHERE name = 'é';
    DELETE FROM setting WHERE name = 'gone'`;
  await crm.sqlHere(damage);
  const changed = await stateOf(server, "cased");
  const common = { missing: 0, removed: 0 };
  for (const [updateChanged, counts, rows] of [
    [false, { created: 1, differ: 2, updated: 0, newer: 1 }, "AB12 Ab21 E12 gone11 newer12 same11"],
    [true, { created: 1, differ: 0, updated: 2, newer: 1 }, "Ab11 Ab21 gone11 newer12 same11 é11"],
  ] as const) {
    const switches = { createMissing: true, updateChanged, removeNewer: false };
    const plan = await crm.plan({ scope: { kind: "database" }, switches });
    const { same: _, ...told } = plan.parts[0]?.changes ?? assert.fail();
    assert.deepEqual(told, { ...common, ...counts });
    await crm.apply(plan);
    assert.equal(
      (await crm.sqlHere("SELECT CONCAT(name, part, value) FROM setting ORDER BY CAST(name AS BINARY), part")).trim(),
      rows.replaceAll(" ", "\n"),
    );
    await undoRestore(crm.engine, {}, crm.run);
    assert.equal(await stateOf(server, "cased"), changed);
  }
}

/** Somebody made a database to be restored into, since the CRM's may not make one, say: that is what an undo leaves. */
async function undoneToEmpty(server: MariadbServer): Promise<void> {
  using folder = temporaryFolder();
  const crm = await newCrm(server, folder.path, "emptied");
  await crm.backup();
  const was = await stateOf(server, "emptied");
  await server.sql("DROP DATABASE emptied; CREATE DATABASE emptied CHARACTER SET latin1 COLLATE latin1_german2_ci");
  const empty = await server.sql("SHOW CREATE DATABASE emptied");
  await crm.apply(await crm.plan({ scope: { kind: "database" } }));
  assert.equal(await stateOf(server, "emptied"), was);
  await undoRestore(crm.engine, {}, crm.run);
  assert.equal(await server.sql("SHOW CREATE DATABASE emptied"), empty);
  assert.equal(await crm.sqlHere("SHOW TABLES"), "");
  await server.sql("DROP DATABASE emptied");
  await crm.apply(await crm.plan({ scope: { kind: "database" } }));
  await undoRestore(crm.engine, {}, crm.run);
  assert.equal(await server.sql("SHOW DATABASES LIKE 'emptied'"), "", "where none was, none is");
}

let server: MariadbServer;
before(async () => {
  server = await startMariadb();
});
after(() => server[Symbol.asyncDispose]());

test("backed up three times, destroyed, put back beside and swapped in, undone, cloned", () => backedUpAndBack(server));
test("stock restic and the server's client alone give the same database", () => withClientAlone(server));
test("rows are merged whatever order the server has them in", () => mergedWhateverTheOrder(server));
test("a row of which only the key's case was changed is one that was changed: a merge neither loses nor doubles it", () =>
  keyOfAnotherCase(server));
test("an undo leaves the empty database that was restored into", () => undoneToEmpty(server));
