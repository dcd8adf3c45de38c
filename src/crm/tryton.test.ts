import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test, type TestContext } from "node:test";
import type { RowBatch, TableSchema } from "../database/database.ts";
import { startPostgres } from "../../test/support/postgres-server.ts";
import { sqliteEngine } from "../database/sqlite/sqlite.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { noFiles } from "./crm-files.ts";
import { readIni } from "./ini.ts";
import type { CrmDescription } from "./platform.ts";
import { knownBy } from "./tryton-install.ts";
import { tryton } from "./tryton.ts";

interface Fixture {
  readonly folder: string;
  readonly configuration: string;
  readonly data: string;
  describe(more?: Partial<CrmDescription>): CrmDescription;
}

/** A folder as trytond leaves it; `databases` hold just the tables by which trytond knows its own. */
function fixture(context: TestContext, text: string, databases: readonly string[] = ["crm"]): Fixture {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-tryton-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const data = join(folder, "data");
  mkdirSync(data);
  const configuration = join(folder, "trytond.conf");
  writeFileSync(configuration, text.replaceAll("DATA", data));
  for (const name of databases) {
    const database = new DatabaseSync(join(data, `${name}.sqlite`));
    database.exec(
      "CREATE TABLE ir_model(id); CREATE TABLE ir_module(id); CREATE TABLE ir_configuration(id); CREATE TABLE res_user(id)",
    );
    database.close();
  }
  writeFileSync(join(data, "notes.sqlite"), "");
  return {
    folder,
    configuration,
    data,
    describe: (more = {}) => ({
      name: "crm",
      platform: "tryton",
      configuration,
      files: [],
      excludes: [],
      attachments: [],
      neutralise: [],
      ...more,
    }),
  };
}

function schema(name: string, columns: Readonly<Record<string, string>>): TableSchema {
  return {
    schema: "main",
    name,
    columns: Object.entries(columns).map(([column, type]) => ({ name: column, type, nullable: true })),
    keyLength: 1,
    foreignKeys: [],
    fingerprint: "",
  };
}

const attachment = schema("ir_attachment", { id: "INTEGER", data: "BLOB", file_id: "VARCHAR", name: "VARCHAR" });
const avatar = schema("ir_avatar", { id: "INTEGER", image: "BLOB", image_id: "VARCHAR" });
const document = schema("document_incoming", { id: "INTEGER", data: "BLOB", file_id: "VARCHAR" });
const md5 = "e4d909c290d0fb1ca068ffaddf22cbd0";

function batch(...lines: string[]): RowBatch {
  return { lines: Buffer.from(lines.map((line) => `${line}\n`).join("")), rows: lines.length };
}

const plain = "[database]\nuri = sqlite://\npath = DATA\n";

test("recognises each database of a trytond.conf", async (context) => {
  const { folder, data, configuration } = fixture(context, plain, ["crm", "shop"]);
  const found = await tryton.detect(folder);
  assert.deepEqual(
    found.map(({ name, database, configuration: file }) => [name, database, file]),
    ["crm", "shop"].map((name) => [name, `sqlite:${join(data, `${name}.sqlite`)}`, configuration]),
  );
  assert.deepEqual(await tryton.detect(data), []);
});

