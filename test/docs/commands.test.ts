import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, globSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { after, test } from "node:test";
import { buildCrm } from "../../demo/build-crm.ts";
import { normalisePassword } from "../../src/format/key-file.ts";
import { cheapenKeysBelow } from "../support/cheap-key.ts";
import { configAdditions, type DocumentedCommand, holdfastCommands } from "../support/doc-commands.ts";
import { programFolder } from "../support/program.ts";
import { runCommand } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temp-folder.ts";
import { makeTrytonCrm } from "../tryton/tryton-crm.ts";

const root = join(import.meta.dirname, "../..");
const pages = globSync(["README*.md", "docs/*.md"], { cwd: root }).toSorted();

const folder = temporaryFolder();
after(() => folder[Symbol.dispose]());
/** A page's own, always at the same place. */
const home = join(folder.path, "home");
/** The same with a CRM after its first backup, made once. */
const backedUp = join(folder.path, "backed-up");

test("pages are found, and commands in them", () => {
  assert.ok(pages.includes("README.md"));
  assert.ok(pages.includes("docs/tryton.md"));
  assert.ok(holdfastCommands(readFileSync(join(root, "docs/choosing.md"), "utf8")).length > 3);
});

function commandsOf(page: string): readonly DocumentedCommand[] {
  return holdfastCommands(readFileSync(join(root, page), "utf8"));
}

for (const page of pages) {
  const commands = commandsOf(page);
  if (page.includes(".zh-CN.")) {
    test(`${page} has the commands of the English page`, () => {
      const english = commandsOf(page.replace(".zh-CN.", "."));
      assert.deepEqual(
        commands.map(({ command }) => command),
        english.map(({ command }) => command),
      );
    });
    continue;
  }
  // Need servers, or a loss: `databases.test.ts`, `records.test.ts`, `anonymise.test.ts`, `test/s3/`, `test/journal/`.
  if (
    commands.length === 0 ||
    [
      "docs/anonymise.md",
      "docs/continuous.md",
      "docs/databases.md",
      "docs/dolibarr.md",
      "docs/empty-machine.md",
      "docs/locked.md",
      "docs/records.md",
      "docs/targets.md",
    ].includes(page)
  )
    continue;

  /** Each page in a fresh folder with a CRM, from top to bottom, as a reader would. */
  test(`each command of ${page} works`, async () => {
    rmSync(home, { recursive: true, force: true });
    const cwd = join(home, "crm");
    const env = {
      PATH: `${programFolder}:/usr/bin:/bin`,
      HOME: home,
      LANG: "C",
      HOLDFAST_STATE: join(home, "state"),
    };
    const shell = async (command: string) => {
      const result = await runCommand("/bin/sh", ["-c", command], { cwd, env });
      const passwordFile = join(home, "password.txt");
      if (command.includes("holdfast init") && existsSync(passwordFile)) {
        await cheapenKeysBelow(home, normalisePassword(readFileSync(passwordFile)));
      }
      return result;
    };
    if (basename(page).startsWith("tryton")) {
      await makeTrytonCrm(cwd);
    } else if (commands.some(({ command }) => /\bholdfast init\b/.test(command))) {
      buildCrm(cwd);
    } else if (existsSync(backedUp)) {
      execFileSync("cp", ["-a", backedUp, home]);
    } else {
      buildCrm(cwd);
      for (const step of ["init --yes --repository ../backups --password-file ../password.txt", "backup"]) {
        const { code, stderr } = await shell(`holdfast ${step}`);
        assert.ok(code === 0 || code === 3, stderr);
      }
      execFileSync("cp", ["-a", home, backedUp]);
    }
    let plan = "";
    const additions = [...configAdditions(readFileSync(join(root, page), "utf8"))];
    for (const { command, line } of commands) {
      while (additions[0] !== undefined && additions[0].line < line) {
        appendFileSync(join(cwd, "holdfast.yaml"), additions.shift()?.text ?? "");
      }
      const { code, stdout, stderr } = await shell(command.replace(/^npx /, "").replaceAll(/\bPLAN\b/g, plan));
      // 3: done, with warnings, such as that this user is not root.
      assert.ok(code === 0 || code === 3, `${page}:${line}: ${command} ended with ${code}\n${stdout}${stderr}`);
      plan = /(?:restore|erase) apply (\S+)/.exec(stdout)?.[1] ?? plan;
    }
  });
}
