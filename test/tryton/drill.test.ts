import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { RecordDetails } from "../../src/contents/records/record-details.ts";
import type { DrillReport } from "../../src/engine/drill.ts";
import { temporaryFolder } from "../support/temp-folder.ts";
import { answerOf } from "./answer-of.ts";
import { makeTrytonCrm } from "./tryton-crm.ts";

test("a drill starts the restored Tryton and asks it for a record; what its store lost since is told", async () => {
  using folder = temporaryFolder();
  const crm = await makeTrytonCrm(join(folder.path, "live"));
  const state = join(folder.path, "state");
  const run = (type: string, args: readonly string[]) => answerOf(type, args, crm.folder, state);
  await run("init", ["init", "--yes", "--repository", "../backups", "--password-file", "../password.txt"]);
  await run("backup", ["backup"]);
  // Tryton's own words for its fields.
  const { fields } = (await run("record", ["browse", "latest", "party/1"])) as unknown as RecordDetails;
  assert.equal(fields.find(({ column }) => column === "name")?.label, "Name");
  // Of this one its database has the key of a text alone.
  assert.equal(fields.find(({ column }) => column === "create_uid")?.label, undefined);
  const before = readFileSync(crm.sqlite);
  const report = (await run("drill", ["drill"])) as unknown as DrillReport;
  assert.equal(report.outcome, "ok", JSON.stringify(report));
  assert.equal(report.purpose, "clone");
  const asked = report.checks.find(({ kind }) => kind === "application");
  assert.equal(asked?.state, "ok");
  assert.match(asked.subject ?? "", /^party_party \d+$/);
  assert.ok((asked.detail ?? "").length > 1);
  assert.deepEqual(
    readdirSync(join(state, "drills")).filter((name) => name.startsWith("copy-")),
    [],
  );
  assert.deepEqual(readFileSync(crm.sqlite), before, "the live database is as it was");

  // A module that the copy needs and this machine's Tryton has not: it does not start, and the drill says so.
  const config = readFileSync(crm.configuration, "utf8");
  writeFileSync(crm.configuration, `${config}\n[cache]\nclass = no.such.module\n`);
  await run("backup", ["backup"]);
  await assert.rejects(run("drill", ["drill"]), /drill-failed/);
});