test("on PostgreSQL, server and password come from the configuration, the database's name does not", async (context) => {
  const uri = "postgresql://me:ge%3Ahe+im%40%@127.0.0.1:1/";
  const { folder, describe } = fixture(context, `[database]\nuri = ${uri}\npath = DATA\n`);
  assert.deepEqual(await tryton.detect(folder), [], "a server that does not answer has nothing to propose");
  await assert.rejects(tryton.parts(describe()), (error) => isHoldfastError(error, "database-unreachable"));
  const named = async (database: string) => (await tryton.parts(describe({ database }))).databases;
  const own = { name: "main", url: "postgresql://me@127.0.0.1:1/crm%202", password: "ge:he im@%" };
  assert.deepEqual(await named("crm 2"), [own]);
  assert.deepEqual(await named("postgresql://me@127.0.0.1:1/crm%202"), [own]);
  const other = "postgresql://backup@replica/crm?sslmode=require";
  assert.deepEqual(await named(other), [{ name: "main", url: other }], "another user's password is not trytond's");

  const text = `[database]\nuri = ${uri}\npath = /old\n`;
  const folders = [{ name: "filestore", path: "/new/data/crm" }];
  const moved = (url: string) =>
    tryton.relocate?.("trytond.conf", text, { databases: [{ name: "main", url }], folders });
  assert.match(
    moved("postgresql://me@127.0.0.1:1/crm") ?? "",
    /uri = postgresql:\/\/me:ge%3Ahe\+im%40%@127[^]*path = \/new\/data\n/,
  );
  const elsewhere = moved("postgresql://you@other/copy") ?? "";
  assert.match(elsewhere, /uri = postgresql:\/\/you@other\/\n/);
  assert.match(elsewhere, /\[attachment\]\nstore_prefix = crm/);
  await assert.rejects(
    tryton.parts(fixture(context, "[database]\nuri = mysql://me:secret@db/\n").describe()),
    (error) => isHoldfastError(error, "database-unsupported") && !error.message.includes("secret"),
  );
});

test("a database on the server that cannot be asked is told of", async (context) => {
  await using server = await startPostgres();
  const tables = knownBy.map((name) => `CREATE TABLE ${name} (id INT);`).join("");
  await server.sql("CREATE ROLE trytond LOGIN; CREATE DATABASE crm; CREATE DATABASE shop; CREATE DATABASE other;");
  for (const name of ["crm", "shop"]) await server.sql(tables, name);
  await server.sql("REVOKE CONNECT ON DATABASE shop FROM PUBLIC");
  const text = `[database]\nuri = postgresql://trytond@127.0.0.1:${server.port}/\npath = DATA\n`;
  const { folder, describe } = fixture(context, text);
  const found = await tryton.detect(folder);
  assert.deepEqual(
    found.map(({ name, unasked }) => [name, unasked]),
    [["crm", ["shop"]]],
  );
  assert.deepEqual((await tryton.parts(describe())).uncovered, [{ subject: "shop", reason: "tryton-unasked" }]);
  assert.deepEqual((await tryton.parts(describe({ database: "crm" }))).uncovered, []);
  await server.sql("GRANT CONNECT ON DATABASE shop TO PUBLIC");
  await assert.rejects(tryton.parts(describe()), (error) => isHoldfastError(error, "crm-database-ambiguous"));
});

test("names database, file store and configuration", async (context) => {
  const { data, folder, configuration, describe } = fixture(context, plain);
  assert.deepEqual((await tryton.parts(describe())).folders, [], "nothing stored yet is nothing missing");
  mkdirSync(join(data, "crm"));
  writeFileSync(join(folder, "trytond_log.conf"), "");
  const parts = await tryton.parts(
    describe({ files: [{ name: "modules", path: "/srv/modules" }], excludes: ["*.pyc"] }),
  );
  assert.deepEqual(parts.databases, [{ name: "main", url: `sqlite:${join(data, "crm.sqlite")}` }]);
  assert.deepEqual(parts.folders, [
    { name: "filestore", path: join(data, "crm"), excludes: ["*.pyc"] },
    { name: "modules", path: "/srv/modules", excludes: ["*.pyc"] },
  ]);
  assert.deepEqual(parts.config, [
    { name: "trytond.conf", path: configuration },
    { name: "trytond_log.conf", path: join(folder, "trytond_log.conf") },
  ]);
  assert.ok(parts.emptyTables.includes("ir_session"));
  assert.ok(!parts.emptyTables.includes("ir_queue"), "work that waits is kept");
});

