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
  assert.equal(lines[0], "type,action,entity,record,title,column,before,after,noise");
  assert.equal(lines[1], 'record,changed,contacts,contacts/1,,name,Ada,"Ada ""L""",""');
  assert.ok(lines.some((line) => line.startsWith("file,created,") && line.includes("/files/attachments/new.txt")));
  const chinese = await crm.run(["--lang", "zh-CN", "compare", "latest", "latest"]);
  assert.match(chinese.stdout, /没有不同/);
  assert.equal((await crm.run(["compare", "live", "live"])).code, 2);
  assert.equal((await crm.run(["compare", "latest", "live", "nobody"])).code, 4);
});
