import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { custom } from "../../src/crm/custom.ts";
import { sqliteEngine } from "../../src/database/sqlite/sqlite.ts";
import { browse } from "../../src/engine/browse.ts";
import { compare } from "../../src/engine/compare.ts";
import { applyErase, planErase } from "../../src/engine/erase.ts";
import { history } from "../../src/engine/history.ts";
import { search, type SearchInput } from "../../src/engine/search.ts";
import { type ErrorCode, isHoldfastError } from "../../src/lib/errors.ts";
import { platformCrm, recordsModel, recordsRows, recordsSchema, type RecordsCrm } from "../support/records-crm.ts";
import { limits } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const isError = (code: ErrorCode, names?: string) => (error: unknown) =>
  isHoldfastError(error, code) && (names === undefined || error.facts["names"] === names);

function sqliteFile(path: string) {
  return {
    url: `sqlite:${path}`,
    change(statements: string): void {
      using connection = new DatabaseSync(path);
      connection.exec(statements);
    },
    ask(query: string): unknown {
      using connection = new DatabaseSync(path);
      return connection
        .prepare(query)
        .all()
        .map((row) => Object.values(row).join(" "));
    },
  };
}

/** As CiviCRM has them: its own and that of the CMS, with a table of one name in both. */
async function twoDatabases(root: string) {
  const [main, cms] = [sqliteFile(join(root, "crm.db")), sqliteFile(join(root, "cms.db"))];
  main.change(recordsSchema("sqlite"));
  main.change(recordsRows("sqlite"));
  cms.change(`CREATE TABLE users (uid INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE role (uid INTEGER NOT NULL REFERENCES users (uid), name TEXT NOT NULL, PRIMARY KEY (uid, name));
    CREATE TABLE tag (id INTEGER PRIMARY KEY, label TEXT);
    INSERT INTO users VALUES (1, 'Grace Hopper'), (2, 'Ada Lovelace');
    INSERT INTO role VALUES (2, 'editor');
    INSERT INTO tag VALUES (1, 'cms tag'), (9, 'cms only');`);
  const databases = [
    { name: "main", url: main.url },
    { name: "cms", url: cms.url },
  ];
  const parts: typeof custom.parts = async (...asked) => ({ ...(await custom.parts(...asked)), databases });
  const platform = { ...custom, model: async () => recordsModel, parts };
  const crm = await platformCrm(root, { platform, engine: sqliteEngine, url: main.url, files: root });
  await crm.backup();
  return { crm, main, cms };
}

async function found(crm: RecordsCrm, text: string, more: Partial<SearchInput> = {}): Promise<readonly string[]> {
  const input: SearchInput = {
    ...{ repository: crm.access, crms: [crm.description], point: { kind: "latest" }, text, state: "there", only: [] },
    ...more,
  };
  return search(crm.engine, input, crm.run, async ({ hits }) =>
    (await Array.fromAsync(hits)).map((hit) => (hit.type === "record" ? hit.handle : hit.path)),
  );
}

function shown(crm: RecordsCrm, path: string): Promise<unknown> {
  const input = { repository: crm.access, crms: [crm.description], point: { kind: "latest" } as const, path };
  return browse(crm.engine, input, crm.run, async (answer) => {
    if (answer.type === "records") return (await Array.fromAsync(answer.records)).map(({ handle }) => handle);
    if (answer.type === "list") return answer.entities?.map(({ name }) => name);
    return answer.type === "record" ? [answer.handle, ...answer.fields.map(({ value }) => value)] : undefined;
  });
}

test("records are looked for in every database, and named by it where two know the name", async () => {
  using folder = temporaryFolder();
  const { crm, cms } = await twoDatabases(folder.path);
  assert.deepEqual(await found(crm, "lovelace"), ["users/2"]);
  assert.deepEqual(await found(crm, "tag"), ["main:tag/1", "main:tag/2", "main:tag/3", "main:tag/4", "cms:tag/1"]);
  assert.deepEqual(await found(crm, "tag", { only: ["cms"] }), ["cms:tag/1"]);
  assert.deepEqual(await found(crm, "tag", { only: ["main:tag"] }), (await found(crm, "tag")).slice(0, -1));
  assert.deepEqual(await shown(crm, "users/2"), ["users/2", "2", "Ada Lovelace"]);
  assert.deepEqual(await shown(crm, "cms:tag"), ["cms:tag/1", "cms:tag/9"]);
  assert.deepEqual(await shown(crm, "tag/9"), ["cms:tag/9", "9", "cms only"]);
  assert.deepEqual(await shown(crm, "cms:users/2"), ["users/2", "2", "Ada Lovelace"]);
  const everything = await shown(crm, "/");
  assert.deepEqual(everything, ["party", "contact", "invoice", "product", "users", "role", "cms:tag"]);
  for (const path of ["tag", "tag/1"]) await assert.rejects(shown(crm, path), isError("record-ambiguous"));
  await assert.rejects(shown(crm, "tag/1"), isError("record-ambiguous", "main:tag/1, cms:tag/1"));
  await assert.rejects(shown(crm, "cms:party/1"), isError("nothing-matched"));

  cms.change(
    "UPDATE tag SET label = 'now' WHERE id = 1; DELETE FROM role; CREATE TABLE later (id INTEGER PRIMARY KEY)",
  );
  await crm.backup();
  const versions = async (record: string) =>
    (await history(crm.engine, { repository: crm.access, record, live: "without" }, crm.run)).versions.length;
  assert.deepEqual([await versions("cms:tag/1"), await versions("main:tag/1"), await versions("tag/9")], [2, 1, 1]);
  await assert.rejects(versions("tag/1"), isError("record-ambiguous"));
});

