import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { mysqlEngine } from "../../src/database/mysql/mysql.ts";
import { postgresEngine } from "../../src/database/postgres/postgres.ts";
import { sqliteEngine } from "../../src/database/sqlite/sqlite.ts";
import { browse } from "../../src/engine/browse.ts";
import { compare, type Difference } from "../../src/engine/compare.ts";
import { copySnapshots } from "../../src/engine/copy.ts";
import { drill } from "../../src/engine/drill.ts";
import { applyErase, listErasures, planErase, type ErasePlan, type EraseReport } from "../../src/engine/erase.ts";
import { exportVolumes } from "../../src/engine/export.ts";
import { forget } from "../../src/engine/forget.ts";
import { history } from "../../src/engine/history.ts";
import { prune } from "../../src/engine/prune.ts";
import { planRestore, type RestorePlan } from "../../src/engine/restore-plan.ts";
import { search, type SearchInput } from "../../src/engine/search.ts";
import type { PointName } from "../../src/engine/snapshots.ts";
import { planUndo } from "../../src/engine/undo-cause.ts";
import { type ErrorCode, isHoldfastError } from "../../src/lib/errors.ts";
import { folderDrive } from "../../src/volumes/folder-drive.ts";
import { volumeStorage } from "../../src/volumes/volume-storage.ts";
import { following } from "../support/following.ts";
import { startMariadb } from "../support/mariadb-server.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { recordsCrm, recordsRows, recordsSchema, type RecordsCrm } from "../support/records-crm.ts";
import { resticOn } from "../support/restic.ts";
import { limits } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

type Sql = (script: string) => Promise<string>;

const isError = (code: ErrorCode) => (error: unknown) => isHoldfastError(error, code);
const switches = { createMissing: true, updateChanged: false, removeNewer: false };

function planned(
  crm: RecordsCrm,
  handles: readonly string[],
  more: { search?: string; point?: PointName } = {},
): Promise<ErasePlan> {
  const input = { repository: crm.access, crms: [crm.description], point: { kind: "latest" } as const };
  return planErase(crm.engine, { ...input, handles, in: [], reason: "request 4711", ...more }, crm.run);
}

function erase(crm: RecordsCrm, { id }: ErasePlan, confirm = "acme"): Promise<EraseReport> {
  const { password } = crm.access;
  return applyErase(crm.engine, { plan: id, password, confirm, by: "J. Doe", limits }, crm.run);
}

/** What a look at a point gives, as one text. */
async function seen(crm: RecordsCrm, point: PointName, path: string): Promise<string> {
  const input = { repository: crm.access, point, path, paging: { limit: 1000 } };
  return browse(crm.engine, input, crm.run, async (answer) => {
    const lines: unknown[] = [answer];
    if (answer.type === "records") for await (const one of answer.records) lines.push(one);
    if (answer.type === "rows") for await (const one of answer.rows) lines.push(one);
    return JSON.stringify(lines);
  });
}

function found(crm: RecordsCrm, text: string, more: Partial<SearchInput> = {}): Promise<readonly string[]> {
  const input: SearchInput = {
    ...{ repository: crm.access, point: { kind: "latest" }, text, state: "there", only: [] },
    ...more,
  };
  return search(crm.engine, input, crm.run, async ({ hits }) => {
    const handles: string[] = [];
    for await (const hit of hits) handles.push(hit.type === "file" ? hit.path : hit.handle);
    return handles;
  });
}

async function differences(crm: RecordsCrm, from: PointName, to: PointName): Promise<readonly string[]> {
  const input = { repository: crm.access, crms: [crm.description], from, to, only: [] };
  return compare(crm.engine, input, crm.run, async (comparison) => {
    const all: Difference[] = [];
    for await (const one of comparison.differences) all.push(one);
    return all.flatMap((one) => (one.type === "change" ? [`${one.action} ${one.handle}`] : []));
  });
}

function whole(
  crm: RecordsCrm,
  place: { target?: string; targetDatabase?: string },
  point: PointName,
): Promise<RestorePlan> {
  const input = { repository: crm.access, point, crms: [crm.description], switches, ...place };
  const scope = place.target === undefined ? ({ kind: "database" } as const) : ({ kind: "system" } as const);
  return planRestore(crm.engine, { ...input, scope, purpose: "replacement" }, crm.run);
}

