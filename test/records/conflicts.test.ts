import assert from "node:assert/strict";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { sqliteEngine } from "../../src/database/sqlite/sqlite.ts";
import { exitCodeOf } from "../../src/cli/exit-codes.ts";
import { applyRestore } from "../../src/engine/restore-apply.ts";
import { listSnapshots } from "../../src/engine/snapshots.ts";
import type { RestorePlan } from "../../src/engine/restore-plan.ts";
import { HoldfastError, isHoldfastError } from "../../src/lib/errors.ts";
import { recordsCrm, recordsRows, recordsSchema, type RecordsWithRows } from "../support/records-crm.ts";
import { limits } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

interface World extends AsyncDisposable {
  readonly crm: RecordsWithRows;
  readonly sql: (script: string) => Promise<string>;
}

async function world(more = ""): Promise<World> {
  const folder = temporaryFolder();
  const path = join(folder.path, "crm.db");
  const sql = async (script: string): Promise<string> => {
    using connection = new DatabaseSync(path);
    if (script.startsWith("SELECT")) {
      return connection
        .prepare(script)
        .all()
        .map((row) => Object.values(row).join("|"))
        .join("\n");
    }
    connection.exec(script);
    return "";
  };
  await sql(recordsSchema("sqlite") + recordsRows("sqlite") + more);
  const crm = await recordsCrm(folder.path, { engine: sqliteEngine, url: `sqlite:${path}`, sql });
  await crm.backup();
  return { crm, sql, [Symbol.asyncDispose]: async () => folder[Symbol.dispose]() };
}

/** What becomes of a record, and why. */
function fate(plan: RestorePlan, record: string): string {
  const row = plan.records?.rows.find((one) => one.record === record) ?? assert.fail(`${record} is not in the plan`);
  return [row.action, row.reason, row.detail].filter((one) => one !== undefined).join(" ");
}

const all = { switches: { updateChanged: true, removeNewer: true } };

test("a row that was changed again since is left, and told; what others changed beside it stays", async () => {
  await using place = await world();
  const { crm, sql } = place;
  await sql("UPDATE contact SET name = 'import', email = 'import' || id WHERE id IN (1, 2, 3)");
  await crm.backup();
  await sql("UPDATE contact SET name = 'corrected by hand' WHERE id = 1; UPDATE contact SET party = 5 WHERE id = 2");
  const [first] = (await crm.plan({ handles: ["contact/1"] })).records?.rows ?? [];
  assert.equal(first?.reason, "differs", "by default nothing that is there is touched");
  const { snapshots } = await listSnapshots(crm.engine, { repository: crm.access }, crm.run);
  const [before, after] = snapshots.map(({ id }) => ({ kind: "id" as const, prefix: id }));
  assert.ok(before && after);
  const plan = await crm.plan({ compared: ["changed"], in: ["contact"], until: after }, { ...all, point: before });
  assert.equal(fate(plan, "contact/1"), "conflict changed-again name");
  assert.equal(fate(plan, "contact/2"), "update");
  const report = await crm.apply(plan);
  assert.deepEqual(report.failed, [{ path: "contact/1", reason: "changed-again name" }]);
  assert.equal(exitCodeOf("restore-incomplete"), 30);
  assert.equal(
    await sql("SELECT name, email, party FROM contact WHERE id < 4 ORDER BY id"),
    "corrected by hand|import1|2\nContact 2|c2@example.org|5\nContact 3|c3@example.org|4",
  );
});

test("a key that another record has now: by its creation, or since it was gone in between", async () => {
  await using place = await world();
  const { crm, sql } = place;
  await sql(`DELETE FROM party_tag WHERE party = 7; DELETE FROM party_extra WHERE party_id = 7;
    UPDATE party SET name = 'somebody else', created = '2026-06-06', code = 'X' WHERE id = 7;
    DELETE FROM note WHERE id = 9`);
  await crm.backup();
  await sql("INSERT INTO note (id, body) VALUES (9, 'another note')");
  const [before, after] = (await listSnapshots(crm.engine, { repository: crm.access }, crm.run)).snapshots.map(
    ({ id }) => ({ kind: "id" as const, prefix: id }),
  );
  assert.ok(before && after);
  const plan = await crm.plan({ handles: ["party/7"], related: "none" }, { ...all, point: before });
  assert.equal(fate(plan, "party/7"), "conflict key-reused");
  const note = await crm.plan({ handles: ["note/9"], until: after }, { ...all, point: before });
  assert.equal(fate(note, "note/9"), "conflict key-reused");
});

