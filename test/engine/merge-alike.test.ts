import assert from "node:assert/strict";
import { test } from "node:test";
import type { RestoreSwitches } from "../../src/engine/restore-plan.ts";
import { missingOnly, smallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

test("a key that SQLite compares without case is one row however it is written", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const rows = () =>
    crm
      .rows("SELECT name || value AS row FROM setting ORDER BY name COLLATE BINARY")
      .map((row) => String(Object.values(row ?? {})[0]));
  crm.sql(
    "CREATE TABLE setting (name TEXT COLLATE NOCASE PRIMARY KEY, value); INSERT INTO setting VALUES ('Ab', 1), ('gone', 1), ('same', 1)",
  );
  await crm.backup();
  crm.sql(
    "UPDATE setting SET name = 'AB', value = 2 WHERE name = 'Ab'; DELETE FROM setting WHERE name = 'gone'; INSERT INTO setting VALUES ('newer', 2)",
  );
  const merged = async (switches: RestoreSwitches) => {
    const plan = await crm.plan({ scope: { kind: "database" }, switches });
    await crm.apply(plan);
    return plan.parts[0]?.changes;
  };
  const counts = await merged(missingOnly);
  assert.deepEqual([counts?.created, counts?.differ, counts?.newer], [1, 1, 1]);
  assert.deepEqual(rows(), ["AB2", "gone1", "newer2", "same1"]);
  const changed = await merged({ createMissing: true, updateChanged: true, removeNewer: false });
  assert.deepEqual([changed?.created, changed?.updated, changed?.newer], [0, 1, 1]);
  assert.deepEqual(rows(), ["Ab1", "gone1", "newer2", "same1"]);
});
