import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { buildCrm } from "../../demo/build-crm.ts";
import { holdfastCommands } from "./doc-commands.ts";
import { programFolder } from "./program.ts";
import { runCommand } from "./run-command.ts";
import { temporaryFolder } from "./temp-folder.ts";

const root = join(import.meta.dirname, "../..");

export interface PageSection {
  /** Of `docs/targets.md`. */
  readonly section: string;
  /** What the page calls the place. */
  readonly example: string;
  /** What stands for it in a page of this name. */
  place(page: string): string;
  environment(home: string): Readonly<Record<string, string>>;
}

/** Runs the commands of one section of the page on targets; that the Chinese page has the same, `test/docs/` sees. */
export async function pageCommands({ section, example, place, environment }: PageSection): Promise<void> {
  const page = "targets.md";
  using folder = temporaryFolder();
  const text = readFileSync(join(root, "docs", page), "utf8");
  const [, found = ""] = new RegExp(`^## ${section}\\n([^]*?)(?=^## |$(?![^]))`, "m").exec(text) ?? [];
  const cwd = join(folder.path, "crm");
  buildCrm(cwd);
  const commands = holdfastCommands(found);
  assert.ok(commands.length >= 4, page);
  for (const { command } of commands) {
    const env = environment(folder.path);
    const { code, stdout, stderr } = await runCommand("/bin/sh", ["-c", command.replaceAll(example, place(page))], {
      cwd,
      env,
    });
    assert.ok(code === 0 || code === 3, `${command} ended with ${code}\n${stdout}${stderr}`);
  }
}

/** For `holdfast` by its name, without what this process has. */
export function bareEnvironment(home: string): Readonly<Record<string, string>> {
  return { PATH: `${programFolder}:/usr/bin:/bin`, HOME: home, LANG: "C", HOLDFAST_STATE: join(home, "state") };
}
