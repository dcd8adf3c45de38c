import { join } from "node:path";
import { runCommand, type CommandOptions, type CommandResult } from "./run-command.ts";

/** The command as a person starts it, from this checkout. */
const holdfastProgram = join(import.meta.dirname, "../../bin/holdfast");

/** Runs `holdfast` in English and to its end, whatever its exit code. */
export async function holdfast(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  return runCommand(holdfastProgram, ["--lang", "en", ...args], options);
}
