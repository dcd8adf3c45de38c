import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, test } from "node:test";

import { compareDatabases } from "../../../test/support/compare-databases.ts";
import { captureDatabase, loadCaptured, restoreByShell, writeBases } from "../../../test/support/sqlite-capture.ts";
import type { RowRange } from "../database.ts";
import { keyOf } from "../rows.ts";
import { sqliteEngine } from "./sqlite.ts";

const { signal } = new AbortController();
let folder = "";
before(() => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-test-"));
});
after(() => rmSync(folder, { recursive: true, force: true }));

function create(name: string, sql: string): string {
  const path = join(folder, name);
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
  return path;
}

test("a range of keys holds the rows after its start, up to and including its end", async () => {
  const path = create(
    "ranges.db",
    `CREATE TABLE number(id INTEGER PRIMARY KEY, x);
     INSERT INTO number SELECT value * 3 - 300, value FROM json_each('[${Array.from({ length: 200 }, (_, n) => n).join()}]');
     CREATE TABLE pair(a TEXT NOT NULL, b BLOB NOT NULL, x, PRIMARY KEY(a, b));
     INSERT INTO pair SELECT char(97 + value % 5, 9, 92, 10), CAST(value AS BLOB), value FROM json_each('[${Array.from({ length: 100 }, (_, n) => n).join()}]');
     INSERT INTO pair SELECT CAST(x'00ff' AS TEXT), b, x FROM pair;
     CREATE TABLE untyped(k UNIQUE NOT NULL);
     INSERT INTO untyped VALUES(1),('1'),(x'31'),(-5),('b'),('B'),(x''),(''),(9223372036854775807);
     CREATE TABLE loose(k TEXT COLLATE NOCASE PRIMARY KEY);
     INSERT INTO loose VALUES('b'),('A'),('c'),('B2');`,
  );
  await using source = await sqliteEngine.connect({ url: `sqlite:${path}` }, { signal });
  await using snapshot = await source.snapshot(signal);
  for (const table of snapshot.schema.tables) {
    assert.ok(table.keyLength > 0, table.name);
    const reader = snapshot.reader(table);
    const read = async (range: { after?: string; upTo?: string }): Promise<string> => {
      const parts: Buffer[] = [];
      for await (const batch of reader.read(range, signal, 200)) parts.push(batch.lines);
      return Buffer.concat(parts).toString("latin1");
    };
    const lines = (await read({})).split("\n").slice(0, -1);
    assert.equal(lines.length, await reader.estimatedRows());
    const keys = lines.map((line) => keyOf(Buffer.from(line, "latin1"), table.keyLength));
    for (let from = -1; from < keys.length; from += Math.ceil(keys.length / 7)) {
      for (let to = from; to <= keys.length; to += Math.ceil(keys.length / 5)) {
        const start = keys[from];
        const upTo = keys[to];
        const found = await read({
          ...(start === undefined ? {} : { after: start }),
          ...(upTo === undefined ? {} : { upTo }),
        });
        assert.deepEqual(
          found.split("\n").slice(0, -1),
          lines.slice(from + 1, upTo === undefined ? undefined : to + 1),
        );
      }
    }
  }
});

test("a small range is found by the index, whatever the key", async () => {
  const numbers = Array.from({ length: 300 }, (_, n) => n).join();
  const path = create(
    "plan.db",
    `CREATE TABLE n(v); INSERT INTO n SELECT value FROM json_each('[${numbers}]');
     CREATE TABLE one(id INTEGER PRIMARY KEY, x); INSERT INTO one SELECT a.v * 300 + b.v, zeroblob(50) FROM n a, n b;
     CREATE TABLE two(a TEXT, b INT, x TEXT COLLATE NOCASE, PRIMARY KEY(a, b)); INSERT INTO two SELECT printf('%05d', a.v), b.v, 'x' FROM n a, n b;`,
  );
  await using source = await sqliteEngine.connect({ url: `sqlite:${path}` }, { signal });
  await using snapshot = await source.snapshot(signal);
  const bounds: Readonly<Record<string, RowRange>> = {
    one: { after: "i44000", upTo: "i44010" },
    two: { after: '"00200"\ti5', upTo: '"00200"\ti15' },
  };
  for (const table of snapshot.schema.tables) {
    const range = bounds[table.name];
    if (range === undefined) continue;
    const read = async (what: RowRange): Promise<number> => {
      let rows = 0;
      for await (const batch of snapshot.reader(table).read(what, signal)) rows += batch.rows;
      return rows;
    };
    // Processor time: how long it takes is up to whoever else is at work.
    const cost = async (work: () => Promise<void>): Promise<number> => {
      const spent = process.cpuUsage();
      await work();
      const { user, system } = process.cpuUsage(spent);
      return user + system;
    };
    const whole = await cost(async () => {
      for (let round = 0; round < 5; round++) assert.equal(await read({}), 90_000);
    });
    const looks = await cost(async () => {
      for (let round = 0; round < 200; round++) assert.equal(await read(range), 10);
    });
    // With the index a half to four fifths, without it three times as much.
    assert.ok(looks < 1.5 * whole, `${table.name}: ${looks} µs, and ${whole} µs for the whole table`);
  }
});

