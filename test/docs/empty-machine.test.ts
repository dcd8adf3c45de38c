import assert from "node:assert/strict";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { buildCrm } from "../../demo/build-crm.ts";
import { folderContent } from "../../demo/compare.ts";
import { emptyDolibarr } from "../dolibarr/dolibarr-crm.ts";
import { cheapenKey } from "../support/cheap-key.ts";
import { compareDatabases } from "../support/compare-databases.ts";
import { codeBlocks } from "../support/doc-commands.ts";
import { startMariadb } from "../support/mariadb-server.ts";
import { programFolder } from "../support/program.ts";
import { runCommand } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const root = join(import.meta.dirname, "../..");

/** Every line that a reader of the page types, section by section. */
function stepsOf(page: string): readonly string[] {
  const blocks = codeBlocks(readFileSync(join(root, "docs", page), "utf8")).filter(({ language }) => language === "sh");
  return blocks.flatMap(({ text }) => text.split("\n").filter((line) => line !== ""));
}

test("the Chinese page has the same commands", () => {
  assert.deepEqual(stepsOf("empty-machine.zh-CN.md"), stepsOf("empty-machine.md"));
});

interface Kit {
  readonly location: string;
  readonly password: string;
}

/** Follows the page in `home`, with what the kit says; the last section in the CRM's folder. */
async function follow(home: string, { location, password }: Kit, crm: string): Promise<void> {
  const env = { PATH: `${programFolder}:/usr/bin:/bin`, HOME: home, LANG: "C" };
  const exports: string[] = [];
  let plan = "";
  for (const step of stepsOf("empty-machine.md")) {
    const typed = step.replace("LOCATION", location).replace("PASSWORD'", `${password}'`).replace("PLAN", plan);
    if (typed.startsWith("export ")) {
      exports.push(typed.replace("./password.txt", join(home, "password.txt")));
      continue;
    }
    const isHere = /^holdfast (doctor|backup|kit)/.test(typed);
    const before = isHere ? [] : exports;
    const shell = [...before, typed].join("\n");
    const { code, stdout, stderr } = await runCommand("/bin/sh", ["-c", shell], { cwd: isHere ? crm : home, env });
    // 3: done, with warnings, such as that the backups lie on the CRM's own disk here.
    assert.ok(code === 0 || code === 3, `${typed} ended with ${code}\n${stdout}${stderr}`);
    plan = /restore apply (\S+)/.exec(stdout)?.[1] ?? plan;
    if (typed.startsWith("holdfast restore apply"))
      renameSync(join(home, "password.txt"), join(crm, "../password.txt"));
  }
}

/** Makes the first backups, and gives what the recovery kit says. */
async function backedUp(crm: string, state: string): Promise<Kit> {
  const env = { PATH: `${programFolder}:/usr/bin:/bin`, HOME: state, LANG: "C" };
  const script =
    "holdfast init --yes --repository ../backups --password-file ../password.txt && { holdfast backup; true; }";
  const { code, stderr } = await runCommand("/bin/sh", ["-c", script], { cwd: crm, env });
  assert.equal(code, 0, stderr);
  const kit = {
    location: join(crm, "../backups"),
    password: readFileSync(join(crm, "../password.txt"), "utf8").trim(),
  };
  await cheapenKey(kit.location, kit.password); // a dozen commands open it
  return kit;
}

test("from the repository and the kit alone: a CRM on SQLite is as it was", async () => {
  using folder = temporaryFolder();
  const crm = buildCrm(join(folder.path, "crm"));
  const kit = await backedUp(join(folder.path, "crm"), join(folder.path, "old-home"));
  const was = join(folder.path, "was");
  renameSync(join(folder.path, "crm"), was);
  rmSync(join(folder.path, "password.txt"));
  rmSync(join(folder.path, "old-home"), { recursive: true, force: true });
  mkdirSync(join(folder.path, "home"));
  await follow(join(folder.path, "home"), kit, join(folder.path, "crm"));
  assert.deepEqual(compareDatabases(join(was, "crm.db"), crm.database), []);
  assert.deepEqual(folderContent(crm.attachments), folderContent(join(was, "attachments")));
  assert.equal(
    readFileSync(join(folder.path, "crm/holdfast.yaml"), "utf8"),
    readFileSync(join(was, "holdfast.yaml"), "utf8"),
  );
});

test("from the repository and the kit alone: a Dolibarr whose database was on a server", async () => {
  using folder = temporaryFolder();
  await using server = await startMariadb();
  const place = join(folder.path, "dolibarr");
  const crm = await emptyDolibarr(place, server);
  const rows = "SELECT rowid, nom FROM llx_societe ORDER BY rowid";
  await server.sql(
    "CREATE TABLE llx_societe (rowid INT PRIMARY KEY, nom VARCHAR(99)) CHARACTER SET utf8mb4; INSERT INTO llx_societe VALUES (1,'张伟'),(2,'Ada')",
    crm.database,
  );
  writeFileSync(join(crm.documents, "offer.txt"), "offer");
  const conf = readFileSync(crm.configuration, "utf8");
  const kit = await backedUp(place, join(folder.path, "old-home"));
  rmSync(place, { recursive: true });
  rmSync(join(folder.path, "password.txt"));
  await server.sql(`DROP DATABASE ${crm.database}`);
  const home = join(folder.path, "home");
  mkdirSync(home);
  // Step 1: the database user, its password where the server's own client looks, and the program of the same version.
  writeFileSync(join(home, ".my.cnf"), `[client]\npassword="${crm.password.replaceAll('"', String.raw`\"`)}"\n`, {
    mode: 0o600,
  });
  await follow(home, kit, place);
  assert.equal(await server.sql(rows, crm.database), "1\t张伟\n2\tAda\n");
  assert.equal(readFileSync(join(crm.documents, "offer.txt"), "utf8"), "offer");
  assert.equal(readFileSync(crm.configuration, "utf8"), conf);
});
