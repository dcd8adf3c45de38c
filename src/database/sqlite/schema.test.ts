import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, test } from "node:test";

import { compareDatabases } from "../../../test/support/compare-databases.ts";
import {
  captureDatabase,
  loadCaptured,
  restoreByShell,
  writeBases,
  type Captured,
} from "../../../test/support/sqlite-capture.ts";
import { sqliteEngine } from "./sqlite.ts";

const { signal } = new AbortController();
let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-test-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function create(sql: string): void {
  const database = new DatabaseSync(join(folder, "source.db"), { enableDoubleQuotedStringLiterals: true });
  database.exec(sql);
  database.close();
}

/** Captures `source.db`, builds it in both ways, compares; returns what was captured. */
async function goRound(): Promise<Captured> {
  const source = join(folder, "source.db");
  const captured = await captureDatabase(source);
  await loadCaptured(join(folder, "loaded.db"), captured);
  assert.deepEqual(compareDatabases(source, join(folder, "loaded.db")), []);
  assert.equal(restoreByShell(folder, captured.schema, writeBases(folder, captured)), "ok\n");
  assert.deepEqual(compareDatabases(source, join(folder, "new.db")), []);
  return captured;
}

function queryAll(sql: string): readonly unknown[] {
  return ["source.db", "loaded.db", "new.db"].map((name) => {
    const database = new DatabaseSync(join(folder, name), { readOnly: true });
    try {
      return JSON.stringify(database.prepare(sql).all());
    } finally {
      database.close();
    }
  });
}

test("what is made with a remark at its end comes back, and what comes after it", async () => {
  create(`CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO person VALUES(1,'a');
    CREATE INDEX by_name ON person(name) -- for the list
    ;
    CREATE VIEW people AS SELECT name FROM person -- but not all of them
    ;
    CREATE VIEW others AS SELECT id FROM person /* the rest */;
    CREATE INDEX by_both ON person(name, id);`);
  const { schema } = await goRound();
  assert.ok(schema.after.some((statement) => statement.endsWith("-- but not all of them")));
});

test("views, triggers, indexes, generated columns, STRICT, statistics and settings come back", async () => {
  create(`
    PRAGMA foreign_keys=OFF; PRAGMA page_size=8192; PRAGMA auto_vacuum=2; PRAGMA user_version=42; PRAGMA application_id=-7; PRAGMA journal_mode=WAL;
    CREATE TABLE company(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL CHECK(length(name) < 100));
    CREATE TABLE person(id TEXT PRIMARY KEY, company INTEGER REFERENCES company, name TEXT DEFAULT "nobody",
      upper_name TEXT AS (upper(name)) STORED, name_length INT GENERATED ALWAYS AS (length(name)) VIRTUAL) STRICT;
    CREATE TABLE log(message ANY) STRICT;
    CREATE TABLE membership(person TEXT, company INTEGER, since TEXT, PRIMARY KEY(company, person)) WITHOUT ROWID;
    CREATE UNIQUE INDEX person_name ON person(name, company) WHERE company IS NOT NULL;
    CREATE INDEX person_lower ON person(lower(name) DESC, company);
    CREATE VIEW people AS SELECT p.name, c.name AS company FROM person p LEFT JOIN company c ON c.id = p.company;
    CREATE TRIGGER person_added AFTER INSERT ON person BEGIN INSERT INTO log VALUES('added '||new.name); END;
    CREATE TRIGGER people_insert INSTEAD OF INSERT ON people BEGIN INSERT INTO person(id,name) VALUES(new.name,new.name); END;
    INSERT INTO company(name) VALUES('Größe & Söhne'),('上海公司');
    INSERT INTO person(id,company,name) VALUES('b',2,'王'),('a',1,'Zoë'),('c',NULL,NULL);
    INSERT INTO membership VALUES('a',2,'x'),('b',1,'y'),('a',1,'z');
    INSERT INTO log VALUES(5),(5.5),(x'00'),(NULL);
    DELETE FROM company WHERE id=2; INSERT INTO company(id,name) VALUES(99,'last'); DELETE FROM company WHERE id=99;
    ANALYZE;`);
  const { schema } = await goRound();
  assert.deepEqual(schema.uncovered, []);
  assert.deepEqual(schema.sequences, [{ name: "company", value: "99" }]);
  assert.deepEqual(
    schema.tables.map((table) => [table.name, table.keyLength, table.columns.map((column) => column.name).join()]),
    [
      ["company", 1, "id,name"],
      ["person", 1, "id,company,name"],
      ["log", 0, "message"],
      ["membership", 2, "company,person,since"],
    ],
  );
  assert.deepEqual(schema.tables[1]?.foreignKeys, [
    { columns: ["company"], table: "company", tableSchema: "main", referenced: ["id"] },
  ]);
});