test("a comparison does not tell what named an erased record", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "crm.db");
  const sql: Sql = async (script) => {
    using connection = new DatabaseSync(path);
    connection.exec(script);
    return "";
  };
  await sql(recordsSchema("sqlite") + recordsRows("sqlite"));
  await sql("UPDATE party SET main_contact = 6 WHERE id IN (9, 10)");
  const crm = await recordsCrm(folder.path, { engine: sqliteEngine, url: `sqlite:${path}`, sql });
  const from = { kind: "id", prefix: (await crm.backup()).snapshot } as const;
  await sql("UPDATE party SET main_contact = 1 WHERE id = 9; UPDATE party SET main_contact = NULL WHERE id = 10");
  const to = { kind: "id", prefix: (await crm.backup()).snapshot } as const;
  const fields = async (): Promise<readonly unknown[]> => {
    const input = { repository: crm.access, crms: [crm.description], from, to, only: ["party"] };
    return compare(crm.engine, input, crm.run, async (comparison) => {
      const all: unknown[] = [];
      for await (const one of comparison.differences) if (one.type === "change") all.push([one.handle, ...one.fields]);
      return all;
    });
  };
  const column = "main_contact";
  assert.deepEqual(await fields(), [
    ["party/9", { column, before: "6", after: "1" }],
    ["party/10", { column, before: "6", after: null }],
  ]);
  await erase(crm, await planned(crm, ["contact/6"]));
  assert.deepEqual(await fields(), [["party/9", { column, before: null, after: "1" }]]);
});