test("nothing of a record is hung on a stranger that has its key now", async () => {
  await using place = await world();
  const { crm, sql } = place;
  await sql(`DELETE FROM invoice_line WHERE invoice IN (SELECT id FROM invoice WHERE party = 7);
    DELETE FROM note WHERE parent_type = 'party' AND parent_id = 7; DELETE FROM party_extra WHERE party_id = 7;
    DELETE FROM invoice WHERE party = 7; DELETE FROM contact WHERE party = 7; DELETE FROM party_tag WHERE party = 7;
    DELETE FROM party WHERE id = 7; INSERT INTO party (id, name, created) VALUES (7, 'somebody else', '2026-06-06');
    INSERT INTO contact (id, party, name) VALUES (900, 7, 'of somebody else')`);
  const before = await crm.rows();
  rmSync(join(crm.attachments, "notes/6.txt"));
  const one = await crm.plan({ handles: ["invoice/6"] });
  assert.equal(fate(one, "party/7"), "conflict key-reused");
  assert.equal(fate(one, "invoice/6"), "conflict parent-gone party/7");
  const whole = await crm.plan({ handles: ["party/7"] }, all);
  for (const record of ["contact/6", "invoice/6", "party_extra/7", "note/6"]) {
    assert.match(fate(whole, record), /^conflict parent-gone /, record);
  }
  assert.deepEqual(
    whole.records?.rows.filter(({ action }) => action === "remove"),
    [],
  );
  assert.equal(fate(whole, "party_tag/7/4"), "skip other-side-gone party/7");
  await crm.apply(whole);
  await crm.apply(await crm.plan({ compared: ["deleted"] }));
  assert.deepEqual(await crm.rows(), before);
  assert.ok(!existsSync(join(crm.attachments, "notes/6.txt")), "a row that stays away brings no file");
});

test("a parent that is gone keeps its children away; one that is only linked to, quietly", async () => {
  await using place = await world();
  const { crm, sql } = place;
  await sql(`DELETE FROM invoice_line WHERE invoice = 6; DELETE FROM note WHERE parent_type = 'invoice' AND parent_id = 6;
    DELETE FROM invoice WHERE id = 6; DELETE FROM party_tag WHERE tag = 2; DELETE FROM tag WHERE id = 2;
    INSERT INTO invoice (id, party, ref) VALUES (900, 1, 'FA1006')`);
  const plan = await crm.plan({ handles: ["invoice/6"] });
  assert.equal(fate(plan, "invoice/6"), "conflict unique-taken ref FA1006: invoice/900");
  const [line] = plan.records?.rows.filter(({ record }) => record.startsWith("invoice_line/")) ?? [];
  assert.equal([line?.action, line?.reason, line?.detail].join(" "), "conflict parent-gone invoice/6");
  assert.match(fate(await crm.plan({ handles: ["party/1"] }), "party_tag/1/2"), /^skip other-side-gone tag\/2$/);
  const report = await crm.apply(plan);
  assert.ok(report.failed.length > 1 && report.undo === undefined);
});

test("a link that an undo cannot put back is told: what it led to was deleted after the restore", async () => {
  await using place = await world();
  const { crm, sql } = place;
  await sql("INSERT INTO tag VALUES (50, 'new'); INSERT INTO party_tag VALUES (7, 50), (8, 50)");
  const links = await crm.plan({ compared: ["created"], in: ["party_tag"] }, all);
  await crm.apply(links);
  await sql("DELETE FROM tag WHERE id = 50");
  assert.deepEqual(
    (await crm.undo()).failed,
    ["7", "8"].map((party) => ({ path: `party_tag/${party}/50`, reason: "other-side-gone tag/50" })),
  );
});

