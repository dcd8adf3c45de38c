import type { ExportReport, VolumeLabel } from "../engine/export.ts";
import { HoldfastError } from "../lib/errors.ts";
import { type Command, hasFlag, textOption } from "./command.ts";
import type { Context } from "./context.ts";
import { changerOptions, driveChoice, volumeAsker } from "./drive-options.ts";
import { waitOption } from "./duration.ts";
import { exitCodes } from "./exit-codes.ts";
import { warningLines } from "./warnings.ts";

const kinds = ["full", "differential", "incremental"] as const;

export const exportCommand: Command = {
  name: "export",
  answers: "stream",
  arguments: [{ form: "[kind]", choices: kinds }],
  options: [
    { flags: "--to <place>" },
    { flags: "--name <set>" },
    { flags: "--volume-size <size>" },
    { flags: "--resume" },
    { flags: "--discard" },
    { flags: "--base <place>" },
    ...changerOptions,
    { flags: "--wait [duration]" },
  ],
  async run(context, invocation) {
    const kind = kinds.find((one) => one === invocation.arguments[0]);
    const place = textOption(invocation, "to");
    if (place === undefined) throw new HoldfastError("usage", { problem: "missing-argument", what: "--to" });
    const [resume, discard] = [hasFlag(invocation, "resume"), hasFlag(invocation, "discard")];
    if (resume && (discard || kind !== undefined)) {
      throw new HoldfastError("usage", { problem: "conflict", what: "--resume", other: kind ?? "--discard" });
    }
    const set = textOption(invocation, "name");
    const base = textOption(invocation, "base");
    const askVolume = volumeAsker(context);
    const report = await context.door.export(
      {
        repository: await context.access(),
        to: driveChoice(context, place, invocation),
        ...(kind !== undefined && { kind }),
        ...(set !== undefined && { set }),
        unfinished: resume ? "resume" : discard ? "discard" : "fail",
        ...(base !== undefined && { learnFrom: driveChoice(context, base, { ...invocation, options: {} }) }),
        label: (facts) => labelText(context, facts),
        ...(askVolume && { askVolume }),
        waitMs: waitOption(invocation),
      },
      context.run,
    );
    context.output.record(report);
    context.output.lines(exportLines(context, report));
    context.events.takeWarnings(); // the report has them all
    return report.warnings.length > 0 ? exitCodes.warnings : exitCodes.done;
  },
};

function exportLines({ words, format, output }: Context, report: ExportReport): string[] {
  const { set, kind, base, volumes, snapshots, files, bytes, warnings, durationMs: ms } = report;
  const facts = { set, kind: words.kinds[kind], volumes, snapshots: snapshots.length, files, bytes, ms, base };
  const done = output.paint(warnings.length > 0 ? "yellow" : "green", format.fill(words.volumes.exported, facts));
  return [done, ...warningLines(warnings, output, words, format)];
}

/** What a person reads who finds the medium, in a language that he chose when he wrote it. */
function labelText(
  { words, format }: Context,
  { volume, catalogue, location, program, hostname }: VolumeLabel,
): string {
  const texts = words.volumes;
  const { set, kind, base, created, repository, snapshots } = catalogue;
  const facts = { set, number: volume.number, kind: words.kinds[kind], base, created, repository, location, program };
  return [
    format.fill(texts.label, { ...facts, hostname }),
    texts.labelSnapshots,
    ...snapshots.map(({ id, time, paths }) => `  ${id.slice(0, 8)}  ${format.time(time)}  ${paths.join(" ")}`),
    "",
    texts.labelHelp,
    "",
  ].join("\n");
}
