import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { mysqlEngine } from "../../src/database/mysql/mysql.ts";
import { postgresEngine } from "../../src/database/postgres/postgres.ts";
import { sqliteEngine } from "../../src/database/sqlite/sqlite.ts";
import { planRestore, type RestorePlan, type RestorePlanInput } from "../../src/engine/restore-plan.ts";
import { type ErrorCode, isHoldfastError } from "../../src/lib/errors.ts";
import { startMariadb } from "../support/mariadb-server.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { recordsCrm, recordsRows, recordsSchema, type RecordsCrm } from "../support/records-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

type Sql = (script: string) => Promise<string>;

const isError = (code: ErrorCode) => (error: unknown) => isHoldfastError(error, code);
const switches = { createMissing: true, updateChanged: false, removeNewer: false };

/** People whose names stand in two tables, and one whom a text of another mentions. */
const people = `
  UPDATE contact SET name = 'Anna Schmidt', email = 'anna.schmidt@firma.test' WHERE id = 6;
  UPDATE contact SET name = 'Anna Schmidt', email = 'a.schmidt@firma.test' WHERE id = 26;
  UPDATE note SET body = 'called Anna Schmidt' WHERE id = 6;`;

type Rules = NonNullable<RecordsCrm["description"]["anonymise"]>;

function clone(
  crm: RecordsCrm,
  place: Partial<RestorePlanInput>,
  files: "left-out" | "kept" = "left-out",
  rules: Rules = {},
): Promise<RestorePlan> {
  const crms = [{ ...crm.description, anonymise: rules }];
  const input = { repository: crm.access, point: { kind: "latest" } as const, crms, switches };
  return planRestore(
    crm.engine,
    { ...input, scope: { kind: "system" }, purpose: "clone", anonymise: { files }, ...place },
    crm.run,
  );
}

/** What must hold in a copy, whatever the engine. */
async function check(live: Sql, copy: Sql): Promise<void> {
  const both = async (sql: string): Promise<readonly [string, string]> => [await live(sql), await copy(sql)];
  const same = async (sql: string): Promise<void> => {
    const [a, b] = await both(sql);
    assert.equal(a, b, sql);
  };
  await same("SELECT count(*) FROM contact");
  await same("SELECT count(DISTINCT email) FROM contact");
  await same("SELECT count(DISTINCT name) FROM contact");
  await same("SELECT a.id FROM contact a JOIN contact b ON a.name = b.name AND a.id <> b.id ORDER BY a.id");
  await same("SELECT ref FROM invoice ORDER BY id");
  await same("SELECT label FROM tag ORDER BY id");
  await same("SELECT party FROM contact ORDER BY id");
  const [, all] = await both(
    "SELECT id, name, email FROM contact UNION ALL SELECT id, name, phone FROM party UNION ALL SELECT id, body, path FROM note",
  );
  assert.doesNotMatch(all, /Anna|Schmidt|firma\.test|\bc5@example|Contact \d|张伟|\+86 10 7\b|Note \d/);
  assert.match(all, /p[0-9a-f]{16}@example\.org/);
  assert.match(await copy("SELECT phone FROM party WHERE id = 12"), /\+\d\d \d\d \d\d/);
  assert.match(await copy("SELECT name FROM party WHERE id = 12"), /^\p{Script=Han}{4,}$/mu);
}

