import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { askJournal } from "../../src/engine/journal-wanted.ts";
import { openFor } from "../../src/engine/access.ts";
import { verify } from "../../src/engine/verify.ts";
import { following } from "../support/following.ts";
import { limits, smallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

test("where the state folder cannot be written, what needs nothing of it does its work all the same", async () => {
  using folder = temporaryFolder();
  const made = await smallCrm(folder.path);
  await made.backup();
  const stateFolder = join(folder.path, "no folder");
  writeFileSync(stateFolder, "");
  const engine = { ...made.engine, stateFolder };
  const { access: repository, run, description } = made;
  const report = await verify(engine, { repository, read: { kind: "all" }, limits }, run);
  assert.deepEqual(report.defects, []);
  await using opened = await openFor(engine, repository, run);
  await askJournal(engine, opened.id, description.name, { main: "1" });
  await using running = following({ ...made, engine });
  await running.durable(new Date(Date.now() + 3000).toISOString());
  await running.end();
});
