import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { codeBlocks, holdfastCommands } from "../support/doc-commands.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { runCommand } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const root = join(import.meta.dirname, "../..");
const page = readFileSync(join(root, "docs/databases.md"), "utf8");

/** What a section says, from its heading to the next of the same level. */
function section(heading: string): string {
  const [, text] = new RegExp(`^## ${heading}\n([^]*?)(?=^## |$(?![^]))`, "m").exec(page) ?? [];
  assert.ok(text, heading);
  return text;
}

test("the PostgreSQL section's configuration and commands, from top to bottom", async () => {
  using folder = temporaryFolder();
  await using server = await startPostgres();
  const here = (text: string) =>
    text.replaceAll("db.example.com", `127.0.0.1:${server.port}`).replaceAll("?sslmode=verify-full", "");
  await server.sql("CREATE DATABASE acme; CREATE ROLE holdfast SUPERUSER LOGIN");
  await server.sql(
    "CREATE TABLE contact (id serial PRIMARY KEY, name text); INSERT INTO contact (name) VALUES ('张伟'), ('Ada')",
    "acme",
  );
  const cwd = join(folder.path, "crm");
  mkdirSync(cwd);
  const text = section("PostgreSQL");
  const yaml = codeBlocks(text).find(({ language }) => language === "yaml")?.text ?? "";
  writeFileSync(
    join(cwd, "holdfast.yaml"),
    here(yaml).replace("platform: custom", "platform: custom\n  neutralise: [UPDATE contact SET name = '-']"),
  );
  writeFileSync(join(folder.path, "database-password.txt"), "any\n", { mode: 0o600 });
  const env = {
    PATH: `${join(root, "bin")}:/usr/bin:/bin`,
    HOME: folder.path,
    LANG: "C",
    HOLDFAST_STATE: join(folder.path, "state"),
  };
  const shell = (command: string) => runCommand("/bin/sh", ["-c", command], { cwd, env });
  const made = await shell("echo secret > ../password.txt; chmod 600 ../password.txt; holdfast init --yes");
  assert.equal(made.code, 0, made.stderr);
  let plan = "";
  let count = 0;
  for (const { command } of holdfastCommands(text)) {
    const { code, stdout, stderr } = await shell(here(command).replaceAll(/\bPLAN\b/g, plan));
    assert.ok(code === 0 || code === 3, `${command} ended with ${code}\n${stdout}${stderr}`);
    plan = /restore apply (\S+)/.exec(stdout)?.[1] ?? plan;
    count++;
  }
  assert.ok(count >= 7, `${count} commands`);
  assert.equal(await server.sql("SELECT name FROM contact", "acme_test"), "-\n-\n");
  assert.equal(await server.sql("SELECT name FROM contact", "acme"), "张伟\nAda\n");
});