test("a clone is anonymised: joins, uniqueness and forms hold, and nobody is left in it (SQLite)", async () => {
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
  await sql(recordsSchema("sqlite") + recordsRows("sqlite") + people);
  const crm = await recordsCrm(folder.path, { engine: sqliteEngine, url: `sqlite:${path}`, sql });
  await crm.backup();
  const target = join(folder.path, "copy");
  const plan = await clone(crm, { target });
  const ruled = plan.anonymised?.rules.map(({ table, column, kind }) => `${table}.${column} ${kind}`);
  for (const rule of ["contact.name name", "contact.email email", "party.phone phone", "note.body text"]) {
    assert.ok(ruled?.includes(rule), `${rule} of ${ruled?.join(", ")}`);
  }
  await crm.apply(plan);
  await check(sql, sqlOn(join(target, "crm.db")));
  assert.ok(
    !existsSync(join(target, "attachments/notes/6.txt")) && !existsSync(join(target, "files/attachments/notes/6.txt")),
  );

  // The same secret makes the same of it.
  const again = join(folder.path, "again");
  await crm.apply(await clone(crm, { target: again }));
  const names = "SELECT name, email FROM contact ORDER BY id";
  assert.equal(await sqlOn(join(again, "crm.db"))(names), await sqlOn(join(target, "crm.db"))(names));

  // A column that nobody thought of: nothing is made, and it is named.
  const leaking = join(folder.path, "leaking");
  await sql("UPDATE tag SET label = 'friend of anna.schmidt@firma.test' WHERE id = 1");
  await crm.backup();
  const plan2 = await clone(crm, { target: leaking });
  await assert.rejects(crm.apply(plan2), (error: unknown) => {
    assert.ok(isHoldfastError(error, "anonymise-leak"));
    assert.match(String(error.facts["columns"]), /^tag\.label \(1\)$/);
    return true;
  });
  assert.ok(!existsSync(join(leaking, "crm.db")));
  await crm.apply(await clone(crm, { target: leaking }, "left-out", { tag: { label: "text" } }));
  assert.equal(await sqlOn(join(leaking, "crm.db"))("SELECT count(*) FROM tag WHERE label LIKE '%anna%'"), "0");

  // Keys stay, which is told.
  await sql(
    "CREATE TABLE subscriber (email TEXT PRIMARY KEY, since TEXT); CREATE TABLE other (id INTEGER PRIMARY KEY)",
  );
  await crm.backup();
  const warned = async (rules: Rules) =>
    (await clone(crm, { target: join(folder.path, "y") }, "left-out", rules)).warnings.map(({ code, subject }) => [
      code,
      subject,
    ]);
  assert.deepEqual(await warned({}), [["personal-key", "subscriber.email"]]);
  assert.deepEqual(await warned({ subscriber: { email: "keep" } }), []);

  // Nor of binary data, where that is text.
  await sql(`
    CREATE TABLE cache (id INTEGER PRIMARY KEY, data BLOB);
    INSERT INTO cache VALUES (1, x'ff00'), (2, CAST('a:1:{s:4:"user";s:12:"Anna Schmidt";}' AS BLOB))`);
  await crm.backup();
  const tag: Rules = { tag: { label: "text" } };
  const plan3 = await clone(crm, { target: join(folder.path, "cached") }, "left-out", tag);
  await assert.rejects(crm.apply(plan3), { code: "anonymise-leak" });
  const emptied: Rules = { ...tag, cache: { data: "empty" } };
  await crm.apply(await clone(crm, { target: join(folder.path, "cached") }, "left-out", emptied));

  await assert.rejects(
    clone(crm, { target: join(folder.path, "x") }, "kept", { tag: { nothing: "text" } }),
    isError("anonymise-column"),
  );
  await assert.rejects(
    clone(crm, { target: join(folder.path, "x") }, "kept", { nothing: { label: "text" } }),
    isError("anonymise-column"),
  );
  await assert.rejects(clone(crm, { target: join(folder.path, "x"), purpose: "replacement" }), isError("usage"));
});

test("the same on PostgreSQL", async () => {
  using folder = temporaryFolder();
  await using server = await startPostgres();
  await server.sql("CREATE DATABASE crm");
  await server.sql(recordsSchema("postgres") + recordsRows("postgres") + people, "crm");
  const sql: Sql = (script) => server.sql(script, "crm");
  const crm = await recordsCrm(folder.path, { engine: postgresEngine({}), url: server.url("crm"), sql });
  await crm.backup();
  await crm.apply(await clone(crm, { target: join(folder.path, "copy"), targetDatabase: server.url("copy") }));
  await check(sql, (script) => server.sql(script, "copy"));
});

