import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import { test } from "node:test";
import type { DatabaseEngine } from "../../src/database/database.ts";
import { mysqlEngine } from "../../src/database/mysql/mysql.ts";
import { Session } from "../../src/database/mysql/session.ts";
import { targetOf } from "../../src/database/mysql/location.ts";
import { applyRestore } from "../../src/engine/restore-apply.ts";
import type { RestorePlan } from "../../src/engine/restore-plan.ts";
import { undoRestore } from "../../src/engine/undo.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import type { Event } from "../../src/lib/events.ts";
import { startMariadb } from "../support/mariadb-server.ts";
import { postgres } from "../support/postgres-capture.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { limits, smallCrm, type SmallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/*
 * A swap of databases is cut off, and somebody drops or changes by hand what was built before it goes on: that is never
 * told as a success, and what was replaced can be put back.
 */

const { signal } = new AbortController();
const tables = `CREATE TABLE contact (id INT PRIMARY KEY, name VARCHAR(50)); INSERT INTO contact VALUES (1,'a'),(2,'b');
  CREATE TABLE attachment (id INT PRIMARY KEY, path VARCHAR(50)); INSERT INTO attachment VALUES (1,'logo.bin'),(2,'2026/合同.txt');
  CREATE VIEW names AS SELECT name FROM contact`;
const contents = "SELECT count(*) FROM contact WHERE name = 'later'; SELECT count(*) FROM names";

interface Sql {
  url(database: string): string;
  sql(script: string, database?: string): Promise<string>;
}

/** The real engine, whose connection ends where `cut` says: before or after the rename of that number. */
function cutOffEngine(engine: DatabaseEngine) {
  const { home } = engine;
  assert.ok(home.kind === "server");
  const cut = { before: 0, after: 0 };
  let renames = 0;
  const rename: typeof home.rename = async (from, to, renameSignal) => {
    renames++;
    if (renames === cut.before) throw new Error("cut off");
    await home.rename(from, to, renameSignal);
    if (renames === cut.after) throw new Error("cut off");
  };
  return { cut, engine: { ...engine, home: { ...home, rename } } satisfies DatabaseEngine };
}

async function crmOn(root: string, server: Sql, engine: DatabaseEngine) {
  await server.sql(engine.name === "mysql" ? "CREATE DATABASE crm CHARACTER SET utf8mb4" : "CREATE DATABASE crm");
  await server.sql(tables, "crm");
  const crm = await smallCrm(root, { url: server.url("crm"), engine });
  await crm.backup();
  await server.sql("UPDATE contact SET name = 'later'", "crm");
  const plan = await crm.plan();
  const slot = () => `crm_holdfast_new_${plan.id.replaceAll(/\W/g, "")}`.slice(0, 63);
  return {
    crm,
    plan,
    slot,
    lost: () =>
      assert.rejects(crm.apply(plan), (error) => {
        assert.ok(isHoldfastError(error, "restore-lost"), String(error));
        assert.match(String(error.facts["kept"]), /crm_holdfast_/);
        return true;
      }),
    undone: async () => {
      await undoRestore(crm.engine, { id: plan.id }, crm.run);
      assert.equal((await server.sql(contents, "crm")).trim(), "2\n2", "the live database is what it was");
    },
  };
}

const between: readonly {
  readonly what: string;
  readonly cut: { readonly before: number; readonly after: number };
  readonly hand: readonly [script: string, database?: string];
}[] = [
  { what: "dropped after the swap", cut: { before: 0, after: 2 }, hand: ["DROP DATABASE crm"] },
  { what: "robbed of a view after the swap", cut: { before: 0, after: 2 }, hand: ["DROP VIEW names", "crm"] },
];

for (const { what, cut: where, hand } of between) {
  test(`PostgreSQL: what was built is ${what}`, async () => {
    await using server = await startPostgres();
    using folder = temporaryFolder();
    const { cut, engine } = cutOffEngine(postgres);
    const { crm, plan, lost, undone } = await crmOn(folder.path, server, engine);
    Object.assign(cut, where);
    await assert.rejects(crm.apply(plan), /cut off/);
    await server.sql(...hand);
    await lost();
    await undone();
  });

  test(`MariaDB: what was built is ${what}`, async () => {
    await using server = await startMariadb();
    using folder = temporaryFolder();
    const { cut, engine } = cutOffEngine(mysqlEngine);
    const { crm, plan, lost, undone } = await crmOn(folder.path, server, engine);
    Object.assign(cut, where);
    await assert.rejects(crm.apply(plan), /cut off/);
    await server.sql(...hand);
    await lost();
    await undone();
  });
}

