import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { sqliteEngine } from "../../src/database/sqlite/sqlite.ts";
import { planRestore, type RestorePlan } from "../../src/engine/restore-plan.ts";
import { applyRestore } from "../../src/engine/restore-apply.ts";
import { forget } from "../../src/engine/forget.ts";
import type { RecordFormat } from "../../src/engine/records-export.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { recordsCrm, recordsRows, recordsSchema, type RecordsWithRows } from "../support/records-crm.ts";
import { limits } from "../support/small-crm.ts";
import { diskLacks, smallDisk } from "../support/small-disk.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

interface World extends Disposable {
  readonly root: string;
  readonly crm: RecordsWithRows;
  readonly sql: (script: string) => Promise<string>;
}

function runOn(path: string, script: string): string {
  using connection = new DatabaseSync(path);
  if (script.startsWith("SELECT")) {
    const rows = connection.prepare(script).all();
    return rows.map((row) => Object.values(row).join("|")).join("\n");
  }
  connection.exec(script);
  return "";
}

async function world(): Promise<World> {
  const folder = temporaryFolder();
  const path = join(folder.path, "crm.db");
  const sql = async (script: string): Promise<string> => runOn(path, script);
  await sql(recordsSchema("sqlite") + recordsRows("sqlite"));
  const crm = await recordsCrm(folder.path, { engine: sqliteEngine, url: `sqlite:${path}`, sql });
  await crm.backup();
  return { root: folder.path, crm, sql, [Symbol.dispose]: () => folder[Symbol.dispose]() };
}

const goneInvoice = `DELETE FROM invoice_line WHERE invoice = 6; DELETE FROM invoice_line WHERE id = 1;
  DELETE FROM note WHERE parent_type = 'invoice' AND parent_id = 6; DELETE FROM invoice WHERE id = 6;
  UPDATE contact SET email = NULL WHERE id = 4`;

const exact = { switches: { updateChanged: true } };

/** As if the process were killed once its rows stay, before anything is written of that: it never goes on. */
async function applyKilled(crm: RecordsWithRows, plan: RestorePlan): Promise<void> {
  const stay = Promise.withResolvers<undefined>();
  const rows: typeof sqliteEngine.rows = async (address, mode, signal, work) => {
    const result = await sqliteEngine.rows(address, mode, signal, work);
    if (mode !== "change") return result;
    stay.resolve(undefined);
    return new Promise(() => {});
  };
  const input = { plan: plan.id, password: crm.access.password, limits, crms: [crm.description] };
  void applyRestore({ ...crm.engine, databases: [{ ...sqliteEngine, rows }] }, input, crm.run);
  await stay.promise;
}

test("a restore that was killed after its rows stay is finished by the same plan, or taken back", async () => {
  using place = await world();
  const { crm, sql } = place;
  const before = await crm.rows();
  await sql(goneInvoice);
  const damaged = await crm.rows();
  const plan = await crm.plan({ compared: ["deleted", "changed"] }, exact);
  await applyKilled(crm, plan);
  assert.deepEqual(await crm.rows(), before);
  const report = await crm.apply(plan);
  assert.deepEqual(report.failed, []);
  assert.deepEqual(await crm.rows(), before);
  await crm.undo();
  assert.deepEqual(await crm.rows(), damaged);

  const again = await crm.plan({ compared: ["deleted", "changed"] }, exact);
  await applyKilled(crm, again);
  assert.deepEqual((await crm.undo()).failed, []);
  assert.deepEqual(await crm.rows(), damaged);
});