test("an erased person is given back by nothing: looks, restores, comparisons, undo, copies", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "crm.db");
  const sqlOn =
    (file: string): Sql =>
    async (script) => {
      using connection = new DatabaseSync(file);
      if (!script.startsWith("SELECT")) return connection.exec(script) ?? "";
      return connection
        .prepare(script)
        .all()
        .map((row) => Object.values(row).join("|"))
        .join("\n");
    };
  const sql = sqlOn(path);
  await sql(recordsSchema("sqlite") + recordsRows("sqlite"));
  const crm = await recordsCrm(folder.path, { engine: sqliteEngine, url: `sqlite:${path}`, sql });
  const first = { kind: "id", prefix: (await crm.backup()).snapshot } as const;
  await sql("DELETE FROM note WHERE id = 26; UPDATE party SET phone = 'changed' WHERE id IN (7, 8)");
  // An undo is kept that would bring the person back.
  await sql("UPDATE contact SET email = 'x' || id WHERE id IN (6, 5)");
  const restore = await crm.plan({ compared: ["changed"], in: ["contact"], fields: ["email"] }, { point: first });
  await crm.apply(restore);
  const second = { kind: "id", prefix: (await crm.backup()).snapshot } as const;

  const plan = await planned(crm, ["party/7"]);
  const counts = new Map(plan.groups.map(({ name, count }) => [name, count]));
  assert.equal(counts.get("party"), 1);
  assert.deepEqual([counts.get("contact"), counts.get("invoice"), counts.get("invoice_line")], [2, 3, 6]);
  assert.ok((counts.get("note") ?? 0) >= 3, "the note that only the older point has belongs to it too");
  assert.deepEqual(plan.files.toSorted(), ["/files/attachments/notes/5.txt", "/files/attachments/notes/6.txt"]);
  assert.equal(plan.points, 2);
  assert.ok(plan.stillThere > 0);
  await assert.rejects(erase(crm, plan, "other"), isError("confirm-needed"));
  assert.deepEqual((await listErasures(crm.engine, { repository: crm.access }, crm.run)).erasures, []);
  const report = await erase(crm, plan);
  assert.equal(report.files, 2);
  await assert.rejects(erase(crm, plan), isError("plan-unknown"));
  const [listed] = (await listErasures(crm.engine, { repository: crm.access }, crm.run)).erasures;
  assert.deepEqual([listed?.records, listed?.by, listed?.reason], [["party/7"], "J. Doe", "request 4711"]);

  for (const point of [first, second]) {
    await assert.rejects(seen(crm, point, "party/7"), isError("nothing-matched"));
    assert.doesNotMatch(await seen(crm, point, "party"), /有限公司 7"/);
    assert.doesNotMatch(await seen(crm, point, "/databases/main/contact"), /c6@example.org/);
    await assert.rejects(
      seen(crm, point, "/databases/main/tables/main/party/base/0000/rows"),
      isError("nothing-matched"),
    );
    assert.doesNotMatch(await seen(crm, point, "/files/attachments/notes"), /"[56].txt/);
    assert.match(await seen(crm, point, "/files/attachments/notes"), /"8.txt/);
    assert.deepEqual(await found(crm, "c6@example.org", { point }), []);
    assert.deepEqual(await found(crm, "c5@example.org", { point }), ["contact/5"]);
    await assert.rejects(crm.plan({ handles: ["party/7"] }, { point }), isError("record-unknown"));
  }
  await assert.rejects(
    history(crm.engine, { repository: crm.access, record: "party/7", live: "without" }, crm.run),
    isError("nothing-matched"),
  );
  assert.ok(
    (await history(crm.engine, { repository: crm.access, record: "party/8", live: "without" }, crm.run)).versions
      .length > 1,
  );
  assert.deepEqual(await differences(crm, first, second), ["changed party/8"]);

  // Deleted in the CRM as well: no comparison brings it back, and it is told how much was held back.
  await sql(`UPDATE party SET main_contact = NULL WHERE id = 7; DELETE FROM invoice_line WHERE invoice IN (SELECT id FROM invoice WHERE party = 7);
    DELETE FROM note WHERE (parent_type = 'party' AND parent_id = 7) OR (parent_type = 'invoice' AND parent_id IN (SELECT id FROM invoice WHERE party = 7));
    DELETE FROM invoice WHERE party = 7; DELETE FROM contact WHERE party = 7; DELETE FROM party_tag WHERE party = 7;
    DELETE FROM party_extra WHERE party_id = 7; DELETE FROM party WHERE id = 7; DELETE FROM tag WHERE label = 'nobody''s'`);
  const gone = await crm.rows();
  const compared = await crm.plan({ compared: ["deleted"] });
  assert.ok((compared.heldBack?.rows ?? 0) >= 14, JSON.stringify(compared.heldBack));
  assert.deepEqual(
    compared.records?.rows.filter(({ action }) => action === "insert"),
    [],
  );
  await crm.apply(compared);
  assert.deepEqual(await crm.rows(), gone);
  assert.deepEqual(
    await found(crm, "c6@example.org", { state: "deleted", point: { kind: "live" }, crms: [crm.description] }),
    [],
  );
  // The earlier restore's images hold the contact's e-mail address: an undo gives back the other contact's alone.
  await crm.undo();
  assert.equal(await sql("SELECT id, email FROM contact WHERE email LIKE 'x%'"), "5|x5");
  await sql("UPDATE contact SET email = 'c5@example.org' WHERE id = 5");

  // The whole system elsewhere.
  const target = join(folder.path, "elsewhere");
  const done = await crm.apply(await whole(crm, { target }, first));
  assert.equal(done.heldBack?.rows, report.rows);
  assert.equal(done.heldBack?.files, 2);
  const there = sqlOn(join(target, "crm.db"));
  assert.equal(await there("SELECT count(*) FROM party WHERE id = 7"), "0");
  assert.equal(await there("SELECT count(*) FROM party"), "19");
  assert.equal(await there("SELECT count(*) FROM pragma_foreign_key_check"), "0");

  // Its key is another one's now: that one is given back.
  await sql("INSERT INTO party (id, name, code, created) VALUES (7, 'somebody else', 'N7', '2026-11-11')");
  const third = { kind: "id", prefix: (await crm.backup()).snapshot } as const;
  assert.match(await seen(crm, third, "party/7"), /somebody else/);
  await assert.rejects(seen(crm, second, "party/7"), isError("nothing-matched"));

  // The ledger is neither forgotten nor left behind.
  const repository = resticOn(crm.access.location, crm.access.password);
  const ledger = (await repository.snapshots()).find(({ paths }) => paths[0] === "/acme.ledger");
  const id = ledger?.id ?? assert.fail("no ledger");
  const forgetting = { repository: crm.access, mode: "apply", zone: "UTC", waitMs: 0 } as const;
  await assert.rejects(
    forget(crm.engine, { ...forgetting, what: { kind: "ids", ids: [id] } }, crm.run),
    isError("snapshot-ledger"),
  );
  const to = { location: join(folder.path, "copy"), password: "another" };
  const copying = { from: crm.access, to, name: "copy", missing: "create", limits, waitMs: 0 } as const;
  await copySnapshots(crm.engine, { ...copying, points: [second] }, crm.run);
  const copy = { ...crm, access: to };
  assert.deepEqual(await found(copy, "c6@example.org"), []);
  assert.deepEqual(await found(copy, "c5@example.org"), ["contact/5"]);
  await repository.check();
});

test("the words of an erased person do not stay in a full-text index over the CRM's tables", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "crm.db");
  {
    using connection = new DatabaseSync(path);
    connection.exec(`${recordsSchema("sqlite")} ${recordsRows("sqlite")}
      UPDATE contact SET name = 'Anna Schmidt' WHERE id = 6;
      CREATE VIRTUAL TABLE words USING fts5 (name, email, content='contact', content_rowid='id');
      INSERT INTO words (words) VALUES ('rebuild');`);
  }
  const crm = await recordsCrm(folder.path, { engine: sqliteEngine, url: `sqlite:${path}`, sql: async () => "" });
  await crm.backup();
  await erase(crm, await planned(crm, ["contact/6"]));
  const target = join(folder.path, "copy");
  const input = {
    repository: crm.access,
    point: { kind: "latest" } as const,
    crms: [crm.description],
    switches,
    target,
  };
  const plan = await planRestore(crm.engine, { ...input, scope: { kind: "system" }, purpose: "replacement" }, crm.run);
  await crm.apply(plan);
  using copy = new DatabaseSync(join(target, "crm.db"));
  assert.equal(copy.prepare("SELECT count(*) FROM words WHERE words MATCH 'contact'").get()?.["count(*)"], 39);
  assert.doesNotMatch(readFileSync(join(target, "crm.db"), "latin1"), /schmidt/i);
});

