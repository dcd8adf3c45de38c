import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { compareDatabases } from "../../test/support/compare-databases.ts";
import { temporaryFolder } from "../../test/support/temp-folder.ts";
import { testRepository, type TestRepository } from "../../test/support/test-repository.ts";
import type { TableRows } from "../database/database.ts";
import { sqliteEngine } from "../database/sqlite/sqlite.ts";
import type { Event } from "../lib/events.ts";
import {
  captureDatabase,
  type CaptureDatabaseOptions,
  compareWithRanges,
  type DatabaseCapture,
  readDatabase,
  type StoredDatabase,
  signsOf,
  verifyTable,
} from "./databases.ts";

const schema = `
  CREATE TABLE company (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, rating REAL, logo BLOB);
  CREATE TABLE "联系人/Kontakt" (id INTEGER PRIMARY KEY, company INTEGER REFERENCES company(id), note TEXT, big INTEGER);
  CREATE TABLE membership (list TEXT, contact INTEGER, since TEXT, PRIMARY KEY (list, contact)) WITHOUT ROWID;
  CREATE TABLE log (at TEXT, line TEXT);
  CREATE TABLE session (id INTEGER PRIMARY KEY, secret TEXT);
  CREATE TABLE blank (id INTEGER PRIMARY KEY);
  CREATE INDEX contact_company ON "联系人/Kontakt"(company);
  CREATE TRIGGER company_log AFTER UPDATE ON company BEGIN INSERT INTO log VALUES ('now', old.name); END;
`;

test("every backup of a database comes back value by value, also with restic and sqlite3 alone", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "crm.sqlite");
  await using repository = await testRepository(join(folder.path, "repository"));
  const live = new DatabaseSync(path);
  live.exec(schema);
  work(live, 0, 2000);
  const kinds = ["full", "incremental", "incremental", "differential", "incremental", "full", "incremental"] as const;
  const taken: { readonly capture: Stored; readonly copy: string }[] = [];
  for (const [index, kind] of kinds.entries()) {
    const copy = join(folder.path, `copy-${index}.sqlite`);
    live.exec(`VACUUM INTO '${copy}'`);
    const parent = taken.at(-1)?.capture;
    taken.push({ capture: await backup(repository, path, { kind, ...(parent && { parent }) }), copy });
    work(live, index + 1, 40);
  }
  live.close();

  const indexed = await repository.index();
  for (const [index, { capture, copy }] of taken.entries()) {
    const stored = await readDatabase(indexed, capture.tree, sqliteEngine, repository.signal);
    for (const table of stored.tables) {
      const signs = signsOf(table.table, sqliteEngine);
      assert.deepEqual(await verifyTable(table, signs, repository.signal), []);
    }
    const built = join(folder.path, `built-${index}.sqlite`);
    await sqliteEngine.load({ url: `sqlite:${built}` }, stored.schema, rowsOf(stored, repository.signal), repository);
    assert.deepEqual(compareDatabases(copy, built), []);
    await using source = await sqliteEngine.connect({ url: `sqlite:${built}` }, repository);
    await using snapshot = await source.snapshot(repository.signal);
    for (const table of stored.tables) {
      const same = snapshot.schema.tables.find(({ name }) => name === table.table.name);
      assert.ok(same);
      assert.deepEqual(await compareWithRanges(snapshot.reader(same), table, repository.signal), []);
    }
  }

  const restic = repository.restic();
  await restic.check();
  for (const index of [4, 6]) {
    const { capture, copy } = taken[index] ?? assert.fail();
    const target = join(folder.path, `restic-${index}`);
    await restic.restore(capture.snapshot, target);
    const script = readFileSync(join(target, "restore.sql"));
    const said = execFileSync("sqlite3", ["new.db"], { cwd: target, input: script, encoding: "utf8" });
    assert.match(said, /ok\s*$/);
    assert.deepEqual(compareDatabases(copy, join(target, "new.db")), []);
  }
});