test("what came since is removed only when asked for, and not while others name it", async () => {
  await using place = await world();
  const { crm, sql } = place;
  await sql(`INSERT INTO invoice (id, party, ref) VALUES (900, 7, 'N1'); INSERT INTO invoice_line (id, invoice, label) VALUES (900, 900, 'new');
    INSERT INTO product (id, name) VALUES (90, 'named'), (91, 'free'); UPDATE invoice_line SET product = 90 WHERE id = 1`);
  const before = await crm.rows();
  assert.equal(fate(await crm.plan({ compared: ["created"], in: ["product"] }), "product/91"), "skip newer");
  const plan = await crm.plan({ compared: ["created"], in: ["product"] }, all);
  assert.equal(fate(plan, "product/90"), "conflict still-referenced invoice_line/1");
  assert.equal(fate(plan, "product/91"), "remove");
  const parts = await crm.plan({ handles: ["party/7"] }, all);
  assert.equal(fate(parts, "invoice/900"), "remove");
  assert.equal(fate(parts, "invoice_line/900"), "remove");
  assert.equal(parts.confirm, "acme", "whoever removes types the name");
  await crm.apply(parts);
  assert.equal(await sql("SELECT count(*) FROM invoice WHERE id = 900"), "0");
  await crm.undo();
  assert.deepEqual(await crm.rows(), before);
});

test("a row that only says that it is gone is made to say that it is there, and nothing else of it is touched", async () => {
  await using place = await world();
  const { crm, sql } = place;
  await sql(
    "UPDATE party SET deleted = 1, phone = 'changed at the same time' WHERE id = 7; DELETE FROM contact WHERE id = 26",
  );
  const plan = await crm.plan({ compared: ["deleted"] });
  assert.equal(fate(plan, "party/7"), "undelete");
  assert.equal(fate(plan, "contact/26"), "insert");
  await crm.apply(plan);
  assert.equal(await sql("SELECT deleted, phone FROM party WHERE id = 7"), "0|changed at the same time");
  await crm.undo();
  assert.equal(await sql("SELECT deleted FROM party WHERE id = 7"), "1");
});

test("a plan is refused when what it rests on moved, and not when anything else did", async () => {
  await using place = await world();
  const { crm, sql } = place;
  await sql(
    "DELETE FROM invoice_line WHERE invoice = 6; DELETE FROM note WHERE parent_type = 'invoice' AND parent_id = 6; DELETE FROM invoice WHERE id = 6",
  );
  const plan = await crm.plan({ handles: ["invoice/6"] });
  await sql("UPDATE party SET phone = 'unrelated' WHERE id = 1; INSERT INTO log VALUES ('x')");
  await crm.apply(plan);
  await crm.undo();
  const again = await crm.plan({ handles: ["invoice/6"] });
  await sql("INSERT INTO invoice (id, party, ref) VALUES (6, 3, 'quick')");
  const before = await crm.rows();
  await assert.rejects(crm.apply(again), (error: unknown) => isHoldfastError(error, "plan-outdated"));
  assert.deepEqual(await crm.rows(), before);
  assert.equal(exitCodeOf("plan-outdated"), 31);
});

test("an undo puts back what is still as the restore left it, and tells what is not", async () => {
  await using place = await world();
  const { crm, sql } = place;
  await sql("UPDATE contact SET email = NULL WHERE id < 4");
  const wrong = await crm.rows();
  await crm.apply(await crm.plan({ compared: ["changed"], fields: ["email"] }));
  await sql(
    "UPDATE contact SET email = 'newer@example.org' WHERE id = 2; UPDATE contact SET name = 'newer' WHERE id = 3",
  );
  const report = await crm.undo();
  assert.deepEqual(report.failed, [{ path: "contact/2", reason: "changed-again email" }]);
  assert.equal(report.rows, 2);
  assert.equal(await sql("SELECT email, name FROM contact WHERE id IN (2, 3)"), "newer@example.org|Contact 2\n|newer");
  await sql("UPDATE contact SET email = NULL, name = 'Contact ' || id WHERE id < 4");
  assert.deepEqual(await crm.rows(), wrong);
});

