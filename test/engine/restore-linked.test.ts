import assert from "node:assert/strict";
import { lchownSync, lstatSync, mkdirSync, readdirSync, renameSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { undoRestore } from "../../src/engine/undo.ts";
import { following } from "../support/following.ts";
import { momentOf } from "../support/open-moment.ts";
import { exact, missingOnly, smallCrm, type SmallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/** A CRM whose administrator has put the database on another disk. */
async function linkedCrm(root: string): Promise<SmallCrm & { readonly real: string }> {
  const crm = await smallCrm(root);
  const disk = join(root, "disk");
  mkdirSync(disk);
  const real = join(disk, "data.sqlite");
  renameSync(crm.database, real);
  symlinkSync("../disk/data.sqlite", crm.database);
  return { ...crm, real };
}

const isLink = ({ database }: SmallCrm) => lstatSync(database).isSymbolicLink();
const count = (crm: SmallCrm) => Number(Object.values(crm.rows("SELECT count(*) FROM contact")[0] ?? {})[0]);

test("a database whose file is a link of its administrator is replaced where that leads, and so is the undo", async () => {
  using folder = temporaryFolder();
  const crm = await linkedCrm(folder.path);
  await crm.backup();
  crm.sql("PRAGMA foreign_keys=OFF; DELETE FROM contact WHERE id > 10");
  for (const switches of [exact, missingOnly]) {
    const plan = await crm.plan({ switches });
    assert.deepEqual([plan.parts[0]?.path, plan.warnings], [crm.real, []]);
    await crm.apply(plan);
    assert.deepEqual([isLink(crm), count(crm)], [true, 3000]);
    await undoRestore(crm.engine, {}, crm.run);
    assert.deepEqual([isLink(crm), count(crm)], [true, 10]);
  }
  // One that leads to what is not there is made there.
  renameSync(crm.real, `${crm.real}.away`);
  await crm.apply(await crm.plan());
  assert.deepEqual([isLink(crm), count(crm)], [true, 3000]);
  // What was written since the plan is noticed through the link.
  const stale = await crm.plan();
  using writer = new DatabaseSync(crm.database);
  writer.exec("PRAGMA journal_mode=wal; INSERT INTO contact VALUES (9000, 'late', 1)");
  await assert.rejects(crm.apply(stale), { code: "plan-outdated" });
});

test("a link of somebody else is not followed: the plan says so, and the database takes its place", async (context) => {
  if (process.geteuid?.() !== 0) return context.skip("only root gives a link to somebody else");
  using folder = temporaryFolder();
  const crm = await linkedCrm(folder.path);
  await crm.backup();
  lchownSync(crm.database, 12_345, 12_345);
  crm.sql("PRAGMA journal_mode=wal");
  using _reader = new DatabaseSync(crm.database);
  const before = readdirSync(join(folder.path, "disk"));
  const plan = await crm.plan();
  assert.deepEqual(plan.warnings, [{ code: "link-replaced", subject: crm.database }]);
  _reader.close();
  await crm.apply(await crm.plan());
  assert.equal(lstatSync(crm.database).isFile(), true);
  assert.deepEqual(readdirSync(join(folder.path, "disk")), before);
  await undoRestore(crm.engine, {}, crm.run);
  assert.equal(isLink(crm), true);
});

test("what is written ahead of a database behind a link is followed", async () => {
  using folder = temporaryFolder();
  const crm = await linkedCrm(folder.path);
  crm.sql("PRAGMA journal_mode=wal");
  using writer = new DatabaseSync(crm.database);
  writer.exec("PRAGMA wal_autocheckpoint=0");
  await using running = following(crm);
  await running.event((event) => event.type === "note" && event.code === "follow-gap");
  await crm.backup();
  writer.exec("UPDATE contact SET name = 'followed' WHERE id = 1");
  await running.durable(new Date(Date.now() + 1000).toISOString());
  const moment = momentOf({ time: new Date().toISOString() });
  writer.exec("UPDATE contact SET name = 'later' WHERE id = 1");
  await running.durable(new Date(Date.now() + 1000).toISOString());
  await running.end();
  writer.close();
  await crm.apply(await crm.plan({ point: moment, scope: { kind: "database" } }));
  assert.deepEqual(Object.values(crm.rows("SELECT name FROM contact WHERE id = 1")[0] ?? {}), ["followed"]);
});
