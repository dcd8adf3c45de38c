import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { findAnomalies } from "../../src/engine/anomalies.ts";
import { observedIn } from "../../src/jobs/observed.ts";
import { smallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

test("real backups: what is counted is what was done, and mischief stands out", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const documents = join(crm.attachments, "documents");
  mkdirSync(documents);
  for (let n = 0; n < 60; n++) writeFileSync(join(documents, `d${n}.txt`), `contract ${n}\n`.repeat(500));
  const first = observedIn(await crm.backup());
  assert.deepEqual(first.changes, []);

  crm.sql(
    "UPDATE contact SET amount = 1 WHERE id <= 7; DELETE FROM contact WHERE id > 2990; INSERT INTO contact VALUES (9001, 'new', 0), (9002, 'new', 0)",
  );
  const usual = await crm.backup();
  const change = { table: "contact", rows: 2992, rowsBefore: 3000, created: 2, updated: 7, deleted: 10 };
  assert.deepEqual(observedIn(usual).changes, [change]);
  assert.deepEqual(findAnomalies(observedIn(usual), [first]), []);

  crm.sql(
    "DELETE FROM contact WHERE id > 1000; ALTER TABLE log ADD COLUMN at TEXT; CREATE TABLE extra (id INTEGER PRIMARY KEY)",
  );
  for (const name of readdirSync(documents)) {
    writeFileSync(join(documents, name), randomBytes(6000));
    if (name < "d3") renameSync(join(documents, name), join(documents, `${name}.locked`));
  }
  const attacked = observedIn(await crm.backup("differential"));
  const found = findAnomalies(attacked, [first, observedIn(usual)]);
  assert.deepEqual(found.map(({ kind, subject }) => `${kind} ${subject}`).toSorted(), [
    "files-changed files",
    "files-incompressible files",
    "files-renamed files",
    "mass-delete contact",
    "schema-change extra",
    "schema-change log",
  ]);
  assert.deepEqual(attacked.files?.appended, { ending: ".locked", files: 23 });
});
