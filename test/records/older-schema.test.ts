import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { mysqlEngine } from "../../src/database/mysql/mysql.ts";
import { postgresEngine } from "../../src/database/postgres/postgres.ts";
import { sqliteEngine } from "../../src/database/sqlite/sqlite.ts";
import type { RestorePlan } from "../../src/engine/restore-plan.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { startMariadb } from "../support/mariadb-server.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { recordsCrm, recordsRows, recordsSchema, type RecordsWithRows } from "../support/records-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

type Sql = (script: string) => Promise<string>;

/** What the plan says of the columns of a table. */
function shape(plan: RestorePlan, table: string): readonly string[] {
  return (plan.records?.schema ?? [])
    .filter((one) => one.table === table)
    .map(({ column, how }) => `${column ?? ""} ${how}`)
    .toSorted();
}

function fates(plan: RestorePlan, name: string): readonly string[] {
  return (plan.records?.rows ?? [])
    .filter(({ record }) => record.startsWith(`${name}/`))
    .map(({ action, record, reason, detail }) =>
      [record, action, reason, detail].filter((one) => one !== undefined).join(" "),
    )
    .toSorted();
}

/** The CRM is updated after the backup: columns come, go, are renamed, and have other types. */
async function story(crm: RecordsWithRows, sql: Sql, update: string): Promise<void> {
  await crm.backup();
  await sql("DELETE FROM invoice_line WHERE id IN (1, 2, 4); DELETE FROM note WHERE id IN (5, 6)");
  await sql(update);
  const updated = await crm.rows();

  // Untouched rows are not taken for changed ones by the new shape alone.
  const lines = await crm.plan({ compared: ["deleted"], in: ["invoice_line"] });
  assert.deepEqual(shape(lines, "invoice_line"), ["amount retyped", "label dropped", "quantity new", "title new"]);
  assert.deepEqual(fates(lines, "invoice_line"), [
    "invoice_line/1 insert",
    "invoice_line/2 insert",
    "invoice_line/4 insert",
  ]);

  const renames = [{ table: "invoice_line", from: "label", to: "title" }];
  const renamed = await crm.plan({ compared: ["deleted"], in: ["invoice_line"], renames });
  assert.deepEqual(shape(renamed, "invoice_line"), ["amount retyped", "quantity new", "title renamed"]);
  assert.deepEqual((await crm.apply(renamed)).failed, []);
  const restored = await sql(
    "SELECT title, quantity, product, amount FROM invoice_line WHERE id IN (1, 2, 4, 5) ORDER BY id",
  );
  const [one, two, four, five] = restored.split("\n").map((line) => line.split(/[|\t]/));
  assert.deepEqual(one?.slice(0, 3), ["Line 1", "7", "2"]);
  assert.deepEqual(two?.slice(0, 3), ["Line 2", "7", "3"]);
  assert.equal(four?.[0], "Line 4");
  const places = (text: string | undefined) => text?.split(".")[1]?.length;
  assert.equal(places(one?.[3]), places(five?.[3]), "a value is written as the column writes it now");
  assert.deepEqual(
    [one, two, four].map((line) => Number(line?.[3])),
    [1.25, 2.25, 4.25],
  );

  // What is there as it was differs in nothing, though its type is another; an edit is found, and taken back.
  const same = await crm.plan(
    { handles: ["invoice_line/1", "invoice_line/5"], renames },
    { switches: { updateChanged: true } },
  );
  assert.deepEqual(fates(same, "invoice_line"), ["invoice_line/1 skip same", "invoice_line/5 skip same"]);
  await sql("UPDATE invoice_line SET amount = 99 WHERE id = 5");
  const edit = await crm.plan({ handles: ["invoice_line/5"], renames }, { switches: { updateChanged: true } });
  assert.deepEqual(edit.records?.rows.find(({ record }) => record === "invoice_line/5")?.fields, ["amount"]);
  assert.deepEqual((await crm.apply(edit)).failed, []);
  assert.equal(Number(await sql("SELECT amount FROM invoice_line WHERE id = 5")), 5.25);
  await crm.undo();
  await sql("UPDATE invoice_line SET amount = 5.25 WHERE id = 5");
  await crm.undo();
  assert.deepEqual(await crm.rows(), updated);

  // A column that a new row must be given, and nothing says what with; a value that binary has no place for.
  const notes = await crm.plan({ handles: ["note/5", "note/6"] });
  assert.deepEqual(shape(notes, "note"), ["author new-required", "body refused"]);
  assert.deepEqual(fates(notes, "note"), [
    "note/5 conflict column-refused body, author",
    "note/6 conflict column-refused body, author",
  ]);
  const report = await crm.apply(notes);
  assert.equal(report.failed.length, 2);
  assert.deepEqual(await crm.rows(), updated);

  for (const wrong of [
    { table: "invoice_line", from: "lable", to: "title" },
    { table: "invoice_line", from: "label", to: "titel" },
    { table: "invoice_lines", from: "label", to: "title" },
  ]) {
    await assert.rejects(
      crm.plan({ handles: ["invoice_line/1"], renames: [wrong] }),
      (error: unknown) => isHoldfastError(error, "usage") && error.facts["what"] === "--rename",
      JSON.stringify(wrong),
    );
  }
}

