import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { buildCrm } from "../../demo/build-crm.ts";
import { codeBlocks, holdfastCommands } from "../support/doc-commands.ts";
import { holdfast } from "../support/holdfast.ts";
import { bareEnvironment } from "../support/page-commands.ts";
import { commandOutput } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const root = join(import.meta.dirname, "../..");

test("each command of docs/anonymise.md works, and nobody of the CRM is in the copy", async () => {
  using folder = temporaryFolder();
  const cwd = join(folder.path, "crm");
  buildCrm(cwd);
  const env = bareEnvironment(folder.path);
  const shell = (command: string) => commandOutput("/bin/sh", ["-c", `${command} || [ $? = 3 ]`], { cwd, env });
  const init = ["init", "--yes", "--repository", "../backups", "--password-file", "../password.txt"];
  const made = await holdfast(init, { cwd, env });
  assert.equal(made.code, 0, made.stderr);
  const page = readFileSync(join(root, "docs/anonymise.md"), "utf8");
  const yaml = codeBlocks(page).find(({ language }) => language === "yaml")?.text ?? "";
  const config = join(cwd, "holdfast.yaml");
  const more = yaml.split("\n").slice(2).join("\n");
  writeFileSync(config, readFileSync(config, "utf8").replace(/^crm:\n/m, `crm:\n${more}`));
  let plan = "";
  for (const { command } of holdfastCommands(page)) {
    const said = await shell(command.replaceAll(/\bPLAN\b/g, plan));
    plan = /restore apply (\S+)/.exec(said)?.[1] ?? plan;
  }
  const values = (file: string, sql: string): ReadonlySet<string> => {
    using connection = new DatabaseSync(file, { readOnly: true });
    return new Set(
      connection
        .prepare(sql)
        .all()
        .map((row) => Object.values(row).join(" ")),
    );
  };
  for (const sql of [
    "SELECT first_name, last_name FROM contacts",
    "SELECT email FROM contacts",
    "SELECT name FROM companies",
  ]) {
    const [before, after] = [values(join(cwd, "crm.db"), sql), values(join(folder.path, "training/crm.db"), sql)];
    assert.ok(before.size > 5 && after.size > 5, sql);
    assert.equal(before.intersection(after).size, 0, sql);
  }
});
