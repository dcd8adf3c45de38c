import assert from "node:assert/strict";
import { test } from "node:test";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { missingOnly, smallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/*
 * Rows may refer to nothing in a sound database. A merge adds no such rows, and need not do away with all of them.
 */

test("a merge that brings back what some rows refer to is done, though others still refer to nothing", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  await crm.backup();
  crm.sql(`PRAGMA foreign_keys = OFF; DELETE FROM contact WHERE id = 1;
    UPDATE attachment SET contact = 99999 WHERE id = 2`);
  const plan = await crm.plan({ scope: { kind: "database" }, switches: missingOnly });
  await crm.apply(plan);
  assert.equal(crm.rows("SELECT 1 FROM contact WHERE id = 1").length, 1);
  assert.equal(crm.rows("SELECT 1 FROM attachment WHERE contact = 99999").length, 1);
});

test("a merge after which more rows would refer to nothing ends before it replaces anything", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  await crm.backup();
  crm.sql("INSERT INTO contact VALUES (5000, 'newer', 1); UPDATE attachment SET contact = 5000 WHERE id = 2");
  const switches = { createMissing: false, updateChanged: false, removeNewer: true };
  const plan = await crm.plan({ scope: { kind: "database" }, switches });
  await assert.rejects(crm.apply(plan), (error) => {
    assert.ok(isHoldfastError(error, "restore-mismatch"), String(error));
    assert.equal(error.facts["detail"], "attachment -> contact: 1");
    return true;
  });
  assert.equal(crm.rows("SELECT 1 FROM contact WHERE id = 5000").length, 1);
});
