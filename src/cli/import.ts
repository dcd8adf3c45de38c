import { resolveLocation } from "../config/location.ts";
import type { ImportReport } from "../engine/import.ts";
import { HoldfastError } from "../lib/errors.ts";
import { type Command, textOption } from "./command.ts";
import type { Context } from "./context.ts";
import { changerOptions, driveChoice, volumeAsker } from "./drive-options.ts";
import { exitCodes } from "./exit-codes.ts";

export const importCommand: Command = {
  name: "import",
  answers: "stream",
  arguments: [{ form: "<place>" }],
  options: [
    { flags: "--set <sets...>" },
    { flags: "--only <files...>" },
    { flags: "--into <location>" },
    ...changerOptions,
  ],
  async run(context, invocation) {
    const [place] = invocation.arguments;
    if (place === undefined) throw new HoldfastError("usage", { problem: "missing-argument", what: "place" });
    const into = textOption(invocation, "into");
    const askVolume = volumeAsker(context);
    const report = await context.door.import(
      {
        from: driveChoice(context, place, invocation),
        into:
          into === undefined
            ? (await context.repository()).location
            : resolveLocation(into, context.surroundings.folder),
        sets: listOption(invocation.options["set"]),
        only: listOption(invocation.options["only"]),
        ...(askVolume && { askVolume }),
      },
      context.run,
    );
    context.output.record(report);
    context.output.lines(importLines(context, report));
    return exitCodes.done;
  },
};

function listOption(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === "string") : [];
}

function importLines({ words, format, output }: Context, report: ImportReport): string[] {
  const { sets, volumes, files, bytes, present, into, durationMs: ms } = report;
  const facts = { sets: sets.join(words.label.comma), volumes, files, bytes, present, into, ms };
  return [output.paint("green", format.fill(words.volumes.imported, facts))];
}
