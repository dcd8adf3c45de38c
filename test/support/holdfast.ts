import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { normalisePassword } from "../../src/format/key-file.ts";
import { cheapenKey } from "./cheap-key.ts";
import { holdfastProgram } from "./program.ts";
import { runCommand, type CommandOptions, type CommandResult } from "./run-command.ts";

/**
 * Runs `holdfast` in English and to its end, whatever its exit code. The key of a repository that `init` makes on this disk
 * costs the next commands nothing.
 */
export async function holdfast(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const result = await runCommand(holdfastProgram, ["--lang", "en", ...args], options);
  const [repository, passwordFile] = ["--repository", "--password-file"].map((name) => {
    const at = args.indexOf(name);
    return at < 0 ? undefined : resolve(options.cwd ?? ".", args[at + 1] ?? "");
  });
  if (args.includes("init") && repository && passwordFile && existsSync(join(repository, "keys"))) {
    await cheapenKey(repository, normalisePassword(readFileSync(passwordFile)));
  }
  return result;
}
