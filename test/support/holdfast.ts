import { holdfastProgram } from "./program.ts";
import { runCommand, type CommandOptions, type CommandResult } from "./run-command.ts";

/** Runs `holdfast` in English and to its end, whatever its exit code. */
export async function holdfast(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  return runCommand(holdfastProgram, ["--lang", "en", ...args], options);
}