test("whoever is erased while still in the CRM stays held back in later backups; a drill of such a point passes", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "crm.db");
  const sql: Sql = async (script) => {
    using connection = new DatabaseSync(path);
    connection.exec(script);
    return "";
  };
  await sql(recordsSchema("sqlite") + recordsRows("sqlite"));
  const crm = await recordsCrm(folder.path, { engine: sqliteEngine, url: `sqlite:${path}`, sql: async () => "" });
  await crm.backup();
  await erase(crm, await planned(crm, [], { search: "c6@example.org" }));
  await sql("UPDATE party SET phone = 'later' WHERE id = 3");
  const { snapshot } = await crm.backup();
  const later = { kind: "id", prefix: snapshot } as const;
  await assert.rejects(seen(crm, later, "contact/6"), isError("nothing-matched"));
  assert.match(await seen(crm, later, "party/7"), /party\/7/);
  const report = await drill(
    crm.engine,
    {
      repository: crm.access,
      point: later,
      limits,
      crms: [crm.description],
      checksOf: () => [
        { name: "nobody", sql: "SELECT count(*) = 0 FROM contact WHERE id = 6" },
        { name: "named by nobody", sql: "SELECT main_contact IS NULL FROM party WHERE id = 7" },
      ],
    },
    crm.run,
  );
  assert.equal(report.outcome, "ok", JSON.stringify(report));
});

