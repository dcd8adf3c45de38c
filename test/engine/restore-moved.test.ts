import assert from "node:assert/strict";
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { smallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

test("a plan says which parts go back to where the configuration has them no longer", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  await crm.backup();
  const moved = join(folder.path, "moved");
  mkdirSync(moved);
  renameSync(crm.attachments, join(moved, "files"));
  renameSync(crm.database, join(moved, "crm.db"));
  const database = `sqlite:${join(moved, "crm.db")}`;
  const files = [{ name: "attachments", path: join(moved, "files") }];
  const crms = [{ ...crm.description, database, files }];
  const ofDatabase = { code: "place-moved", subject: crm.description.database, detail: database };
  const ofFiles = { code: "place-moved", subject: crm.attachments, detail: join(moved, "files") };
  const warned = async (input: Parameters<typeof crm.plan>[0]) =>
    (await crm.plan({ crms, ...input })).warnings.filter(({ code }) => code === "place-moved");
  assert.deepEqual(await warned({}), [ofDatabase, ofFiles]);
  assert.deepEqual(await warned({ crms: [crm.description] }), []);
  assert.deepEqual(await warned({ scope: { kind: "database" } }), [ofDatabase]);
  const paths = ["/files/attachments/logo.bin"];
  assert.deepEqual(await warned({ scope: { kind: "files", paths } }), [ofFiles]);
  assert.deepEqual(await warned({ target: join(folder.path, "beside"), purpose: "clone" }), []);
  // What is there and stays is not written.
  assert.deepEqual((await crm.apply(await crm.plan({ scope: { kind: "database" } }))).failed, []);
  const handles = { keys: [], handles: ["contact/1"], compared: [], in: [], related: "none", renames: [] } as const;
  crm.sql("UPDATE contact SET name = 'changed' WHERE id = 1");
  assert.deepEqual(await warned({ scope: { kind: "records", selection: handles } }), [ofDatabase]);
  rmSync(moved, { recursive: true });
  assert.deepEqual(await warned({}), [ofDatabase, ofFiles], "as the configuration says, though nothing is there");
});
