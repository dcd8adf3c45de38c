import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { cliCrm } from "./cli-crm.ts";

const crm = cliCrm();
after(() => crm[Symbol.dispose]());

function sql(statements: string): void {
  using connection = new DatabaseSync(crm.database);
  connection.exec(statements);
}

test("compare: for a person, as JSON and as CSV", async () => {
  await crm.run(["init", "--yes"]);
  assert.equal((await crm.run(["backup"])).code, 0);
  sql(`UPDATE contacts SET name = 'Ada "L"', phone = NULL WHERE id = 1; DELETE FROM contacts WHERE id = 3;
    INSERT INTO contacts (name) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 14) SELECT 'new ' || i FROM n`);
  writeFileSync(join(crm.folder, "attachments/new.txt"), "new\n");
  rmSync(join(crm.folder, "attachments/notes.txt"));

  const text = await crm.run(["compare", "latest", "live"]);
  assert.equal(text.code, 0, text.stderr);
  assert.match(
    text.stdout,
    /^From 20.* \([0-9a-f]{8}\) to now \(live\)\n\ncontacts: 13 created, 2 changed, 0 deleted\n/,
  );
  assert.match(text.stdout, /\n {2}~ contacts\/1\n {6}name: Ada → Ada "L"\n {6}phone: 1 → NULL\n/);
  assert.match(text.stdout, /\n {2}… and 5 more: --all lists them\n/);
  assert.match(text.stdout, /\nFiles: 1 created, 0 changed, 1 deleted\n {2}- \/files\/attachments\/notes.txt\n/);
  const all = await crm.run(["compare", "latest", "live", "contacts", "--all"]);
  assert.equal(all.stdout.match(/^ {2}\+ contacts\/\d+$/gm)?.length, 13);
  assert.doesNotMatch(all.stdout, /Files/);

  const { records } = await crm.json(["compare", "latest", "live", "contacts"]);
  assert.deepEqual(
    records.map(({ type }) => type),
    ["compare", ...Array.from({ length: 15 }, () => "change"), "table"],
  );
  assert.deepEqual(records[1], {
    type: "change",
    database: "main",
    table: "contacts",
    action: "changed",
    handle: "contacts/1",
    fields: [
      { column: "name", before: "Ada", after: 'Ada "L"' },
      { column: "phone", before: "1", after: null },
    ],
    noise: [],
  });

  const csv = await crm.run(["compare", "latest", "live", "--csv"]);
  const lines = csv.stdout.split("\r\n");
  assert.equal(lines[0], "\uFEFFtype,action,entity,record,title,column,before,after,noise");
  const semicolons = await crm.run(["compare", "latest", "live", "--csv-semicolon"]);
  assert.match(semicolons.stdout, /^\uFEFFtype;action;entity;record;title;column;before;after;noise\r\n/);
  assert.equal(lines[1], 'record,changed,contacts,contacts/1,,name,Ada,"Ada ""L""",""');
  assert.ok(lines.some((line) => line.startsWith("file,created,") && line.includes("/files/attachments/new.txt")));
  const chinese = await crm.run(["--lang", "zh-CN", "compare", "latest", "latest"]);
  assert.match(chinese.stdout, /没有不同/);
  assert.equal((await crm.run(["compare", "live", "live"])).code, 2);
  assert.equal((await crm.run(["compare", "latest", "live", "nobody"])).code, 4);
});

test("browse and history: records for a person, and as JSON", async () => {
  const root = await crm.run(["browse"]);
  assert.match(root.stdout, /\n\nRecords +Rows +Name\ncontacts +3 +contacts\ndeals +1 +deals\n/);
  const page = await crm.run(["browse", "latest", "contacts", "--limit", "2"]);
  assert.match(page.stdout, /^contacts\/1 +1 {2}Ada {2}1\ncontacts\/2 +2 {2}王芳 {2}2\nMore: --after contacts\/2\n$/);
  const { records } = await crm.json(["browse", "latest", "contacts", "--after", "contacts/2"]);
  assert.deepEqual(
    records.map(({ type, handle }) => [type, handle]),
    [
      ["records", undefined],
      ["item", "contacts/3"],
    ],
  );
  const one = await crm.run(["browse", "contacts/2"]);
  assert.match(
    one.stdout,
    /^contacts\/2\n {2}id +2\n {2}name +王芳\n {2}phone +2\n\ndeals by contact_id: 1\n {2}deals\/1\n$/,
  );
  assert.equal((await crm.json(["browse", "latest", "deals/1"])).records[0]?.["type"], "record");
  assert.equal((await crm.run(["browse", "latest", "contacts", "--limit", "0"])).code, 2);

  assert.equal((await crm.run(["backup"])).code, 0);
  const line = await crm.run(["history", "contacts/1"]);
  assert.match(
    line.stdout,
    /^contacts\/1\n.*there already\n.*changed\n {6}name: Ada → Ada "L"\n {6}phone: 1 → NULL\nLooked at 2 moments\.\n$/,
  );
  sql("DELETE FROM contacts WHERE id = 1");
  const gone = await crm.run(["history", "contacts/1", "--live"]);
  assert.match(
    gone.stdout,
    /now \(live\) {2}deleted\nThe newest recovery point holds it, .*\nTo bring it back as it was last:\n {6}holdfast restore plan [0-9a-f]{8} --record contacts\/\d+\n$/,
  );
  assert.equal((await crm.json(["history", "contacts/1"])).records[0]?.["type"], "history");
  const named = await crm.run(["history", "contacts/1", "--live", "--crm", "acme"]);
  assert.match(named.stdout, /restore plan [0-9a-f]{8} --record contacts\/1 --crm acme\n$/);
});

test("search: for a person, as JSON, and with the exit code of a search", async () => {
  const found = await crm.run(["search", "王"]);
  assert.match(found.stdout, /^contacts\/2\n {6}name: 王芳\n$/);
  const { records } = await crm.json(["search", "notes", "--limit", "1"]);
  assert.deepEqual(
    records.map(({ type, of }) => [type, of]),
    [["search", undefined]],
  );
  const some = await crm.json(["search", "new", "--limit", "2"]);
  assert.deepEqual(
    some.records.map(({ type, of }) => [type, of]),
    [
      ["search", undefined],
      ["hit", "record"],
      ["hit", "record"],
      ["more", undefined],
    ],
  );
  const nothing = await crm.run(["search", "nobody", "has", "this"]);
  assert.deepEqual([nothing.code, nothing.stdout], [4, "Nothing was found.\n"]);
  const deleted = await crm.run(["search", "ada", "--deleted", "--point", "live"]);
  assert.match(deleted.stdout, /^contacts\/1 +\(deleted since now \(live\)\)\n {6}name: Ada "L"\n$/);
});
