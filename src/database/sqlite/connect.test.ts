import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, test } from "node:test";

import { compareDatabases } from "../../../test/support/compare-databases.ts";
import { captureDatabase, loadCaptured } from "../../../test/support/sqlite-capture.ts";
import { sqliteEngine } from "./sqlite.ts";

const { signal } = new AbortController();
let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-test-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function create(name: string, sql: string): string {
  const path = join(folder, name);
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
  return path;
}

const rows = "CREATE TABLE t(id INTEGER PRIMARY KEY, x); INSERT INTO t VALUES(1,'a'),(2,'b')";

test("addresses", async () => {
  assert.equal(sqliteEngine.accepts("sqlite:/a.db"), true);
  assert.equal(sqliteEngine.accepts("postgres://x"), false);
  const { home } = sqliteEngine;
  assert.ok(home.kind === "file");
  assert.deepEqual(home.files("sqlite:///var/crm.db").slice(0, 2), ["/var/crm.db", "/var/crm.db-wal"]);
  assert.equal(home.urlOf("/var/a b.db"), "sqlite:/var/a b.db");
  for (const url of ["sqlite:relative.db", "sqlite:", "sqlite::memory:"]) {
    await assert.rejects(sqliteEngine.connect({ url }, { signal }), { code: "database-unsupported" });
  }
  const path = create("50%?#ü .db", rows);
  const { lines } = await captureDatabase(path);
  assert.deepEqual([...lines.values()].flat().map(String), ['i1\t"a"', 'i2\t"b"']);
});

test("what is missing, no database, or damaged is told apart", async () => {
  await assert.rejects(captureDatabase(join(folder, "none.db")), { code: "source-missing" });
  await assert.rejects(captureDatabase(folder), { code: "source-missing" });
  writeFileSync(join(folder, "text.db"), "this is no database ".repeat(100));
  await assert.rejects(captureDatabase(join(folder, "text.db")), { code: "database-not-sqlite" });
  const path = create("cut.db", `${rows}; INSERT INTO t SELECT id + 10, zeroblob(9000) FROM t`);
  truncateSync(path, statSync(path).size / 2);
  await assert.rejects(captureDatabase(path), { code: "database-unreadable" });
  writeFileSync(join(folder, "empty.db"), "");
  assert.deepEqual((await captureDatabase(join(folder, "empty.db"))).schema.tables, []);
});

test("a log left by a crash is read, and a journal left by a crash is rolled back", async () => {
  for (const mode of ["wal", "delete"]) {
    const path = create(`${mode}.db`, `PRAGMA journal_mode=${mode}; ${rows}`);
    const script = `
      const { DatabaseSync } = require("node:sqlite");
      const database = new DatabaseSync(${JSON.stringify(path)});
      database.exec("PRAGMA cache_size=1; INSERT INTO t VALUES(3,'committed'); BEGIN; UPDATE t SET x='torn'");
      database.exec("WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i+1 FROM n WHERE i<2000) INSERT INTO t SELECT i, zeroblob(500) FROM n");
      process.kill(process.pid, "SIGKILL");`;
    const child = spawn(process.execPath, ["-e", script], { stdio: "ignore" });
    await once(child, "exit");
    assert.ok(existsSync(`${path}-${mode === "wal" ? "wal" : "journal"}`));
    const { lines } = await captureDatabase(path);
    assert.deepEqual([...lines.values()].flat().map(String), ['i1\t"a"', 'i2\t"b"', 'i3\t"committed"']);
  }
});

test("the private copy of a database without WAL is removed, and nothing is left open", async () => {
  const path = create("a.db", rows);
  const own = join(folder, "tmp");
  mkdirSync(own);
  const before = process.env["TMPDIR"];
  process.env["TMPDIR"] = own;
  try {
    const source = await sqliteEngine.connect({ url: `sqlite:${path}` }, { signal });
    const snapshot = await source.snapshot(signal);
    assert.deepEqual(readdirSync(own), [], "its name is gone as soon as it is open: a kill leaves no data behind");
    // The copy is what is read: a writer may do what it likes meanwhile.
    const writer = new DatabaseSync(path);
    writer.exec("DELETE FROM t");
    writer.close();
    const table = snapshot.schema.tables[0];
    assert.ok(table);
    assert.equal(await snapshot.reader(table).estimatedRows(), 2);
    await snapshot[Symbol.asyncDispose]();
    await source[Symbol.asyncDispose]();
    assert.deepEqual(readdirSync(own), []);
  } finally {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
  }
  const open = readdirSync("/proc/self/fd").length;
  await captureDatabase(path);
  assert.equal(readdirSync("/proc/self/fd").length, open);
});