test("PostgreSQL: the new database is dropped between the two renames; cut off there, an undo puts the live one back", async () => {
  await using server = await startPostgres();
  using folder = temporaryFolder();
  const { cut, engine } = cutOffEngine(postgres);
  const { crm, plan, lost, undone } = await crmOn(folder.path, server, engine);
  cut.before = 2;
  await assert.rejects(crm.apply(plan), /cut off/);
  await server.sql(`DROP DATABASE crm_holdfast_${plan.id}_new`);
  await lost();
  await undone();
});

for (const [name, start, plain, hand] of [
  ["PostgreSQL", startPostgres, postgres, ["DROP DATABASE crm", "CREATE DATABASE crm"]],
  ["MariaDB", startMariadb, mysqlEngine, []],
] as const) {
  for (const end of ["goes on", "is taken back"] as const) {
    test(`${name}: what stands there is another database by the time of the swap; the restore ${end}`, async () => {
      await using server = await start();
      using folder = temporaryFolder();
      const { cut, engine } = cutOffEngine(plain);
      const { crm, plan } = await crmOn(folder.path, server, engine);
      cut.before = 1;
      await assert.rejects(crm.apply(plan), /cut off/);
      for (const statement of hand) await server.sql(statement);
      // To MariaDB and MySQL an emptied table is a new one.
      if (hand.length > 0) await server.sql(tables.replaceAll("'a'", "'newer'"), "crm");
      else await server.sql("TRUNCATE TABLE contact; INSERT INTO contact VALUES (3,'newer')", "crm");
      if (end === "goes on") {
        await crm.apply(plan);
        assert.equal((await server.sql(contents, "crm")).trim(), "0\n2");
      }
      await undoRestore(crm.engine, { id: plan.id }, crm.run);
      assert.equal((await server.sql("SELECT count(*) FROM contact WHERE name = 'newer'", "crm")).trim(), "1");
      await crm.backup();
    });
  }
}

test("MariaDB: a restored database whose tables were emptied since is taken back all the same", async () => {
  await using server = await startMariadb();
  using folder = temporaryFolder();
  const { crm, plan, slot, undone } = await crmOn(folder.path, server, mysqlEngine);
  await crm.apply(plan);
  await server.sql("TRUNCATE TABLE attachment; TRUNCATE TABLE contact", "crm");
  await undone();
  assert.equal((await server.sql("SELECT count(*) FROM names", slot())).trim(), "0", "what it had become is kept");
});

for (const moved of ["not moved", "moved"] as const) {
  test(`MariaDB: the target is dropped in the middle of a rename, tables ${moved}`, async () => {
    await using server = await startMariadb();
    using folder = temporaryFolder();
    const { crm, plan, lost, undone, slot } = await crmOn(folder.path, server, mysqlEngine);
    await renameHeldUp(server, crm, plan, slot());
    if (moved === "moved") {
      await server.sql(`RENAME TABLE ${slot()}.contact TO crm.contact, ${slot()}.attachment TO crm.attachment`);
    }
    await server.sql("DROP DATABASE crm");
    await lost();
    await undone();
  });
}

test("MariaDB: cut off in the middle of a rename, the plan goes on or is taken back", async () => {
  await using server = await startMariadb();
  for (const end of ["on", "back"] as const) {
    using folder = temporaryFolder();
    await server.sql("DROP DATABASE IF EXISTS crm");
    const { crm, plan, undone, slot } = await crmOn(folder.path, server, mysqlEngine);
    await renameHeldUp(server, crm, plan, slot());
    if (end === "on") {
      await crm.apply(plan);
      assert.equal((await server.sql(contents, "crm")).trim(), "0\n2");
    }
    await undone();
  }
});