test("records go into another database with the CRM's tables, and what they need of it that is there stays", async () => {
  using place = await world();
  const { root, crm, sql } = place;
  const live = await crm.rows();
  const other = join(root, "other.db");
  runOn(other, recordsSchema("sqlite") + recordsRows("sqlite"));
  runOn(other, `${goneInvoice}; UPDATE party SET name = 'of the other' WHERE id = 7`);
  const plan = await crm.plan({ handles: ["invoice/6"] }, { targetDatabase: `sqlite:${other}` });
  assert.equal(plan.records?.target, `sqlite:${other}`);
  const report = await crm.apply(plan);
  assert.deepEqual(report.failed, []);
  assert.equal(runOn(other, "SELECT ref FROM invoice WHERE id = 6"), "FA1006");
  assert.equal(runOn(other, "SELECT count(*) FROM invoice_line WHERE invoice = 6"), "2");
  assert.equal(runOn(other, "SELECT name FROM party WHERE id = 7"), "of the other");
  await sql("DELETE FROM invoice_line WHERE id = 99");
  await crm.undo();
  assert.equal(runOn(other, "SELECT count(*) FROM invoice WHERE id = 6"), "0");
  await sql("INSERT INTO invoice_line SELECT 99, 1 + (99 % 60), 1 + (99 % 3), 'Line 99', 99.25");
  assert.deepEqual(await crm.rows(), live, "the CRM's own database was never touched");
  const bare = join(root, "bare.db");
  runOn(bare, "CREATE TABLE party (id INTEGER PRIMARY KEY, name TEXT)");
  const partly = await crm.plan({ handles: ["invoice/6"] }, { targetDatabase: `sqlite:${bare}` });
  const reasons = new Set(
    partly.records?.rows.map(({ record, action, reason }) => `${record.split("/")[0] ?? ""} ${action} ${reason ?? ""}`),
  );
  assert.ok(reasons.has("invoice conflict table-gone") && reasons.has("party insert "), [...reasons].join("; "));
  await assert.rejects(
    crm.plan({ handles: ["invoice/6"] }, { targetDatabase: `sqlite:${join(root, "none.db")}` }),
    (error: unknown) => isHoldfastError(error, "source-missing") || isHoldfastError(error, "database-missing"),
  );
});

test("records that a search finds come back, those of one entity alone where that is asked for", async () => {
  using place = await world();
  const { crm, sql } = place;
  const before = await crm.rows();
  await sql("UPDATE contact SET email = 'gone' WHERE id = 7; UPDATE product SET name = 'gone' WHERE id = 3");
  const damaged = await crm.rows();
  const found = await crm.plan({ search: "c7@example.org" }, exact);
  assert.deepEqual(
    found.records?.rows.filter(({ action }) => action === "update").map(({ record }) => record),
    ["contact/7"],
  );
  const contacts = await crm.plan({ search: "3", in: ["product"] }, exact);
  assert.deepEqual(new Set(contacts.records?.rows.map(({ record }) => record)), new Set(["product/3"]));
  await crm.apply(found);
  await crm.apply(contacts);
  assert.deepEqual(await crm.rows(), before);
  await crm.undo();
  await crm.undo();
  assert.deepEqual(await crm.rows(), damaged);
  await assert.rejects(crm.plan({ search: "nobody says this" }), (error: unknown) =>
    isHoldfastError(error, "record-unknown"),
  );
});

/** Records as files, below `folder`; nothing live is needed. */
async function toFiles(place: World, format: RecordFormat): Promise<string> {
  const target = join(place.root, `found-${format}`);
  const report = await place.crm.apply(await planFiles(place, format, target));
  assert.deepEqual(report.failed, []);
  return target;
}

async function planFiles({ crm }: World, format: RecordFormat, target: string): Promise<RestorePlan> {
  const selection = { handles: ["party/7"], keys: [], compared: [], in: [], related: "all" as const, renames: [] };
  const switches = { createMissing: true, updateChanged: false, removeNewer: false };
  const input = {
    repository: crm.access,
    point: { kind: "latest" as const },
    crms: [crm.description],
    target,
    switches,
  };
  return await planRestore(crm.engine, { ...input, scope: { kind: "records", selection, format } }, crm.run);
}

