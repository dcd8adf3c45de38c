import { relative } from "node:path";
import { findConfig, noConfig } from "../config/find.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Command } from "./command.ts";
import type { Context } from "./context.ts";
import { exitCodes } from "./exit-codes.ts";
import { describeError } from "./report-error.ts";

export const configValidateCommand: Command = {
  name: "config validate",
  answers: "question",
  async run(context) {
    const { folder, environment } = context.surroundings;
    const file = findConfig(folder, environment, context.globals.config);
    if (file === undefined) throw noConfig(folder, environment);
    const { checkConfig, readConfigText } = await import("../config/load.ts");
    const { config, problems } = checkConfig(await readConfigText(file), file);
    const { output, words, format } = context;
    const described = problems.map((problem) => ({ ...problem, message: problemText(context, file, problem) }));
    output.record({ type: "config-check", file, valid: config !== undefined, problems: described });
    if (config) {
      const facts = { file: relative(folder, file), crms: config.crms.length, location: config.repository.location };
      output.line(format.fill(words.configFile.valid, facts));
      return exitCodes.done;
    }
    output.lines(described.map((problem) => problem.message));
    return exitCodes.usage;
  },
};

function problemText({ words, format }: Context, file: string, problem: object): string {
  return describeError(new HoldfastError("config-invalid", { file, ...problem }), words, format, "").message;
}
