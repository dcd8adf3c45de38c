import assert from "node:assert/strict";
import { test } from "node:test";
import { repair } from "../../src/engine/repair.ts";
import { HoldfastError } from "../../src/lib/errors.ts";
import { localStorage } from "../../src/storage/local.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { limits, smallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

test("a recovery point is not given up for what only the storage does not give now", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  await crm.backup("full");
  const plan = async (storage: Storage) => {
    const engine = { ...crm.engine, openStorage: () => storage };
    return await repair(engine, { repository: crm.access, what: "snapshots", lost: "bring back", limits }, crm.run);
  };
  const inner = localStorage(crm.access.location);
  assert.equal((await plan(inner)).needed, false);
  const withheld: Storage = {
    ...inner,
    load: async (file, range, signal) => {
      if (file.kind === "data") throw new HoldfastError("storage-failed", { reason: "EIO" });
      return await inner.load(file, range, signal);
    },
  };
  await assert.rejects(plan(withheld), { code: "repair-first" });
});