const lacks = await diskLacks();
const title = "a disk that is full while records are written as files leaves none of them, and the same plan goes on";
test(lacks === undefined ? title : `${title} (left out: ${lacks})`, async () => {
  if (lacks !== undefined) return;
  using place = await world();
  await using disk = await smallDisk(4);
  const target = join(disk.path, "found");
  const plan = await planFiles(place, "json", target);
  // Enough for the rows, and not for all that JSON says of them.
  disk.fill(24 << 10);
  await assert.rejects(place.crm.apply(plan), { code: "target-full" });
  const left = () => (existsSync(target) ? readdirSync(target, { recursive: true, encoding: "utf8" }) : []);
  assert.deepEqual(
    left().filter((path) => /\.(json|txt)$/.test(path)),
    [],
  );
  disk.free();
  await place.crm.apply(plan);
  assert.ok(left().includes("contact.json") && left().some((path) => path.endsWith("6.txt")), left().join());
});

test("records as SQL load into an empty database of the CRM; as JSON they are what the database says", async () => {
  using place = await world();
  const { root, sql } = place;
  await sql("PRAGMA foreign_keys = OFF; DROP TABLE invoice");
  const script = readFileSync(join(await toFiles(place, "sql"), "records.sql"), "utf8");
  const empty = join(root, "empty.db");
  runOn(empty, recordsSchema("sqlite"));
  runOn(empty, `PRAGMA foreign_keys = ON; ${script}`);
  assert.equal(runOn(empty, "SELECT name, code, main_contact FROM party WHERE id = 7"), "张伟有限公司 7|C7|6");
  assert.equal(runOn(empty, "SELECT count(*) FROM invoice WHERE party = 7"), "3");
  assert.equal(runOn(empty, "SELECT count(*) FROM invoice_line"), "6");
  assert.equal(runOn(empty, "SELECT label FROM tag"), "Tag 4", "what a link leads to");
  assert.equal(runOn(empty, "SELECT colour FROM party_extra WHERE party_id = 7"), "colour 7");
  assert.equal(runOn(empty, "SELECT count(*) FROM pragma_foreign_key_check"), "0");
  const json = await toFiles(place, "json");
  const invoices: unknown = JSON.parse(readFileSync(join(json, "invoice.json"), "utf8"));
  assert.deepEqual(invoices, [
    { id: "6", party: "7", ref: "FA1006", total: "6.5" },
    { id: "26", party: "7", ref: "FA1026", total: "26.5" },
    { id: "46", party: "7", ref: "FA1046", total: "46.5" },
  ]);
  const parties: unknown = JSON.parse(readFileSync(join(json, "party.json"), "utf8"));
  assert.ok(
    Array.isArray(parties) &&
      parties.some((row: { id?: unknown; phone?: unknown }) => row.id === "7" && row.phone === "+86 10 7"),
  );
});

test("what the last twenty restores replaced is kept when backups are forgotten; what came before goes, and is told so", async () => {
  using place = await world();
  const { crm, sql } = place;
  const { engine, run } = crm;
  for (let round = 0; round < 21; round++) {
    await sql(`UPDATE product SET name = 'gone ${round}' WHERE id = 3`);
    await crm.apply(await crm.plan({ handles: ["product/3"] }, exact));
  }
  const what = { kind: "policy" as const, policies: { byCrm: {}, others: { last: 1 } } };
  const input = { repository: crm.access, what, zone: "UTC", waitMs: 0 };
  assert.equal((await forget(engine, { ...input, mode: "plan" }, run)).oldImages, 1);
  assert.equal((await forget(engine, { ...input, mode: "apply" }, run)).oldImages, 1);
  assert.equal((await forget(engine, { ...input, mode: "plan" }, run)).oldImages, 0);
  assert.equal((await crm.undo()).rows, 1);
  assert.equal(await sql("SELECT name FROM product WHERE id = 3"), "gone 20");
});