test("big values keep batches near their target, and go through SQLite's shell in seconds", async () => {
  const path = create(
    "big.db",
    `CREATE TABLE file(id INTEGER PRIMARY KEY, body);
     INSERT INTO file SELECT value, zeroblob(100) FROM json_each('[${Array.from({ length: 500 }, (_, n) => n).join()}]');
     UPDATE file SET body = randomblob(300000) WHERE id % 250 = 7;
     UPDATE file SET body = randomblob(2000000) WHERE id = 100;
     UPDATE file SET body = replace(printf('%300000s', 'x'), ' ', 'line' || char(10, 0, 9)) WHERE id % 250 = 8;
     CREATE TABLE letter(id INTEGER PRIMARY KEY, body TEXT);
     INSERT INTO letter SELECT id, printf('%16000s', 'x') FROM file;`,
  );
  await using source = await sqliteEngine.connect({ url: `sqlite:${path}` }, { signal });
  await using snapshot = await source.snapshot(signal);
  const most: Readonly<Record<string, number>> = { file: 4_600_000, letter: 2 << 20 };
  for (const table of snapshot.schema.tables) {
    const sizes: number[] = [];
    for await (const batch of snapshot.reader(table).read({}, signal)) sizes.push(batch.lines.length);
    assert.ok(Math.max(...sizes) < (most[table.name] ?? 0), `${table.name}: ${sizes.join()}`);
  }

  const captured = await captureDatabase(path);
  await loadCaptured(join(folder, "loaded.db"), captured);
  assert.deepEqual(compareDatabases(path, join(folder, "loaded.db")), []);
  assert.equal(restoreByShell(folder, captured.schema, writeBases(folder, captured)), "ok\n");
  assert.deepEqual(compareDatabases(path, join(folder, "new.db")), []);
});

test("a table of a thousand columns", async () => {
  const columns = Array.from({ length: 1000 }, (_, n) => `c${n}`);
  const path = create(
    "wide.db",
    `CREATE TABLE wide(${columns.join()}); INSERT INTO wide(c0, c999) VALUES(1, 'end'), (x'01', 2.5)`,
  );
  const work = mkdtempSync(join(folder, "wide-"));
  const captured = await captureDatabase(path);
  await loadCaptured(join(work, "loaded.db"), captured);
  assert.deepEqual(compareDatabases(path, join(work, "loaded.db")), []);
  assert.equal(restoreByShell(work, captured.schema, writeBases(work, captured)), "ok\n");
  assert.deepEqual(compareDatabases(path, join(work, "new.db")), []);
});

test("why a table has no key is told", async () => {
  const path = create(
    "unkeyed.db",
    `CREATE TABLE bare(a); INSERT INTO bare VALUES(1),(1);
     CREATE TABLE nullable(a TEXT PRIMARY KEY, b); INSERT INTO nullable VALUES(NULL,1),(NULL,1),('x',2);
     CREATE TABLE real_key(a NUMERIC PRIMARY KEY) WITHOUT ROWID; INSERT INTO real_key VALUES(1.5),(2);
     CREATE TABLE saved(a REAL PRIMARY KEY, code TEXT NOT NULL UNIQUE); INSERT INTO saved VALUES(1.5,'x');
     CREATE TABLE taken(rowid, oid, _rowid_); INSERT INTO taken VALUES(1,2,3),(1,2,3);
     CREATE TABLE partly(a INT NOT NULL); CREATE UNIQUE INDEX partly_a ON partly(a) WHERE a > 5;`,
  );
  const { schema, lines } = await captureDatabase(path, {}, 1);
  assert.deepEqual(
    schema.tables.map((table) => [table.name, table.keyLength, table.unkeyedBecause, lines.get(table)?.length]),
    [
      ["bare", 0, "no-key", 2],
      ["nullable", 0, "nullable-key", 3],
      ["real_key", 0, "real-key", 2],
      ["saved", 1, undefined, 1],
      ["taken", 0, "no-key", 2],
      ["partly", 0, "no-key", 0],
    ],
  );
  const utf16 = create(
    "utf16.db",
    "PRAGMA encoding='UTF-16le'; CREATE TABLE t(a TEXT PRIMARY KEY); INSERT INTO t VALUES('a')",
  );
  assert.equal((await captureDatabase(utf16)).schema.tables[0]?.unkeyedBecause, "utf16-key");
});

test("a large database, read by two threads, gives all rows in the order of their keys", async () => {
  // Text as a key, and numbers at both ends of what there is with a hole between them, cannot be cut evenly.
  const path = create(
    "large.db",
    `CREATE TABLE even(id INTEGER PRIMARY KEY, padding TEXT);
     CREATE TABLE ends(id INTEGER PRIMARY KEY, padding TEXT);
     CREATE TABLE mixed(id PRIMARY KEY NOT NULL, padding TEXT);
     WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
     INSERT INTO even SELECT i - 7000, hex(zeroblob(1500)) FROM n;
     WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
     INSERT INTO ends SELECT iif(i % 2, -9223372036854775808 + i, 9223372036854775807 - i), hex(zeroblob(400)) FROM n;
     WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
     INSERT INTO mixed SELECT iif(i < 2500, i, 'k' || i), hex(zeroblob(400)) FROM n;`,
  );
  await using source = await sqliteEngine.connect({ url: `sqlite:${path}` }, { signal });
  await using snapshot = await source.snapshot(signal);
  using database = new DatabaseSync(path);
  for (const table of snapshot.schema.tables) {
    const read: string[] = [];
    for await (const { lines } of snapshot.reader(table).read({}, signal)) {
      for (const line of lines.toString().split("\n").slice(0, -1)) read.push(line.slice(0, line.indexOf("\t")));
    }
    const keys = database
      .prepare(`SELECT iif(typeof(id) = 'text', json_quote(id), 'i' || id) AS key FROM ${table.name} ORDER BY id`)
      .all();
    assert.deepEqual(
      read,
      keys.map(({ key }) => key),
      table.name,
    );
  }
});