test("nobody is left in columns of types that hold texts and numbers in another way (PostgreSQL)", async () => {
  using folder = temporaryFolder();
  await using server = await startPostgres();
  await server.sql("CREATE DATABASE crm");
  const types = `
    CREATE DOMAIN mailbox AS VARCHAR(80) CHECK (VALUE LIKE '%@%');
    CREATE TABLE phones (id INTEGER PRIMARY KEY);
    INSERT INTO phones VALUES (1234567);
    ALTER TABLE contact ADD work_email mailbox, ADD emails TEXT[] NOT NULL DEFAULT '{}', ADD nicknames TEXT[],
      ADD birthdate DATE NOT NULL DEFAULT 'infinity', ADD score INTEGER NOT NULL DEFAULT 7,
      ADD mobile BIGINT, ADD fax NUMERIC(15), ADD phone INTEGER REFERENCES phones (id), ADD words TSVECTOR;
    ALTER TABLE tag ADD friends TEXT[];
    UPDATE contact SET work_email = 'anna@work.test', emails = '{anna.schmidt@firma.test,anna@work.test}', nicknames = '{Annika}',
      mobile = 491701234567, fax = 4930987654321, phone = 1234567, words = to_tsvector('simple', name) WHERE id = 6;`;
  await server.sql(recordsSchema("postgres") + recordsRows("postgres") + people + types, "crm");
  const sql: Sql = (script) => server.sql(script, "crm");
  const crm = await recordsCrm(folder.path, { engine: postgresEngine({}), url: server.url("crm"), sql });
  await crm.backup();
  const emptied: Rules = { contact: { score: "empty" } };
  const place = { target: join(folder.path, "copy"), targetDatabase: server.url("copy") };
  const plan = await clone(crm, place, "left-out", emptied);
  await crm.apply(plan);
  await check(sql, (script) => server.sql(script, "copy"));
  const row = await server.sql("SELECT to_jsonb(contact)::text FROM contact WHERE id = 6", "copy");
  assert.doesNotMatch(row, /anna|annika|schmidt|work\.test|491701234567|4930987654321/i);
  assert.match(row, /"phone": 1234567/);
  // Where there must be a value, one that the type has.
  assert.match(row, /"score": 0[,}]/);
  assert.match(row, /"birthdate": "1970-01-01"/);

  await sql("UPDATE tag SET friends = '{anna.schmidt@firma.test}' WHERE id = 1");
  await crm.backup();
  const leaking = await clone(crm, { target: join(folder.path, "leak"), targetDatabase: server.url("leak") });
  await assert.rejects(crm.apply(leaking), (error: unknown) => {
    assert.ok(isHoldfastError(error, "anonymise-leak"));
    assert.match(String(error.facts["columns"]), /^tag\.friends \(1\)$/);
    return true;
  });
});

test("nobody is left in texts that are not UTF-8, and an enumeration stays one (MariaDB)", async () => {
  using folder = temporaryFolder();
  await using server = await startMariadb();
  await server.sql("CREATE DATABASE crm CHARACTER SET utf8mb4");
  const types = `
    ALTER TABLE contact MODIFY name VARCHAR(60) CHARACTER SET gbk NOT NULL, ADD UNIQUE (name, id),
      ADD phone ENUM ('yes', 'no') NOT NULL DEFAULT 'no';
    ALTER TABLE tag MODIFY label VARCHAR(200) CHARACTER SET cp1251;
    ALTER TABLE invoice_line ADD description TEXT CHARACTER SET gbk;
    UPDATE contact SET name = '张伟有限公司' WHERE id = 6;
    UPDATE contact SET name = 'Anna Schmidt' WHERE id = 7;
    UPDATE invoice_line SET description = '与张伟有限公司' WHERE id = 1;
    UPDATE tag SET label = 'Иван' WHERE id = 1;`;
  await server.sql(recordsSchema("mysql") + recordsRows("mysql") + types, "crm");
  const sql: Sql = (script) => server.sql(script, "crm");
  const crm = await recordsCrm(folder.path, { engine: mysqlEngine, url: server.url("crm"), sql });
  await crm.backup();
  const plan = await clone(crm, { target: join(folder.path, "copy"), targetDatabase: server.url("copy") });
  await crm.apply(plan);
  const all = "SELECT name, phone FROM contact; SELECT label FROM tag; SELECT description FROM invoice_line";
  const copied = await server.sql(all, "copy");
  assert.doesNotMatch(copied, /张伟|Anna|Schmidt|Contact \d/);
  assert.match(copied, /^\w+ \w+\tno$/m);
  assert.match(copied, /Иван/);
  const count = "SELECT count(DISTINCT name) FROM contact";
  assert.equal(await server.sql(count, "copy"), await server.sql(count, "crm"));

  await sql("UPDATE tag SET label = CONVERT('friend of anna schmidt' USING cp1251) WHERE id = 2");
  await crm.backup();
  const leaking = await clone(crm, { target: join(folder.path, "leak"), targetDatabase: server.url("leak") });
  await assert.rejects(crm.apply(leaking), (error: unknown) => {
    assert.ok(isHoldfastError(error, "anonymise-leak"));
    assert.match(String(error.facts["columns"]), /^tag\.label \(1\)$/);
    return true;
  });
});