test("one of several databases must be named", async (context) => {
  const { data, describe } = fixture(context, plain, ["crm", "shop"]);
  await assert.rejects(
    tryton.parts(describe()),
    (error) => isHoldfastError(error, "crm-database-ambiguous") && error.facts["found"] === "crm, shop",
  );
  const url = `sqlite:${join(data, "shop.sqlite")}`;
  assert.deepEqual((await tryton.parts(describe({ database: url }))).databases, [{ name: "main", url }]);
});

test("stores with a prefix of their own", async (context) => {
  const { data, describe } = fixture(
    context,
    `${plain}avatar_filestore = on\navatar_prefix = faces\n[attachment]\nstore_prefix =\n[document_incoming]\nstore_prefix = in/box\n`,
  );
  for (const folder of ["crm", "faces", "in/box"]) mkdirSync(join(data, folder), { recursive: true });
  const parts = await tryton.parts(describe());
  assert.deepEqual(
    parts.folders.map(({ name, path }) => [name, path]),
    [
      ["filestore", join(data, "crm")],
      ["filestore-all", data],
      ["filestore-in-box", join(data, "in/box")],
      ["filestore-faces", join(data, "faces")],
    ],
  );
  const whole = parts.folders.find(({ name }) => name === "filestore-all");
  assert.deepEqual(
    ["/*.sqlite", "/trytond-stat.socket", "/crm/", "/faces/", "/in/box/"].filter(
      (pattern) => !whole?.excludes.includes(pattern),
    ),
    [],
  );
  const owned = (table: TableSchema, line: string) =>
    [...(parts.attachments?.files(table, batch(line), sqliteEngine) ?? [])].map(({ folder, path, row }) => [
      folder,
      path,
      row,
    ]);
  const path = `e4/d9/${md5}`;
  assert.deepEqual(owned(attachment, `i7\t\\N\t"${md5}"\t"x"`), [["filestore-all", path, "ir_attachment 7"]]);
  assert.deepEqual(owned(avatar, `i1\t\\N\t"${md5}"`), [["filestore-faces", path, "ir_avatar 1"]]);
  assert.deepEqual(owned(document, `i1\t\\N\t"${md5}"`), [["filestore-in-box", path, "document_incoming 1"]]);
});

test("a prefix that leads out of the path is refused, as trytond does", async (context) => {
  const { describe } = fixture(context, `${plain}[attachment]\nstore_prefix = ../other\n`);
  await assert.rejects(tryton.parts(describe()), (error) => isHoldfastError(error, "crm-configuration-unreadable"));
});

test("rows own files where the store is in use", async (context) => {
  const { describe } = fixture(context, plain);
  const { attachments } = await tryton.parts(describe());
  assert.equal(attachments?.ownsFiles(attachment), true);
  assert.equal(attachments?.ownsFiles(avatar), false, "avatars are in the database unless switched");
  assert.equal(attachments?.ownsFiles(schema("party_party", { id: "INTEGER", tax_id: "VARCHAR" })), false);
  const rows = batch(
    `i1\t\\N\t"${md5}"\t"a"`,
    `i2\t\\N\t"${md5}-1"\t"b"`,
    'i3\tb00\t\\N\t"in the database"',
    'i4\t\\N\t"../../etc/passwd"\t"no id"',
  );
  assert.deepEqual(
    [...(attachments?.files(attachment, rows, sqliteEngine) ?? [])].map(({ folder, path, row }) => [folder, path, row]),
    [
      ["filestore", `e4/d9/${md5}`, "ir_attachment 1"],
      ["filestore", `e4/d9/${md5}-1`, "ir_attachment 2"],
    ],
  );
  const off = fixture(context, `${plain}[attachment]\nfilestore = False\n`);
  assert.equal((await tryton.parts(off.describe())).attachments?.ownsFiles(attachment), false);
});

test("a configuration that cannot be read is named, with its line", async (context) => {
  const { describe } = fixture(context, "[database]\nnonsense\n");
  await assert.rejects(
    tryton.parts(describe()),
    (error) => isHoldfastError(error, "crm-configuration-unreadable") && error.facts["line"] === 2,
  );
  await assert.rejects(tryton.parts(describe({ configuration: "/nowhere/trytond.conf" })), (error) =>
    isHoldfastError(error, "crm-configuration-unreadable"),
  );
});