test("rows of an older schema go into a newer one on SQLite", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "crm.db");
  const sql: Sql = async (script) => {
    using connection = new DatabaseSync(path);
    if (script.startsWith("SELECT")) {
      const rows = connection.prepare(script).all();
      return rows.map((row) => Object.values(row).join("|")).join("\n");
    }
    connection.exec(script);
    return "";
  };
  await sql(recordsSchema("sqlite") + recordsRows("sqlite"));
  const crm = await recordsCrm(folder.path, { engine: sqliteEngine, url: `sqlite:${path}`, sql });
  await story(
    crm,
    sql,
    `CREATE TABLE l (id INTEGER PRIMARY KEY, invoice INTEGER NOT NULL REFERENCES invoice (id), product INTEGER REFERENCES product (id),
       title TEXT, quantity INTEGER NOT NULL DEFAULT 7, amount TEXT);
     INSERT INTO l (id, invoice, product, title, amount) SELECT id, invoice, product, label, amount FROM invoice_line;
     DROP TABLE invoice_line; ALTER TABLE l RENAME TO invoice_line;
     CREATE TABLE n (id INTEGER PRIMARY KEY, parent_type VARCHAR(20), parent_id INTEGER, body BLOB, path TEXT, author TEXT NOT NULL);
     INSERT INTO n SELECT id, parent_type, parent_id, CAST(body AS BLOB), path, 'x' FROM note; DROP TABLE note; ALTER TABLE n RENAME TO note;`,
  );
});

test("the same on MariaDB", async () => {
  using folder = temporaryFolder();
  await using server = await startMariadb();
  await server.sql("CREATE DATABASE crm CHARACTER SET utf8mb4");
  await server.sql(recordsSchema("mysql") + recordsRows("mysql"), "crm");
  const sql: Sql = (script) => server.sql(script, "crm");
  const crm = await recordsCrm(folder.path, { engine: mysqlEngine, url: server.url("crm"), sql });
  await story(
    crm,
    sql,
    `ALTER TABLE invoice_line CHANGE label title VARCHAR(200), ADD quantity INTEGER NOT NULL DEFAULT 7, MODIFY amount NUMERIC(24,8);
     ALTER TABLE note MODIFY body LONGBLOB, ADD author VARCHAR(20) NOT NULL;`,
  );

  // A value that would have to be rounded is refused, and with it what cannot be without its record.
  await sql(`DELETE FROM invoice_line WHERE invoice = 7; DELETE FROM note WHERE id = 9; DELETE FROM invoice WHERE id = 7;
    ALTER TABLE invoice MODIFY total NUMERIC(12,0); UPDATE note SET path = 'none' WHERE path IS NULL;
    ALTER TABLE note MODIFY author VARCHAR(20) NOT NULL DEFAULT 'nobody', MODIFY body VARCHAR(200), MODIFY path VARCHAR(200) NOT NULL DEFAULT 'none'`);
  const rounded = await crm.plan({ handles: ["invoice/7"] });
  assert.deepEqual(shape(rounded, "invoice"), ["total retyped"]);
  assert.deepEqual(fates(rounded, "invoice"), ["invoice/7 conflict column-refused total"]);
  assert.match(fates(rounded, "invoice_line").join(), /^invoice_line\/6 conflict parent-gone invoice\/7/);
  const filled = await crm.plan({ handles: ["note/9"], related: "none" });
  assert.deepEqual(shape(filled, "note"), ["author new", "path filled"]);
  assert.deepEqual((await crm.apply(filled)).failed, []);
  assert.equal((await sql("SELECT author, path FROM note WHERE id = 9")).trim(), "nobody\tnone");
});

test("the same on PostgreSQL", async () => {
  using folder = temporaryFolder();
  await using server = await startPostgres();
  await server.sql("CREATE DATABASE crm");
  await server.sql(recordsSchema("postgres") + recordsRows("postgres"), "crm");
  const sql: Sql = (script) => server.sql(script, "crm");
  await story(
    await recordsCrm(folder.path, { engine: postgresEngine({}), url: server.url("crm"), sql }),
    sql,
    `ALTER TABLE invoice_line RENAME label TO title; ALTER TABLE invoice_line ADD quantity INTEGER NOT NULL DEFAULT 7;
     ALTER TABLE invoice_line ALTER amount TYPE NUMERIC(24,8);
     ALTER TABLE note ALTER body TYPE bytea USING convert_to(body, 'UTF8'); ALTER TABLE note ADD author TEXT NOT NULL DEFAULT 'x';
     ALTER TABLE note ALTER author DROP DEFAULT;`,
  );
});
