import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { mysqlEngine } from "../../src/database/mysql/mysql.ts";
import { keyOf } from "../../src/database/rows.ts";
import type { OpenedPoint } from "../../src/engine/open-point.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { startMariadb } from "../support/mariadb-server.ts";
import { postgres } from "../support/postgres-capture.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { readPoint } from "../support/read-point.ts";
import { smallCrm, type SmallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const { signal } = new AbortController();

/** Lines of all tables, and that each row with a key is found by it. */
async function readAll({ databases }: OpenedPoint): Promise<Record<string, readonly string[]>> {
  const found: Record<string, readonly string[]> = {};
  for (const { schema, open } of databases) {
    for (const table of schema.tables) {
      const one = await open(table);
      const lines: string[] = [];
      for await (const batch of one.rows({}, signal)) {
        lines.push(...batch.lines.toString("latin1").split("\n").slice(0, -1));
        batch.release?.();
      }
      for (const line of table.keyLength > 0 ? lines.slice(0, 40) : []) {
        const key = keyOf(Buffer.from(line, "latin1"), table.keyLength);
        assert.equal((await one.get(key, signal))?.toString("latin1"), line, table.name);
      }
      found[`${table.schema}.${table.name}`] = lines.toSorted();
    }
  }
  return found;
}

/** A stored point and what is live are read alike, with and without the configuration at hand. */
async function assertReadsAlike(crm: SmallCrm): Promise<void> {
  const { snapshot } = await crm.backup();
  const stored = await readPoint(crm, { kind: "id", prefix: snapshot }, readAll);
  assert.ok(Object.values(stored).some((lines) => lines.length > 2));
  assert.deepEqual(await readPoint(crm, { kind: "live" }, readAll), stored);
  assert.deepEqual(await readPoint(crm, { kind: "live" }, readAll, "unconfigured"), stored);
}

test("SQLite: a stored point and what is live are read alike, row by row and by key", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  crm.sql(`
    CREATE TABLE pair (a TEXT COLLATE NOCASE, b INTEGER, PRIMARY KEY (a, b)) WITHOUT ROWID;
    INSERT INTO pair VALUES ('x', 1), ('Y', 2), ('y' || char(9), 2), ('张伟', -3);
    CREATE TABLE code (code TEXT PRIMARY KEY COLLATE NOCASE NOT NULL, n REAL);
    INSERT INTO code VALUES ('B', 1), ('a', 2);`);
  await assertReadsAlike(crm);
  await readPoint(crm, { kind: "latest" }, async ({ databases: [database] }) => {
    const table = database?.schema.tables.find(({ name }) => name === "code");
    assert.ok(database && table);
    const one = await database.open(table);
    assert.equal(await one.get('"b"', signal), undefined);
    assert.equal(await one.countRows(), 2);
    assert.equal(await database.open(table), one);
  });
});

test("PostgreSQL: a stored point and what is live are read alike", async () => {
  using folder = temporaryFolder();
  await using server = await startPostgres();
  await server.sql("CREATE DATABASE crm");
  await server.sql(readFileSync(new URL("../support/postgres-crm.sql", import.meta.url), "utf8"), "crm");
  await assertReadsAlike(await smallCrm(folder.path, { url: server.url("crm"), engine: postgres }));
});

test("MariaDB: a stored point and what is live are read alike", async () => {
  using folder = temporaryFolder();
  await using server = await startMariadb();
  await server.sql(`
    CREATE DATABASE crm CHARACTER SET utf8mb4; USE crm;
    CREATE TABLE party (code VARCHAR(20) COLLATE utf8mb4_unicode_ci, day DATE, name TEXT, PRIMARY KEY (code, day));
    INSERT INTO party VALUES ('b', '2026-01-02', '张伟'), ('A', '2026-01-01', 'x'), ('ä', '2026-01-03', 'y');
    CREATE TABLE amount (id DECIMAL(8,2) PRIMARY KEY, bin BINARY(2)); INSERT INTO amount VALUES (1.5, 'ab'), (-2, '');
    CREATE TABLE log (line TEXT); INSERT INTO log VALUES ('a'), ('a');`);
  await assertReadsAlike(await smallCrm(folder.path, { url: server.url("crm"), engine: mysqlEngine }));
});

test("what is live is no recovery point, and is not restored from", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  await crm.backup();
  await assert.rejects(crm.plan({ point: { kind: "live" } }), (error) => isHoldfastError(error, "point-live"));
});