test("whom was erased neither the journal, nor files of records, nor volumes, nor a pruned repository give back", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "crm.db");
  const sql: Sql = async (script) => {
    using connection = new DatabaseSync(path);
    return connection.exec(script) ?? "";
  };
  await sql(recordsSchema("sqlite") + recordsRows("sqlite"));
  const crm = await recordsCrm(folder.path, { engine: sqliteEngine, url: `sqlite:${path}`, sql });
  await using running = following(crm);
  await running.event((event) => event.type === "note" && event.code === "follow-gap");
  const first = { kind: "id", prefix: (await crm.backup()).snapshot } as const;
  const commit = async (script: string) => {
    await sql(script);
    await running.durable(new Date(Date.now() + 1000).toISOString());
    return { kind: "moment", time: new Date() } as const;
  };
  const before = new Date();
  const changed = await commit(
    "UPDATE party SET phone = 'his secret phone' WHERE id = 7; UPDATE party SET phone = 'an open phone' WHERE id = 8",
  );
  const inserted = await commit("INSERT INTO note VALUES (90, 'party', 7, 'what is said of him', NULL)");
  // In no backup: only the journal knows of him.
  const passing = await commit("INSERT INTO contact VALUES (900, 8, 'Passing By', 'passing@example.org')");
  await commit("DELETE FROM contact WHERE id = 900");
  const second = { kind: "id", prefix: (await crm.backup()).snapshot } as const;
  await running.end();
  assert.match(await seen(crm, passing, "contact/900"), /passing@example.org/);
  const passed = await planned(crm, ["contact/900"], { point: passing });
  assert.deepEqual([passed.groups.map(({ name, count }) => [name, count]), passed.stillThere], [[["contact", 1]], 0]);
  await erase(crm, passed);
  await assert.rejects(seen(crm, passing, "contact/900"), isError("nothing-matched"));
  assert.deepEqual(await found(crm, "passing", { point: passing }), []);
  assert.deepEqual(await counted(crm, changed), await shown(crm, changed));
  assert.match(await seen(crm, changed, "party/7"), /his secret phone/);
  assert.match(await exported(crm, first, join(folder.path, "before")), /c6@example.org/);

  const { rows } = await erase(crm, await planned(crm, ["party/7"]));
  const others = { party: 19, party_extra: 19, party_tag: 19, contact: 38, invoice: 57, invoice_line: 114 };
  for (const point of [first, changed, inserted, second]) {
    const counts = await counted(crm, point);
    assert.deepEqual(counts, await shown(crm, point));
    assert.deepEqual({ ...counts, ...others }, counts);
    await assert.rejects(seen(crm, point, "party/7"), isError("nothing-matched"));
    assert.doesNotMatch(await seen(crm, point, "/databases/main/party"), /his secret/);
    assert.doesNotMatch(await seen(crm, point, "/databases/main/note"), /said of him/);
    assert.deepEqual(await found(crm, "secret", { point }), []);
    await assert.rejects(crm.plan({ handles: ["party/7"] }, { point }), isError("record-unknown"));
  }
  assert.match(await seen(crm, changed, "party/8"), /an open phone/);
  const asked = (record: string) => history(crm.engine, { repository: crm.access, record, live: "without" }, crm.run);
  await assert.rejects(asked("party/7"), isError("nothing-matched"));
  assert.match(JSON.stringify((await asked("party/8")).versions), /an open phone/);

  // Whoever is still in the CRM is not taken for somebody who came after: what spoiled a row is undone without it.
  const between = { kind: "between", from: before, to: changed.time } as const;
  const undoing = await planUndo(
    crm.engine,
    { repository: crm.access, crms: [crm.description], cause: between },
    crm.run,
  );
  assert.deepEqual(
    undoing.records?.rows.map(({ action, record }) => `${action} ${record}`),
    ["update party/8"],
  );
  assert.equal(undoing.heldBack?.rows, 1);

  const after = await exported(crm, first, join(folder.path, "after"));
  assert.match(after, /c5@example.org/);
  assert.doesNotMatch(after, /c6@example.org/);

  // Written since, and nothing without whom it names.
  await sql("INSERT INTO note VALUES (91, 'party', 7, 'what is said of him later', NULL)");
  const third = { kind: "id", prefix: (await crm.backup()).snapshot } as const;
  assert.doesNotMatch(await seen(crm, third, "/databases/main/note"), /said of him/);
  assert.deepEqual(await counted(crm, third), await shown(crm, third));

  // Volumes hold the ledger with the rest.
  const volumes = join(folder.path, "volumes");
  const withVolumes: RecordsCrm = {
    ...crm,
    access: { ...crm.access, location: `volumes:${volumes}` },
    engine: {
      ...crm.engine,
      openDrive: ({ place }) => folderDrive(place),
      openStorage: (location) => volumeStorage(location, folderDrive(volumes)),
    },
  };
  const exporting = {
    repository: crm.access,
    to: { place: volumes },
    unfinished: "fail",
    label: () => "",
    waitMs: 0,
  } as const;
  await exportVolumes({ ...crm.engine, openDrive: ({ place }) => folderDrive(place) }, exporting, crm.run);
  await assert.rejects(seen(withVolumes, first, "party/7"), isError("nothing-matched"));
  assert.match(await seen(withVolumes, first, "party/8"), /party\/8/);

  // What the ledger says is needed by every point, so none of it is pruned.
  const forgetting = { repository: crm.access, mode: "apply", zone: "UTC", waitMs: 0 } as const;
  await forget(crm.engine, { ...forgetting, what: { kind: "ids", ids: [first.prefix] } }, crm.run);
  const pruning = { repository: crm.access, limits, keepMarkedMs: 0, mode: "apply", waitMs: 0 } as const;
  await prune(crm.engine, { ...pruning, maxUnused: { bytes: 0 }, maxRepackBytes: Infinity }, crm.run);
  await assert.rejects(seen(crm, second, "party/7"), isError("nothing-matched"));
  assert.deepEqual(await counted(crm, second), await shown(crm, second));
  const done = await crm.apply(await whole(crm, { target: join(folder.path, "elsewhere") }, second));
  assert.equal(done.heldBack?.rows, rows);
});