test("records of any database come back into it, and a restore into one at a time", async () => {
  using folder = temporaryFolder();
  const { crm, main, cms } = await twoDatabases(folder.path);
  const all = "SELECT * FROM users LEFT JOIN role USING (uid)";
  const whole = cms.ask(all);
  cms.change("DELETE FROM role; DELETE FROM users WHERE uid = 2; DELETE FROM tag WHERE id = 1");
  main.change("DELETE FROM note WHERE id = 9");
  const one = await crm.plan({ handles: ["users/2"] });
  assert.deepEqual([one.records?.database, one.records?.target], ["cms", cms.url]);
  await crm.apply(one);
  assert.deepEqual(cms.ask(all), whole);
  await crm.undo();
  assert.notDeepEqual(cms.ask(all), whole);
  const keys = [{ name: "users", keys: [["2"]] }];
  for (const selection of [{ search: "lovelace" }, { keys }, { compared: ["deleted"], in: ["users"] }] as const) {
    assert.deepEqual(
      (await crm.plan(selection)).records?.groups.map(({ name }) => name),
      ["users", "role"],
    );
  }
  const records = async (plan: Parameters<typeof crm.plan>[0]) =>
    (await crm.plan(plan)).records?.rows.map(({ record }) => record).toSorted();
  const both = { compared: ["deleted"] } as const;
  await assert.rejects(crm.plan(both), isError("records-databases", "main, cms"));
  assert.deepEqual(await records({ ...both, in: ["main"] }), ["note/9"]);
  assert.deepEqual(await records({ ...both, in: ["cms"] }), ["cms:tag/1", "role/2/editor", "users/2"]);
  assert.deepEqual(await records({ ...both, in: ["cms:tag"] }), ["cms:tag/1"]);
  await assert.rejects(crm.plan({ handles: ["tag/1"] }), isError("record-ambiguous"));
  await assert.rejects(crm.plan({ ...both, in: ["elsewhere"] }), isError("record-unknown"));
});

test("somebody is erased out of every database", async () => {
  using folder = temporaryFolder();
  const { crm, main } = await twoDatabases(folder.path);
  main.change("UPDATE contact SET name = 'Ada Lovelace' WHERE id = 7");
  await crm.backup();
  const input = { repository: crm.access, crms: [crm.description], point: { kind: "latest" } as const };
  const plan = await planErase(
    crm.engine,
    { ...input, handles: [], in: [], search: "lovelace", reason: "request 7" },
    crm.run,
  );
  assert.deepEqual(
    plan.groups.map(({ name, count }) => `${name} ${count}`),
    ["contact 1", "users 1", "role 1"],
  );
  assert.deepEqual([plan.points, plan.stillThere], [2, 3]);
  await applyErase(
    crm.engine,
    { plan: plan.id, password: crm.access.password, confirm: "acme", by: "J. Doe", limits },
    crm.run,
  );
  assert.deepEqual(await found(crm, "lovelace"), []);
  assert.deepEqual(await found(crm, "hopper"), ["users/1"]);
});

test("a database that came between two points came with all its tables", async () => {
  using folder = temporaryFolder();
  const { crm } = await twoDatabases(folder.path);
  const [platform] = crm.engine.platforms;
  assert(platform);
  const parts: typeof platform.parts = async (...asked) => {
    const both = await platform.parts(...asked);
    return { ...both, databases: both.databases.slice(0, 1) };
  };
  const engine = { ...crm.engine, platforms: [{ ...platform, parts }] };
  const from = { kind: "latest" } as const;
  const input = { repository: crm.access, crms: [crm.description], from, to: { kind: "live" } as const, only: [] };
  const differences = await compare(engine, input, crm.run, (comparison) => Array.fromAsync(comparison.differences));
  assert.deepEqual(
    differences
      .flatMap((one) => (one.type === "schema" ? [`${one.database}:${one.table} ${one.what}`] : []))
      .toSorted(),
    ["cms:role table-removed", "cms:tag table-removed", "cms:users table-removed"],
  );
});