test("full-text and R-tree tables come back with the same index, without rebuilding", async () => {
  create(`
    CREATE TABLE note(id INTEGER PRIMARY KEY, title TEXT, body TEXT);
    CREATE VIRTUAL TABLE note_search USING fts5(title, body, content='note', content_rowid='id', tokenize='unicode61');
    CREATE TRIGGER note_ai AFTER INSERT ON note BEGIN INSERT INTO note_search(rowid,title,body) VALUES(new.id,new.title,new.body); END;
    CREATE VIRTUAL TABLE plain USING fts5(x);
    CREATE VIRTUAL TABLE old USING fts4(a, b);
    CREATE VIRTUAL TABLE place USING rtree(id, west, east, +label);
    INSERT INTO note(title,body) SELECT 'title '||value, 'some body text number '||value||' with 中文' FROM json_each('[1,2,3,4,5,6,7,8,9]');
    INSERT INTO plain VALUES('quick brown fox'),('lazy dog');
    INSERT INTO old VALUES('alpha','beta'),('gamma','beta');
    INSERT INTO place VALUES(1,0,10,'one'),(2,5,15,'two');`);
  const { schema } = await goRound();
  assert.deepEqual(schema.uncovered, []);
  for (const sql of [
    "SELECT rowid FROM note_search WHERE note_search MATCH 'body AND 7'",
    "SELECT rowid, * FROM plain WHERE plain MATCH 'fox'",
    "SELECT docid, * FROM old WHERE old MATCH 'beta' ORDER BY docid",
    "SELECT * FROM place WHERE west <= 12 AND east >= 12",
    "SELECT rtreecheck('place') AS sound",
  ]) {
    const [source, loaded, shell] = queryAll(sql);
    assert.notEqual(source, "[]", sql);
    assert.equal(loaded, source, sql);
    assert.equal(shell, source, sql);
  }
  const loaded = new DatabaseSync(join(folder, "loaded.db"));
  loaded.exec(
    "INSERT INTO plain(plain) VALUES('integrity-check'); INSERT INTO note_search(note_search, rank) VALUES('integrity-check', 1)",
  );
  loaded.exec("INSERT INTO note(title,body) VALUES('later','added after the restore')");
  assert.equal(loaded.prepare("SELECT rowid FROM note_search WHERE note_search MATCH 'restore'").all().length, 1);
  loaded.close();
});

test("a full-text index over rowids that no column holds is built again", async () => {
  create(`
    CREATE TABLE note(uuid TEXT PRIMARY KEY, body TEXT);
    CREATE VIRTUAL TABLE note_search USING fts5(body, content=note);
    INSERT INTO note VALUES('z','first'),('m','second'),('a','third');
    INSERT INTO note_search(note_search) VALUES('rebuild');`);
  const captured = await captureDatabase(join(folder, "source.db"));
  await loadCaptured(join(folder, "loaded.db"), captured);
  restoreByShell(folder, captured.schema, writeBases(folder, captured));
  const found = queryAll(
    "SELECT uuid FROM note WHERE rowid IN (SELECT rowid FROM note_search WHERE note_search MATCH 'first')",
  );
  assert.deepEqual(found, Array(3).fill('[{"uuid":"z"}]'));
});

test("orphans of the source come back and are told apart from damage", async () => {
  create(`
    PRAGMA foreign_keys=OFF;
    CREATE TABLE parent(id INTEGER PRIMARY KEY);
    CREATE TABLE child(id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parent(id));
    INSERT INTO parent VALUES(1); INSERT INTO child VALUES(1,1),(2,2),(3,3);`);
  await goRound();
  const findings = await sqliteEngine.check({ url: `sqlite:${join(folder, "loaded.db")}` }, signal);
  assert.deepEqual(findings, { damage: [], orphans: ["child -> parent: 2"] });
});

test("what needs functions or modules that only the application has is named, the rest is captured", async () => {
  const database = new DatabaseSync(join(folder, "source.db"), { defensive: false });
  database.function("app_key", { deterministic: true }, (value) => value);
  database.exec(`
    CREATE TABLE t(a INTEGER PRIMARY KEY, b);
    INSERT INTO t VALUES(1,'x');
    CREATE INDEX t_app ON t(app_key(b));
    PRAGMA writable_schema=ON;
    INSERT INTO sqlite_schema VALUES('table','strange','strange',0,'CREATE VIRTUAL TABLE strange USING app_module(x)');`);
  database.close();
  const { schema, lines } = await captureDatabase(join(folder, "source.db"));
  assert.deepEqual(
    schema.uncovered.map(({ subject }) => subject),
    ["t_app", "strange"],
  );
  assert.deepEqual([...lines.values()].flat().map(String), ['i1\t"x"']);
  await loadCaptured(join(folder, "loaded.db"), { schema, lines });
});

test("a definition that is more than one statement, or none of a schema, is never run", async () => {
  create("CREATE TABLE t(a)");
  const captured = await captureDatabase(join(folder, "source.db"));
  for (const statement of [
    "CREATE TABLE u(a); DROP TABLE t",
    `ATTACH '${join(folder, "x.db")}' AS x`,
    "VACUUM INTO 'x'",
  ]) {
    await assert.rejects(
      loadCaptured(join(folder, "bad.db"), { ...captured, schema: { ...captured.schema, after: [statement] } }),
      { code: "restore-mismatch" },
    );
    assert.deepEqual(readdirSync(folder), ["source.db"]);
  }
});
