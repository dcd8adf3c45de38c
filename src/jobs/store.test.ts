import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { temporaryFolder } from "../../test/support/temp-folder.ts";
import { newRun } from "./new-run.ts";
import { JobStore } from "./store.ts";

test("books that an earlier version kept, which did not count what was cut off, are gone on with", () => {
  using folder = temporaryFolder();
  const file = join(folder.path, "service.sqlite");
  const run = newRun({ id: "1", item: "backup/acme", job: "backup", subject: "acme" }, 0);
  {
    using store = new JobStore(file);
    store.add(run);
  }
  {
    using earlier = new DatabaseSync(file);
    earlier.exec("ALTER TABLE runs DROP COLUMN cutOff");
  }
  using store = new JobStore(file);
  assert.deepEqual(store.get("1"), run);
  store.update({ ...run, cutOff: 2 });
  assert.equal(store.get("1")?.cutOff, 2);
});