test("a row that somebody removed since does not come back by an undo, nor by taking back what changed it", async () => {
  await using place = await world();
  const { crm, sql } = place;
  await sql("UPDATE contact SET email = NULL WHERE id < 4");
  await crm.backup();
  const { snapshots } = await listSnapshots(crm.engine, { repository: crm.access }, crm.run);
  const [before, after] = snapshots.map(({ id }) => ({ kind: "id" as const, prefix: id }));
  assert.ok(before && after);
  await crm.apply(await crm.plan({ compared: ["changed"], fields: ["email"] }, { point: before }));
  await sql("DELETE FROM contact WHERE id = 2");
  const left = await sql("SELECT id, email FROM contact WHERE id > 3 ORDER BY id");
  const report = await crm.undo();
  assert.deepEqual(report.failed, [{ path: "contact/2", reason: "removed-since" }]);
  assert.equal(await sql("SELECT id, email FROM contact WHERE id < 4 ORDER BY id"), "1|\n3|");
  assert.equal(await sql("SELECT id, email FROM contact WHERE id > 3 ORDER BY id"), left);
  const plan = await crm.plan({ compared: ["changed"], in: ["contact"], until: after }, { ...all, point: before });
  assert.equal(fate(plan, "contact/2"), "conflict removed-since");
  assert.equal(fate(plan, "contact/3"), "update");
  // Whoever asks for the record itself gets it.
  assert.equal(fate(await crm.plan({ handles: ["contact/2"] }, { point: before }), "contact/2"), "insert");
});

test("a row that names what is to be removed in another case is seen, where the database takes the two for equal", async () => {
  await using place = await world(`CREATE TABLE code (name TEXT PRIMARY KEY COLLATE NOCASE, label TEXT);
    CREATE TABLE coded (id INTEGER PRIMARY KEY, code TEXT COLLATE NOCASE REFERENCES code (name) ON DELETE CASCADE, body TEXT);
    INSERT INTO code VALUES ('Old', 'old'); INSERT INTO coded VALUES (1, 'OLD', 'first');`);
  const { crm, sql } = place;
  await sql("INSERT INTO code VALUES ('New', 'new'), ('Free', 'free'); INSERT INTO coded VALUES (2, 'NEW', 'kept')");
  const plan = await crm.plan({ compared: ["created"], in: ["code"] }, all);
  assert.equal(fate(plan, "code/New"), "conflict still-referenced coded/2");
  assert.equal(fate(plan, "code/Free"), "remove");
  await crm.apply(plan);
  assert.equal(await sql("SELECT code FROM coded ORDER BY id"), "OLD\nNEW");
  await sql("DELETE FROM coded WHERE id = 1");
  assert.equal(fate(await crm.plan({ handles: ["coded/1"] }), "coded/1"), "insert");
});

test("rows that the database refuses end the plan, and values that trade places are no trouble", async () => {
  await using place = await world(`CREATE TABLE rated (id INTEGER PRIMARY KEY, stars INTEGER);
    INSERT INTO rated VALUES (1, 9);`);
  const { crm, sql } = place;
  await sql("DROP TABLE rated; CREATE TABLE rated (id INTEGER PRIMARY KEY, stars INTEGER CHECK (stars < 6))");
  await assert.rejects(crm.plan({ handles: ["rated/1"] }), (error: unknown) => isHoldfastError(error, "rows-refused"));
  const before = await sql("SELECT id, email FROM contact ORDER BY id");
  await sql(
    "UPDATE contact SET email = NULL WHERE id = 1; UPDATE contact SET email = 'c1@example.org' WHERE id = 2; UPDATE contact SET email = 'c2@example.org' WHERE id = 1",
  );
  await crm.apply(await crm.plan({ compared: ["changed"], in: ["contact"], fields: ["email"] }));
  assert.equal(await sql("SELECT id, email FROM contact ORDER BY id"), before);
});

test("a restore that is cut off before its rows stay leaves nothing; after, it is finished", async () => {
  await using place = await world();
  const { crm, sql } = place;
  await sql(
    "DELETE FROM invoice_line WHERE invoice = 6; DELETE FROM note WHERE parent_type = 'invoice' AND parent_id = 6; DELETE FROM invoice WHERE id = 6",
  );
  const deleted = await crm.rows();
  const plan = await crm.plan({ handles: ["invoice/6"] });
  const rows: typeof sqliteEngine.rows = (address, mode, signal, work) =>
    sqliteEngine.rows(address, mode, signal, async (transaction) => {
      const result = await work(transaction);
      // The rows are changed and kept; the process ends before they stay.
      if (mode === "change") throw new HoldfastError("database-unreachable", {});
      return result;
    });
  const failing = { ...sqliteEngine, rows };
  const input = { plan: plan.id, password: crm.access.password, limits, crms: [crm.description] };
  await assert.rejects(applyRestore({ ...crm.engine, databases: [failing] }, input, crm.run));
  assert.deepEqual(await crm.rows(), deleted);
  await crm.apply(plan);
  assert.equal(await sql("SELECT count(*) FROM invoice WHERE id = 6"), "1");
});
