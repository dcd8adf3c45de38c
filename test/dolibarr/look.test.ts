import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { holdfast } from "../support/holdfast.ts";
import { startMariadb } from "../support/mariadb-server.ts";
import { temporaryFolder } from "../support/temp-folder.ts";
import { makeDolibarr } from "./dolibarr-crm.ts";

const data = process.env["HOLDFAST_TEST_DATA"];
const isHere = data !== undefined && existsSync(join(data, "dolibarr/demo-9.0.0.sql.xz"));
const leftOut = isHere ? "" : " (left out: HOLDFAST_TEST_DATA names no folder with Dolibarr's demo data)";

type Line = Readonly<Record<string, unknown>>;

test(`Dolibarr's own demo data: found, looked at, followed and compared${leftOut}`, async () => {
  if (!isHere) return;
  using root = temporaryFolder();
  await using server = await startMariadb();
  const crm = await makeDolibarr(root.path, data, server);
  const env = { ...process.env, HOME: root.path, HOLDFAST_STATE: join(root.path, "state") };
  const lines = async (...args: readonly string[]): Promise<readonly Line[]> => {
    const { code, stdout, stderr } = await holdfast(["--json", ...args], { cwd: crm.folder, env });
    assert.ok(code === 0 || code === 3, `${args.join(" ")}: ${stdout}${stderr}`);
    return stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Line);
  };
  const sql = (statements: string) => server.sql(statements, crm.database);
  const number = async (query: string) => Number((await sql(query)).trim());

  await lines("init", "--yes", "--repository", "../backups", "--password-file", "../password.txt");
  const first = String((await lines("backup")).at(-1)?.["snapshot"]);
  const busiest = await number(
    "SELECT fk_soc FROM llx_facture WHERE rowid NOT IN (SELECT fk_facture_source FROM llx_facture WHERE fk_facture_source IS NOT NULL) GROUP BY fk_soc ORDER BY count(*) DESC LIMIT 1",
  );
  const invoices = await number(`SELECT count(*) FROM llx_facture WHERE fk_soc = ${busiest}`);
  const contact = await number("SELECT max(rowid) FROM llx_socpeople");
  await sql(`
    UPDATE llx_societe SET nom = '北京张伟有限公司' WHERE rowid = ${busiest};
    DELETE FROM llx_element_contact WHERE fk_socpeople = ${contact}; DELETE FROM llx_socpeople WHERE rowid = ${contact};
    UPDATE llx_societe SET tms = '2026-01-01 00:00:00' WHERE rowid <> ${busiest};`);
  const second = String((await lines("backup")).at(-1)?.["snapshot"]);
  const handle = `thirdparty/${busiest}`;

  const hits = (await lines("search", "张伟", "--point", second)).filter(({ type }) => type === "hit");
  assert.deepEqual(
    hits.map((hit) => [hit["handle"], hit["title"]]),
    [[handle, "北京张伟有限公司"]],
  );
  const now = (await lines("search", "张伟", "--point", "live")).filter(({ type }) => type === "hit");
  assert.deepEqual(now, hits);
  const [record] = await lines("browse", first, handle);
  const related = record?.["related"] as readonly (Line & { readonly count: number })[];
  assert.equal(related.find(({ entity }) => entity === "invoice")?.count, invoices);

  // What somebody once called a field of his own, which is one of the project's.
  const project = await number("SELECT fk_object FROM llx_projet_extrafields WHERE rowid = 5");
  const [own] = await lines("browse", first, `project/${project}`);
  const fields = own?.["fields"] as readonly Line[];
  assert.equal(fields.find(({ column }) => column === "llx_projet_extrafields.priority")?.["label"], "Priority");
  const lists = own?.["related"] as readonly Line[];
  assert.ok(lists.every(({ table }) => table !== "llx_projet_extrafields"));

  // Who leads a project is a user, who has the key of a contact too; whom a third party is sent to, a contact.
  assert.equal(await number("SELECT count(*) FROM llx_socpeople WHERE rowid IN (1, 2)"), 2);
  const named = async (key: number) => {
    const [link] = await lines("browse", first, `llx_element_contact/${key}`);
    const names = (link?.["names"] ?? []) as readonly Line[];
    return names.map((one) => `${String(one["columns"])} ${String(one["handle"])}`);
  };
  assert.deepEqual(await named(1), [
    ...["element_id project/1", "fk_socpeople user/1", "fk_c_type_contact llx_c_type_contact/160"],
  ]);
  assert.deepEqual(await named(14), [
    ...["element_id thirdparty/19", "fk_socpeople contact/2", "fk_c_type_contact llx_c_type_contact/210"],
  ]);
  const [user] = await lines("browse", first, "user/12");
  const all = (user?.["related"] ?? []) as readonly Line[];
  const leads = all.find(({ table }) => table === "llx_element_contact");
  const led = ((leads?.["records"] ?? []) as readonly Line[]).map((one) => String(one["handle"]));
  assert.ok(led.length > 0 && led.every((one) => one.startsWith("project/")), String(led));

  const [line] = await lines("history", handle);
  const versions = line?.["versions"] as readonly (Line & { readonly fields: readonly Line[] })[];
  assert.deepEqual(
    versions.map(({ action }) => action),
    ["first", "changed"],
  );
  assert.ok(versions[1]?.fields.some((field) => field["column"] === "nom" && field["after"] === "北京张伟有限公司"));

  for (const to of [second, "live"]) {
    const found = await lines("compare", first, to, "thirdparty", "contact");
    const sums = found.filter(({ type }) => type === "table");
    const sum = (entity: string) => sums.find((one) => one["entity"] === entity);
    const parties = await number("SELECT count(*) FROM llx_societe");
    assert.deepEqual([sum("thirdparty")?.["changed"], sum("thirdparty")?.["noise"]], [1, parties - 1], to);
    assert.deepEqual([sum("contact")?.["deleted"], sum("contact")?.["created"]], [1, 0], to);
  }
  const gone = await lines("search", "--deleted", "--point", second, "--only", "contact", "a");
  assert.ok(gone.length > 1 ? gone.some((hit) => hit["handle"] === `contact/${contact}`) : gone.length === 1);
});