const indexes: Readonly<Record<string, readonly [sql: string, rules?: Rules]>> = {
  "over a table": ["fts5 (name, email, content='contact', content_rowid='id')"],
  "with texts of its own": ["fts5 (name, email)", { words_content: { c0: "name", c1: "email" } }],
  "without texts": ["fts5 (name, email, content='')"],
  "of an older kind": ['fts4 (name, email, content="contact")'],
};
for (const [which, [module, rules]] of Object.entries(indexes)) {
  test(`nobody is left in the words of a full-text index ${which} (SQLite)`, async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "crm.db");
    {
      using connection = new DatabaseSync(path);
      connection.exec(`${recordsSchema("sqlite")} ${recordsRows("sqlite")} ${people}
        CREATE VIRTUAL TABLE words USING ${module};
        INSERT INTO words (rowid, name, email) SELECT id, name, email FROM contact`);
    }
    const crm = await recordsCrm(folder.path, { engine: sqliteEngine, url: `sqlite:${path}`, sql: async () => "" });
    await crm.backup();
    const target = join(folder.path, "copy");
    await crm.apply(await clone(crm, { target }, "left-out", rules));
    using copy = new DatabaseSync(join(target, "crm.db"));
    const find = copy.prepare("SELECT rowid FROM words WHERE words MATCH ?");
    assert.deepEqual(find.all("schmidt"), []);
    assert.doesNotMatch(readFileSync(join(target, "crm.db"), "latin1"), /anna|schmidt|firma/i);
    const name = String(copy.prepare("SELECT name FROM contact WHERE id = 6").get()?.["name"]);
    assert.equal(find.all(name.split(" ")[0] ?? "").length, which === "without texts" ? 0 : 2, name);
  });
}

test("records as files are anonymised too, and their files left out", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "crm.db");
  {
    using connection = new DatabaseSync(path);
    connection.exec(recordsSchema("sqlite") + recordsRows("sqlite") + people);
  }
  const crm = await recordsCrm(folder.path, { engine: sqliteEngine, url: `sqlite:${path}`, sql: async () => "" });
  await crm.backup();
  const target = join(folder.path, "found");
  const selection = { handles: ["party/7"], keys: [], compared: [], in: [], related: "all" as const, renames: [] };
  const plan = await planRestore(
    crm.engine,
    {
      ...{ repository: crm.access, point: { kind: "latest" }, crms: [crm.description], switches, target },
      ...{ scope: { kind: "records", selection, format: "csv" }, anonymise: { files: "left-out" } },
    },
    crm.run,
  );
  await crm.apply(plan);
  const contacts = readFileSync(join(target, "contact.csv"), "utf8");
  assert.doesNotMatch(contacts, /Anna|Schmidt|firma/);
  assert.match(contacts, /\r\n6,7,\w+ \w+,p[0-9a-f]{16}@example.org/);

  // A text of it may name somebody who does not come along.
  {
    using connection = new DatabaseSync(path);
    connection.exec("UPDATE tag SET label = 'friend of anna schmidt'");
  }
  await crm.backup();
  const tag = { ...selection, handles: ["tag/1"], related: "none" as const };
  const leaking = planRestore(
    crm.engine,
    {
      ...{
        repository: crm.access,
        point: { kind: "latest" },
        crms: [crm.description],
        switches,
        target: `${target}-2`,
      },
      ...{ scope: { kind: "records", selection: tag, format: "csv" }, anonymise: { files: "left-out" } },
    },
    crm.run,
  );
  await assert.rejects(leaking, isError("anonymise-leak"));
  assert.ok(!existsSync(join(target, "attachments")));
});
