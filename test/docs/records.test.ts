import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { buildCrm } from "../../demo/build-crm.ts";
import { holdfastCommands } from "../support/doc-commands.ts";
import { holdfast } from "../support/holdfast.ts";
import { programFolder } from "../support/program.ts";
import { runCommand } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const root = join(import.meta.dirname, "../..");

test("each command of docs/records.md works on a CRM from which a company was deleted", async () => {
  using folder = temporaryFolder();
  const cwd = join(folder.path, "crm");
  buildCrm(cwd);
  const env = {
    PATH: `${programFolder}:/usr/bin:/bin`,
    HOME: folder.path,
    LANG: "C",
    HOLDFAST_STATE: join(folder.path, "state"),
  };
  const shell = async (command: string) => {
    const result = await runCommand("/bin/sh", ["-c", command], { cwd, env });
    assert.ok(
      result.code === 0 || result.code === 3,
      `${command} ended with ${result.code}\n${result.stdout}${result.stderr}`,
    );
    return result.stdout;
  };
  const init = ["init", "--yes", "--repository", "../backups", "--password-file", "../password.txt"];
  const made = await holdfast(init, { cwd, env });
  assert.equal(made.code, 0, made.stderr);
  await shell("holdfast backup");
  const database = join(cwd, readdirSync(cwd).find((name) => /\.(?:db|sqlite)$/.test(name)) ?? "crm.db");
  const sql = (script: string): void => {
    using connection = new DatabaseSync(database);
    connection.exec(script);
  };
  const companies = (): unknown => {
    using connection = new DatabaseSync(database, { readOnly: true });
    return connection
      .prepare("SELECT (SELECT count(*) FROM companies) AS companies, (SELECT count(*) FROM notes) AS notes")
      .get();
  };
  const before = companies();
  const deals =
    "SELECT id FROM deals WHERE company_id = 3 OR contact_id IN (SELECT id FROM contacts WHERE company_id = 3)";
  sql(`DELETE FROM notes WHERE deal_id IN (${deals}); DELETE FROM attachments WHERE deal_id IN (${deals});
    DELETE FROM deals WHERE id IN (${deals}); DELETE FROM contacts WHERE company_id = 3; DELETE FROM companies WHERE id = 3;
    UPDATE contacts SET email = NULL WHERE id < 9`);
  const deleted = companies();
  assert.notDeepEqual(deleted, before);
  let plan = "";
  for (const { command } of holdfastCommands(readFileSync(join(root, "docs/records.md"), "utf8"))) {
    const said = await shell(command.replaceAll(/\bPLAN\b/g, plan));
    plan = /restore apply (\S+)/.exec(said)?.[1] ?? plan;
    if (command.startsWith("holdfast restore apply") && !command.includes("to-files")) {
      if (/To go back/.test(said)) assert.deepEqual(companies(), before);
    }
    if (command.startsWith("holdfast restore undo")) assert.deepEqual(companies(), deleted);
  }
  const csv = readFileSync(join(folder.path, "found/companies.csv"), "utf8");
  assert.match(csv, /^id,name,city,country,created_at\r\n3,/);
  assert.match(readFileSync(join(folder.path, "found-sql/records.sql"), "utf8"), /^BEGIN;\nINSERT INTO "companies"/);
});