test("while a snapshot is open, a writer that waits for nobody commits, and the snapshot does not see it", async () => {
  for (const mode of ["wal", "delete"]) {
    const path = create(`${mode}.db`, `PRAGMA journal_mode=${mode}; ${rows}`);
    await using source = await sqliteEngine.connect({ url: `sqlite:${path}` }, { signal });
    await using snapshot = await source.snapshot(signal);
    const table = snapshot.schema.tables[0];
    assert.ok(table);
    const writer = new DatabaseSync(path, { timeout: 0 });
    writer.exec("UPDATE t SET x = 'later'; INSERT INTO t VALUES(3, 'new'); CREATE TABLE another(a)");
    writer.close();
    const lines: string[] = [];
    for await (const batch of snapshot.reader(table).read({}, signal)) lines.push(batch.lines.toString());
    assert.deepEqual(lines, ['i1\t"a"\ni2\t"b"\n'], mode);
  }
});

test("estimates cost no reading of rows", async () => {
  const path = create("a.db", `${rows}; CREATE TABLE u(a PRIMARY KEY) WITHOUT ROWID; INSERT INTO u VALUES('x')`);
  await using source = await sqliteEngine.connect({ url: `sqlite:${path}` }, { signal });
  assert.deepEqual(await source.estimate(signal), { tables: 2, rows: 3, bytes: statSync(path).size });
});

test("a load that fails leaves nothing behind, and never touches what is there", async () => {
  const path = create("a.db", rows);
  const captured = await captureDatabase(path);
  const table = captured.schema.tables[0];
  assert.ok(table);
  const target = join(folder, "new.db");
  for (const line of ['i1\t"a', "i1", 'i1\t"a"\ti2', "ix\ti1", "\\N\tt0", "i1\tb0"]) {
    const damaged = { ...captured, lines: new Map([[table, [Buffer.from(line)]]]) };
    await assert.rejects(loadCaptured(target, damaged), { code: "restore-mismatch" }, line);
    assert.deepEqual(readdirSync(folder), ["a.db"]);
  }
  const twice = { ...captured, lines: new Map([[table, [Buffer.from("i1\ti1"), Buffer.from("i1\ti2")]]]) };
  await assert.rejects(loadCaptured(target, twice), { code: "restore-mismatch" });
  await assert.rejects(loadCaptured(path, captured), { code: "target-not-empty" });
  await loadCaptured(target, captured);
  assert.deepEqual(compareDatabases(path, target), []);
  assert.equal(statSync(target).mode & 0o777, 0o600);
});

test("statements run all or none", async () => {
  const path = create("a.db", rows);
  const url = `sqlite:${path}`;
  await assert.rejects(sqliteEngine.execute({ url }, ["DELETE FROM t", "DELETE FROM nothing"], signal), {
    code: "database-unreadable",
  });
  await sqliteEngine.execute({ url }, ["UPDATE t SET x = 'new' WHERE id = 1"], signal);
  const { lines } = await captureDatabase(path);
  assert.deepEqual([...lines.values()].flat().map(String), ['i1\t"new"', 'i2\t"b"']);
});

test("a question is answered by its first value, and changes nothing", async () => {
  const url = `sqlite:${create("asked.db", rows)}`;
  const ask = (statement: string) => sqliteEngine.ask({ url }, statement, signal);
  assert.equal(await ask("SELECT count(*) = 2, 'more' FROM t"), "1");
  assert.equal(await ask("SELECT 9007199254740993"), "9007199254740993");
  assert.equal(await ask("SELECT x FROM t WHERE id = 0"), null);
  await assert.rejects(ask("SELECT nothing"), { code: "database-unreadable" });
  await assert.rejects(ask("DELETE FROM t"), { code: "database-unreadable" });
  assert.equal(await ask("SELECT count(*) FROM t"), "2");
});

test("a process that holds the database open is named", async () => {
  const path = create("a.db", `PRAGMA journal_mode=WAL; ${rows}`);
  const url = `sqlite:${path}`;
  assert.deepEqual(await sqliteEngine.holders({ url }, signal), []);
  const script = `const d = new (require("node:sqlite").DatabaseSync)(${JSON.stringify(path)}); d.prepare("SELECT * FROM t").all(); console.log("open"); setInterval(() => {}, 1000)`;
  const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "ignore"] });
  await once(child.stdout, "data");
  try {
    assert.deepEqual(
      (await sqliteEngine.holders({ url }, signal)).map(({ pid }) => pid),
      [child.pid],
    );
  } finally {
    child.kill();
    await once(child, "exit");
  }
  assert.deepEqual(await sqliteEngine.holders({ url }, signal), []);
});