test("a clone is stopped from acting, in the database", (context) => {
  const neutralise = tryton.neutralise(fixture(context, plain).describe());
  const cron = schema("ir_cron", { id: "INTEGER", active: "BOOLEAN" });
  const payment = schema("account_payment_stripe_account", { id: "INTEGER", secret_key: "VARCHAR", name: "VARCHAR" });
  const statements = neutralise?.statements(
    [
      cron,
      schema("ir_queue", { id: "INTEGER" }),
      schema("ir_configuration", { id: "INTEGER", hostname: "VARCHAR" }),
      payment,
    ],
    "main",
  );
  assert.deepEqual(statements, [
    'UPDATE "ir_cron" SET "active" = FALSE',
    'DELETE FROM "ir_queue"',
    'UPDATE "ir_configuration" SET "hostname" = NULL',
    `UPDATE "account_payment_stripe_account" SET "secret_key" = ''`,
  ]);
  assert.throws(
    () => neutralise?.statements([payment], "main"),
    (error) => isHoldfastError(error, "clone-unsupported"),
  );
});

test("a clone is stopped from acting, in its configuration", (context) => {
  const neutralise = tryton.neutralise(fixture(context, plain).describe());
  const text = `# ours\n[database]\nuri = sqlite://\n[email]\nuri = smtps://me:pw@mail/\n[sms_authentication]
function = sms.send\n[account_fr_chorus]\nurl = https://chorus-pro.gouv.fr:5443\n[party]\nkind = x\n`;
  const ini = readIni(neutralise?.config?.("trytond.conf", text) ?? "");
  assert.equal(ini.get("email", "uri"), "smtp://127.0.0.1:1");
  assert.equal(ini.get("sms_authentication", "function"), "");
  assert.equal(ini.get("account_fr_chorus", "url"), "");
  assert.equal(ini.get("party", "kind"), "x");
  assert.equal(ini.get("database", "uri"), "sqlite://");
  assert.equal(neutralise?.config?.("trytond_log.conf", "x"), undefined);
  assert.equal(readIni(neutralise?.config?.("trytond.conf", "") ?? "").get("email", "uri"), "smtp://127.0.0.1:1");
});

test("a restored configuration points to the restored database", () => {
  const placed = { databases: [{ name: "main", url: "sqlite:/new/data/crm.sqlite" }], folders: [] };
  const moved = tryton.relocate?.("trytond.conf", "[database]\npath = /old\n", placed);
  assert.equal(moved, "[database]\npath = /new/data\n");
  assert.equal(tryton.relocate?.("trytond_log.conf", "", placed), undefined);
});

test("a note names its record by a model's name and a number in one text", async () => {
  const tables = [
    schema("party_party", {
      id: "INTEGER",
      name: "VARCHAR",
      active: "BOOLEAN",
      create_date: "TIMESTAMP",
      write_date: "TIMESTAMP",
    }),
    schema("ir_note", { id: "INTEGER", message: "VARCHAR", resource: "VARCHAR" }),
  ];
  const model = await tryton.model?.({
    tables,
    files: noFiles,
    async *rows({ name }) {
      if (name !== "ir_model") return;
      yield* [
        ["1", "party.party"],
        ["2", "no.such"],
        ["3", undefined],
      ];
    },
  });
  const [party] = model?.entities ?? [];
  assert.deepEqual(
    [party?.name, party?.modified.map(({ column }) => column), party?.archived?.when],
    ["party", ["write_date", "create_date"], "false"],
  );
  assert.deepEqual(
    model?.references.map(({ from, to, prefix, kind }) => [from.name, to.name, prefix, kind]),
    [["ir_note", "party_party", "party.party,", "belongs"]],
  );
});