/** How many rows of each table a point is said to have. */
async function counted(crm: RecordsCrm, point: PointName): Promise<Record<string, number | undefined>> {
  const input = { repository: crm.access, point, path: "/databases/main" };
  return browse(crm.engine, input, crm.run, async (answer) => {
    assert.equal(answer.type, "list");
    return Object.fromEntries(answer.type === "list" ? answer.entries.map(({ name, rows }) => [name, rows]) : []);
  });
}

/** And how many it shows. */
async function shown(crm: RecordsCrm, point: PointName): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const name of Object.keys(await counted(crm, point))) {
    const input = { repository: crm.access, point, path: `/databases/main/${name}` };
    counts[name] = await browse(crm.engine, input, crm.run, async (answer) =>
      answer.type === "rows" ? (await Array.fromAsync(answer.rows)).length : -1,
    );
  }
  return counts;
}

/** All contacts, as files; their contents. */
async function exported(crm: RecordsCrm, point: PointName, target: string): Promise<string> {
  const selection = {
    handles: [],
    keys: [],
    compared: [],
    in: ["contact"],
    related: "none",
    renames: [],
    search: "example.org",
  } as const;
  const plan = await planRestore(
    crm.engine,
    {
      repository: crm.access,
      point,
      crms: [crm.description],
      scope: { kind: "records", selection, format: "csv" },
      switches,
      target,
    },
    crm.run,
  );
  await crm.apply(plan);
  return readFileSync(join(target, "contact.csv"), "utf8");
}

async function onServer(crm: RecordsCrm, sql: Sql, copy: { readonly url: string; readonly sql: Sql }): Promise<void> {
  const point = { kind: "id", prefix: (await crm.backup()).snapshot } as const;
  const report = await erase(crm, await planned(crm, ["party/9", "contact/6"]));
  const done = await crm.apply(await whole(crm, { targetDatabase: copy.url }, point));
  assert.equal(done.heldBack?.rows, report.rows);
  assert.equal((await copy.sql("SELECT count(*) FROM party")).trim(), "19");
  assert.equal((await copy.sql("SELECT count(*) FROM contact WHERE id = 6 OR party = 9")).trim(), "0");
  // Party 7 named the contact, and is there without it.
  assert.equal((await copy.sql("SELECT count(*) FROM party WHERE id = 7 AND main_contact IS NULL")).trim(), "1");
  assert.equal((await sql("SELECT count(*) FROM party")).trim(), "20", "the live CRM is left alone");
}

test("a database on PostgreSQL is restored without whom was erased, and its foreign keys hold", async () => {
  using folder = temporaryFolder();
  await using server = await startPostgres();
  await server.sql("CREATE DATABASE crm");
  await server.sql(recordsSchema("postgres") + recordsRows("postgres"), "crm");
  const sql: Sql = (script) => server.sql(script, "crm");
  const crm = await recordsCrm(folder.path, { engine: postgresEngine({}), url: server.url("crm"), sql });
  await onServer(crm, sql, { url: server.url("copy"), sql: (script) => server.sql(script, "copy") });
});

test("the same on MariaDB", async () => {
  using folder = temporaryFolder();
  await using server = await startMariadb();
  await server.sql("CREATE DATABASE crm CHARACTER SET utf8mb4");
  await server.sql(recordsSchema("mysql") + recordsRows("mysql"), "crm");
  const sql: Sql = (script) => server.sql(script, "crm");
  const crm = await recordsCrm(folder.path, { engine: mysqlEngine, url: server.url("crm"), sql });
  await onServer(crm, sql, { url: server.url("copy"), sql: (script) => server.sql(script, "copy") });
});
