import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test, type TestContext } from "node:test";
import type { RowBatch, TableSchema } from "../database/database.ts";
import { sqliteEngine } from "../database/sqlite/sqlite.ts";
import { nameFromText, nameText } from "../lib/byte-name.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { noFiles } from "./crm-files.ts";
import { custom } from "./custom.ts";
import type { CrmDescription } from "./platform.ts";

const description: CrmDescription = {
  name: "acme",
  platform: "custom",
  database: "sqlite:/srv/acme/crm.db",
  files: [{ name: "attachments", path: "/srv/acme/attachments" }],
  excludes: ["*.tmp"],
  attachments: [{ table: "attachments", column: "path", folder: "attachments" }],
  neutralise: ["DELETE FROM mail_queue"],
};

const table: TableSchema = {
  schema: "main",
  name: "attachments",
  columns: ["id", "title", "path"].map((name) => ({ name, type: "TEXT", nullable: true })),
  keyLength: 1,
  foreignKeys: [],
  fingerprint: "",
};

function batch(...lines: string[]): RowBatch {
  return { lines: Buffer.from(lines.map((line) => `${line}\n`).join("")), rows: lines.length };
}

function temporaryFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-custom-"));
  context.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

test("a CRM is what its description says", async () => {
  const parts = await custom.parts(description);
  assert.deepEqual(parts.databases, [{ name: "main", url: "sqlite:/srv/acme/crm.db" }]);
  assert.deepEqual(parts.folders, [{ name: "attachments", path: "/srv/acme/attachments", excludes: ["*.tmp"] }]);
  assert.equal(parts.attachments?.ownsFiles(table), true);
  assert.equal(parts.attachments?.ownsFiles({ ...table, name: "contacts" }), false);
});

test("a CRM of nothing is refused", async () => {
  const { database: _, ...rest } = { ...description, files: [] };
  await assert.rejects(custom.parts(rest), (error) => isHoldfastError(error, "crm-empty"));
});

test("rows name their files", async () => {
  const { attachments } = await custom.parts(description);
  const rows = batch(
    'i1\t"contract"\t"2026/a b.pdf"',
    'i2\t\\N\t"./2026//合同.pdf"',
    'i3\t"none"\t\\N',
    'i4\t"empty"\t""',
    'i5\t"elsewhere"\t"https://example.org/x.pdf"',
    'i6\t"tab"\t"a\\tb\\"c"',
    'i7\t"outside"\t"../secret"',
    'i8\t"number"\ti7',
    'i9\t"rooted"\t"/2026/x"',
  );
  const files = [...(attachments?.files(table, rows, sqliteEngine) ?? [])];
  assert.deepEqual(
    files.map(({ folder, path, row }) => [folder, nameText(path), row]),
    [
      ["attachments", "2026/a b.pdf", "attachments 1"],
      ["attachments", "2026/合同.pdf", "attachments 2"],
      ["attachments", 'a\tb"c', "attachments 6"],
      ["attachments", "../secret", "attachments 7"],
      ["attachments", "2026/x", "attachments 9"],
    ],
  );
});

test("files that no row owns count in folders with a rule, hidden ones do not", async () => {
  const { attachments } = await custom.parts(description);
  assert.equal(attachments?.ownable("attachments", nameFromText("x/y.pdf")), true);
  assert.equal(attachments?.ownable("attachments", nameFromText("x/.gitkeep")), false);
  assert.equal(attachments?.ownable("code", nameFromText("x.php")), false);
});

test("a clone needs statements", () => {
  assert.deepEqual(custom.neutralise(description)?.statements([], "main"), ["DELETE FROM mail_queue"]);
  assert.equal(custom.neutralise({ ...description, neutralise: [] }), undefined);
});

test("a folder with a CRM's database and attachments is recognised", async (context) => {
  const folder = temporaryFolder(context);
  mkdirSync(join(folder, "attachments/2026"), { recursive: true });
  mkdirSync(join(folder, "cache"));
  writeFileSync(join(folder, "attachments/2026/a.txt"), "a");
  writeFileSync(join(folder, "note.db"), "not a database");
  const database = new DatabaseSync(join(folder, "crm.db"));
  database.exec(`CREATE TABLE contacts(id INTEGER PRIMARY KEY, name, profile_url);
    CREATE TABLE companies(id INTEGER PRIMARY KEY, name);
    CREATE TABLE attachments(id INTEGER PRIMARY KEY, title, path);
    INSERT INTO contacts VALUES (1, 'x', 'https://example.org');
    INSERT INTO attachments VALUES (1, 'a', '2026/a.txt')`);
  database.close();
  assert.deepEqual(await custom.detect(folder), [
    {
      platform: "custom",
      name: basename(folder),
      database: `sqlite:${join(folder, "crm.db")}`,
      files: [join(folder, "attachments")],
      attachments: [{ table: "attachments", column: "path", folder: "attachments" }],
    },
  ]);
});

test("two databases, one without a CRM's tables, an empty folder: no proposal", async (context) => {
  const folder = temporaryFolder(context);
  assert.deepEqual(await custom.detect(folder), []);
  const make = (name: string, sql: string) => {
    const database = new DatabaseSync(join(folder, name));
    database.exec(sql);
    database.close();
  };
  make("a.db", "CREATE TABLE songs(id); CREATE TABLE albums(id)");
  assert.deepEqual(await custom.detect(folder), []);
  make("b.db", "CREATE TABLE contacts(id); CREATE TABLE deals(id)");
  assert.equal((await custom.detect(folder)).length, 1);
  // What a restore replaced is kept beside.
  mkdirSync(join(folder, ".holdfast-6fead1d3"));
  make(".holdfast-6fead1d3/0-b.db", "CREATE TABLE contacts(id); CREATE TABLE deals(id)");
  assert.equal((await custom.detect(folder)).length, 1);
  make("c.db", "CREATE TABLE contacts(id); CREATE TABLE deals(id)");
  assert.deepEqual(await custom.detect(folder), []);
});

test("what tables mean, as the configuration says", async () => {
  const columns = (types: Readonly<Record<string, string>>) =>
    Object.entries(types).map(([name, type]) => ({ name, type, nullable: true }));
  const contact = { ...table, name: "contact", columns: columns({ id: "INTEGER", first: "TEXT", gone: "INTEGER" }) };
  const note = { ...table, name: "note", columns: columns({ id: "INTEGER", about: "INTEGER", gone_at: "TEXT" }) };
  const source = { tables: [contact, note], files: noFiles, async *rows() {} };
  assert.equal(await custom.model?.(source, description), undefined);
  const model = await custom.model?.(source, {
    ...description,
    entities: [
      { table: "contact", name: "person", title: ["first", "no-such"], deleted: "gone" },
      { table: "note", title: [], deleted: "gone_at" },
      { table: "no-such", title: [] },
    ],
    references: [{ from: "note.about", to: "contact.id", kind: "belongs" }],
  });
  assert.deepEqual(
    model?.entities.map(({ name, title, deleted }) => [name, title.length, deleted?.when]),
    [
      ["person", 1, "true"],
      ["note", 0, "set"],
    ],
  );
  assert.deepEqual(
    model?.references.map(({ from, to, kind }) => [from.name, to.name, kind]),
    [["note", "contact", "belongs"]],
  );
});
