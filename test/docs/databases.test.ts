import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { codeBlocks, holdfastCommands } from "../support/doc-commands.ts";
import { startMariadb } from "../support/mariadb-server.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { programFolder } from "../support/program.ts";
import { runCommand } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temp-folder.ts";
import { emptyDolibarr } from "../dolibarr/dolibarr-crm.ts";

const root = join(import.meta.dirname, "../..");
const page = readFileSync(join(root, "docs/databases.md"), "utf8");

/** What a section says, from its heading to the next of the same level. */
function section(heading: string): string {
  const [, text] = new RegExp(`^## ${heading}\n([^]*?)(?=^## |$(?![^]))`, "m").exec(page) ?? [];
  assert.ok(text, heading);
  return text;
}

/** Runs what a page says, in a folder beside the password of the database. Gives the number of commands. */
async function followed(
  text: string,
  cwd: string,
  change: { readonly command: (text: string) => string; readonly configuration?: (yaml: string) => string },
): Promise<number> {
  mkdirSync(cwd, { recursive: true });
  const above = join(cwd, "..");
  const yaml = codeBlocks(text).find(({ language }) => language === "yaml")?.text ?? "";
  if (change.configuration) writeFileSync(join(cwd, "holdfast.yaml"), change.configuration(change.command(yaml)));
  writeFileSync(join(above, "database-password.txt"), "any\n", { mode: 0o600 });
  const env = {
    PATH: `${programFolder}:/usr/bin:/bin`,
    HOME: above,
    LANG: "C",
    HOLDFAST_STATE: join(above, "state"),
  };
  const shell = (command: string) => runCommand("/bin/sh", ["-c", command], { cwd, env });
  if (change.configuration) {
    const made = await shell("echo secret > ../password.txt; chmod 600 ../password.txt; holdfast init --yes");
    assert.equal(made.code, 0, made.stderr);
  }
  let plan = "";
  let count = 0;
  for (const { command } of holdfastCommands(text)) {
    const { code, stdout, stderr } = await shell(change.command(command).replaceAll(/\bPLAN\b/g, plan));
    assert.ok(code === 0 || code === 3, `${command} ended with ${code}\n${stdout}${stderr}`);
    plan = /restore apply (\S+)/.exec(stdout)?.[1] ?? plan;
    count++;
  }
  return count;
}

const harmless = (yaml: string): string =>
  yaml.replace("platform: custom", "platform: custom\n  neutralise: [UPDATE contact SET name = '-']");

test("the PostgreSQL section's configuration and commands, from top to bottom", async () => {
  using folder = temporaryFolder();
  await using server = await startPostgres();
  await server.sql("CREATE DATABASE acme; CREATE ROLE holdfast SUPERUSER LOGIN");
  await server.sql(
    "CREATE TABLE contact (id serial PRIMARY KEY, name text); INSERT INTO contact (name) VALUES ('张伟'), ('Ada')",
    "acme",
  );
  const command = (text: string) =>
    text.replaceAll("db.example.com", `127.0.0.1:${server.port}`).replaceAll("?sslmode=verify-full", "");
  const count = await followed(section("PostgreSQL"), join(folder.path, "crm"), { command, configuration: harmless });
  assert.ok(count >= 7, `${count} commands`);
  assert.equal(await server.sql("SELECT name FROM contact", "acme_test"), "-\n-\n");
  assert.equal(await server.sql("SELECT name FROM contact", "acme"), "张伟\nAda\n");
});

test("the MariaDB section's configuration and commands, from top to bottom", async () => {
  using folder = temporaryFolder();
  await using server = await startMariadb();
  await server.sql(
    `CREATE DATABASE shop CHARACTER SET utf8mb4; CREATE USER holdfast@'127.0.0.1' IDENTIFIED BY 'any';
     GRANT ALL ON *.* TO holdfast@'127.0.0.1' WITH GRANT OPTION; GRANT ALL ON *.* TO root@'127.0.0.1' IDENTIFIED BY '';
     CREATE TABLE shop.contact (id INT AUTO_INCREMENT PRIMARY KEY, name TEXT); INSERT INTO shop.contact(name) VALUES ('张伟'), ('Ada');`,
  );
  const command = (text: string) =>
    text.replaceAll("db.example.com", `127.0.0.1:${server.port}`).replaceAll("?ssl-mode=verify-identity", "");
  const cwd = join(folder.path, "crm");
  const count = await followed(section("MariaDB and MySQL"), cwd, { command, configuration: harmless });
  assert.ok(count >= 7, `${count} commands`);
  assert.equal(await server.sql("SELECT name FROM contact", "shop_test"), "-\n-\n");
  assert.equal(await server.sql("SELECT name FROM contact", "shop"), "张伟\nAda\n");
});

test("the commands of the page on Dolibarr", async () => {
  using folder = temporaryFolder();
  await using server = await startMariadb();
  const cwd = join(folder.path, "dolibarr");
  await emptyDolibarr(cwd, server);
  const text = readFileSync(join(root, "docs/dolibarr.md"), "utf8");
  assert.equal(await followed(text, cwd, { command: (line) => line }), 3);
  const yaml = readFileSync(join(cwd, "holdfast.yaml"), "utf8");
  for (const line of ["platform: dolibarr", "configuration: ./htdocs/conf/conf.php"])
    assert.ok(yaml.includes(line), yaml);
});