test("MariaDB: cancelled while it is built or right before the swap, nothing is left or half made, and backups go on", async () => {
  await using server = await startMariadb();
  using folder = temporaryFolder();
  const { crm, plan } = await crmOn(folder.path, server, mysqlEngine);
  const input = { plan: plan.id, password: crm.access.password, confirm: "acme", limits } as const;
  for (const phase of ["restore", "verify", "swap"]) {
    const cancelled = new AbortController();
    const report = (event: Event): void => {
      if (event.type === "phase" && event.phase === phase) cancelled.abort(new Error("enough"));
    };
    const run = { signal: cancelled.signal, now: () => new Date(), report };
    await assert.rejects(applyRestore(crm.engine, input, run), /enough|cancelled/);
    assert.doesNotMatch(await server.sql("SHOW DATABASES"), /holdfast/, phase);
  }
  await crm.backup();
  await crm.apply(plan);
  assert.equal((await server.sql(contents, "crm")).trim(), "0\n2");
});

for (const [name, start, plain] of [
  ["PostgreSQL", startPostgres, postgres],
  ["MariaDB", startMariadb, mysqlEngine],
] as const) {
  test(`${name}: a restore, and its undo, that are cancelled within the swap end as they would have`, async () => {
    await using server = await start();
    using folder = temporaryFolder();
    const { crm, plan } = await crmOn(folder.path, server, plain);
    const { home } = plain;
    assert.ok(home.kind === "server");
    for (const does of ["restore", "undo"] as const) {
      const cancelled = new AbortController();
      let renames = 0;
      const rename: typeof home.rename = async (from, to, renameSignal) => {
        await home.rename(from, to, renameSignal);
        renames++;
        if (renames === 1) cancelled.abort(new Error("enough"));
      };
      const watched: DatabaseEngine = { ...plain, home: { ...home, rename } };
      const engine = { ...crm.engine, databases: [watched] };
      const run = { signal: cancelled.signal, now: () => new Date(), report: () => {} };
      if (does === "restore") {
        const input = { plan: plan.id, password: crm.access.password, confirm: "acme", limits } as const;
        assert.equal((await applyRestore(engine, input, run)).undo, plan.id);
        assert.equal((await server.sql(contents, "crm")).trim(), "0\n2");
      } else {
        await undoRestore(engine, { id: plan.id }, run);
        assert.equal((await server.sql(contents, "crm")).trim(), "2\n2");
      }
      assert.equal(renames, 2);
      await crm.backup();
    }
  });
}

/**
 * Applies, and ends it where its second rename moves the tables: the views are gone from there, the tables are not here.
 * Somebody who has read a table in an open transaction holds that up.
 */
async function renameHeldUp(server: Sql, { engine, access }: SmallCrm, plan: RestorePlan, slot: string): Promise<void> {
  const { home } = mysqlEngine;
  assert.ok(home.kind === "server");
  const cut = new AbortController();
  const held: typeof home.rename = async (from, to, renameSignal) => {
    if (!from.url.includes(slot)) return await home.rename(from, to, renameSignal);
    await using reader = await Session.open(await targetOf(from), undefined, signal);
    await reader.run("START TRANSACTION");
    await reader.query(`SELECT * FROM ${slot}.contact`);
    const renaming = home.rename(from, to, cut.signal);
    renaming.catch(() => {});
    const waits = "SELECT count(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'RENAME TABLE%'";
    while ((await server.sql(waits)).trim() === "0") await wait(20);
    cut.abort();
    await renaming.catch(() => {});
    // The server's thread waits on; it is ended like its client was, unless it has seen by then that nobody is there.
    const [id] = (
      await server.sql("SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE 'RENAME TABLE%'")
    ).split("\n");
    if (id) {
      await server.sql(`KILL ${id}`).catch((error: unknown) => assert.match(String(error), /Unknown thread id/));
    }
    while ((await server.sql(waits)).trim() !== "0") await wait(20);
    throw new Error("cut off");
  };
  const heldUp = { ...engine, databases: [{ ...mysqlEngine, home: { ...home, rename: held } }] };
  const input = { plan: plan.id, password: access.password, confirm: "acme", limits } as const;
  await assert.rejects(applyRestore(heldUp, input, { signal, now: () => new Date(), report: () => {} }), /cut off/);
}
