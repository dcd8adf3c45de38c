import type { Command } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";

export const configSchemaCommand: Command = {
  name: "config schema",
  answers: "question",
  async run({ output }) {
    const { configJsonSchema } = await import("../config/config-schema.ts");
    const schema = configJsonSchema();
    output.record(schema);
    output.line(JSON.stringify(schema, undefined, 2));
    return exitCodes.done;
  },
};