test("nothing changed: the same tree, nothing stored; each changed table is told", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "crm.sqlite");
  await using repository = await testRepository();
  const live = new DatabaseSync(path);
  live.exec(schema);
  work(live, 0, 500);
  const full = await backup(repository, path, { kind: "full" });
  const first = await backup(repository, path, { kind: "incremental", parent: full });
  const again = await backup(repository, path, { kind: "incremental", parent: first });
  assert.equal(again.tree, first.tree);
  assert.equal(again.storedBytes, 0);
  assert.equal(again.sincePreviousBytes, 0);
  live.exec("ALTER TABLE blank ADD COLUMN more TEXT DEFAULT 'x'");
  const events: Event[] = [];
  const altered = await backup(repository, path, { kind: "incremental", parent: again, report: (e) => events.push(e) });
  const told = events.flatMap((event) => (event.type === "note" ? [`${event.code} ${event.facts["table"]}`] : []));
  assert.deepEqual(told, ["full-instead-schema blank"]);
  const lastFulls = altered.manifest.tables.map(({ name, lastFull }) => [name, lastFull.snapshotTime]);
  const oldTime = full.manifest.tables[0]?.lastFull.snapshotTime;
  assert.ok(lastFulls.every(([name, time]) => (time === oldTime) !== (name === "blank" || name === "log")));
  live.close();
});

test("tables that are to be left empty are, and rows are shown to whoever asks, once", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "crm.sqlite");
  await using repository = await testRepository();
  const live = new DatabaseSync(path);
  live.exec(schema);
  work(live, 0, 300);
  live.exec("INSERT INTO session VALUES (1, 'token')");
  const seen = new Map<string, number>();
  const capture = await backup(repository, path, {
    kind: "full",
    emptyTables: ["session"],
    onBatch: { wants: () => true, see: ({ name }, { rows }) => seen.set(name, (seen.get(name) ?? 0) + rows) },
  });
  const stored = await readDatabase(await repository.index(), capture.tree, sqliteEngine, repository.signal);
  const counts = Object.fromEntries(stored.tables.map(({ table, rowCount }) => [table.name, rowCount]));
  assert.equal(counts["session"], 0);
  for (const [name, rows] of seen) assert.equal(rows, counts[name], name);
  assert.equal(seen.has("session"), false);
  live.close();
});

type Stored = DatabaseCapture & { readonly snapshot: string };

async function backup(
  repository: TestRepository,
  path: string,
  options: Pick<CaptureDatabaseOptions, "kind"> & Partial<CaptureDatabaseOptions>,
): Promise<Stored> {
  const { signal } = repository;
  const location = `sqlite:${path}`;
  await using source = await sqliteEngine.connect({ url: location }, { signal });
  await using snapshot = await source.snapshot(signal);
  const { stored, ...capture } = await repository.upload((store, reader) =>
    captureDatabase({
      snapshot,
      engine: sqliteEngine,
      name: "main",
      location,
      store,
      reader,
      cutKey: repository.repository.secret("rows"),
      emptyTables: [],
      time: new Date().toISOString(),
      signal,
      report: () => {},
      ...options,
    }),
  );
  return { ...capture, snapshot: stored.id };
}

async function* rowsOf(stored: StoredDatabase, signal: AbortSignal): AsyncGenerator<TableRows> {
  for (const table of stored.tables) yield { table: table.table, batches: table.rows({}, signal) };
}

/** One day's work: rows that come, change, go, and change their keys. */
function work(live: DatabaseSync, day: number, rows: number): void {
  live.exec("BEGIN");
  const contact = live.prepare(`INSERT OR REPLACE INTO "联系人/Kontakt" VALUES (?, ?, ?, ?)`);
  const company = live.prepare("INSERT INTO company (name, rating, logo) VALUES (?, ?, ?)");
  const member = live.prepare("INSERT OR REPLACE INTO membership VALUES (?, ?, ?)");
  for (let index = 0; index < rows; index++) {
    const id = (index * 7919 + day * 31) % 5000;
    if (index % 10 === 0) company.run(`Firma ${day}\t${index}\n\0`, index / 7, Buffer.from([index % 256, 0, 10, 9]));
    contact.run(
      id,
      1,
      index % 5 === 0 ? null : `note ${day}/${index} ${"ä".repeat(index % 50)}`,
      2n ** 62n + BigInt(id),
    );
    member.run(`list\t${index % 9}`, id, `day ${day}`);
  }
  live.exec(`UPDATE company SET rating = rating + 1 WHERE id % 50 = ${day}`);
  live.exec(`DELETE FROM membership WHERE contact % 40 = ${day}`);
  live.exec(`UPDATE "联系人/Kontakt" SET id = id + 10000 WHERE id < 5000 AND id % 90 = ${day}`);
  live.exec("COMMIT");
}
