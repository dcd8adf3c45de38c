import type { RepairReport } from "../engine/repair.ts";
import { HoldfastError } from "../lib/errors.ts";
import { type Command, hasFlag, textOption } from "./command.ts";
import type { Context } from "./context.ts";
import { exitCodes } from "./exit-codes.ts";
import { nextCommand } from "./next-command.ts";
import { warningLines } from "./warnings.ts";

const kinds = ["index", "packs", "snapshots"] as const;

export const repairCommand: Command = {
  name: "repair",
  answers: "stream",
  arguments: [{ form: "<what>", choices: kinds }],
  options: [{ flags: "--lost" }, { flags: "--apply <plan>" }],
  async run(context, invocation) {
    const what = kinds.find((kind) => kind === invocation.arguments[0]);
    if (what === undefined) throw new HoldfastError("usage", { problem: "missing-argument", what: "what" });
    const lost = hasFlag(invocation, "lost") ? "bring back" : "leave";
    if (lost === "bring back" && what !== "snapshots") {
      throw new HoldfastError("usage", { problem: "bad-value", what: "--lost", value: what, expected: "snapshots" });
    }
    const plan = textOption(invocation, "apply");
    const repository = await context.access();
    const report = await context.door.repair(
      { repository, what, lost, limits: await context.limits(), ...(plan === undefined ? {} : { plan }) },
      context.run,
    );
    context.output.record(report);
    context.output.lines(repairLines(context, report, lost));
    return exitCodes.done;
  },
};

function repairLines(context: Context, report: RepairReport, lost: "leave" | "bring back"): string[] {
  const { words, format, output } = context;
  const texts = words.repair;
  const lines = [...fileLines(context, report), ...snapshotLines(context, report)];
  // What another step has to do is told already.
  if (!report.needed && (report.files?.left.length ?? 0) > 0) return lines;
  if (!report.needed) return [...lines, output.paint("green", texts.nothing), ...unread(context, report)];
  if (report.applied) return [...lines, output.paint("bold", texts.done), ...afterwards(context, report)];
  const flags = lost === "bring back" ? ["--lost"] : [];
  return [...lines, texts.next, `  ${nextCommand(context, "repair", report.what, ...flags, "--apply", report.id)}`];

  /** What it went by is what the index names. */
  function unread({ words: { repair } }: Context, { what }: RepairReport): string[] {
    if (what !== "snapshots") return [];
    return [format.fill(repair.unread, { command: nextCommand(context, "repair", "packs") })];
  }

  function afterwards({ words: { repair } }: Context, { what }: RepairReport): string[] {
    const following = { index: "packs", packs: "snapshots", snapshots: undefined }[what];
    if (following === undefined)
      return [format.fill(repair.verify, { command: nextCommand(context, "verify", "--read-data") })];
    return [format.fill(repair.following, { command: nextCommand(context, "repair", following) })];
  }
}

function fileLines({ words, format }: Context, { files, applied }: RepairReport): string[] {
  if (files === undefined) return [];
  const texts = applied ? words.repair.was : words.repair.will;
  const {
    rewritten,
    removedKeys,
    indexes,
    adopted,
    corrected,
    rebuilt,
    removedParity,
    missing,
    salvaged,
    withheld,
    left,
    lostBlobs,
  } = files;
  const lines: string[] = [];
  const add = (template: string, count: number, facts = {}): void => {
    if (count > 0) lines.push(format.fill(template, { count, ...facts }));
  };
  for (const file of rewritten) add(texts.rewritten, 1, { file });
  for (const id of removedKeys) add(texts.removedKey, 1, { file: `keys/${id}` });
  add(texts.indexes, indexes.length);
  add(texts.adopted, adopted.length);
  add(texts.corrected, corrected.length);
  for (const id of rebuilt) add(texts.rebuilt, 1, { id });
  add(texts.removedParity, removedParity.length);
  for (const id of missing) add(texts.missing, 1, { id });
  for (const { id, good, lost } of salvaged) add(texts.salvaged, 1, { id, good, lost });
  for (const { id, good, lost } of withheld) add(texts.withheld, 1, { id, good, lost });
  for (const id of left) add(texts.left, 1, { id });
  add(words.repair.lostBlobs, lostBlobs);
  return lines;
}

function snapshotLines({ words, format, output }: Context, { snapshots, applied }: RepairReport): string[] {
  if (snapshots === undefined) return [];
  const texts = applied ? words.repair.was : words.repair.will;
  const lines: string[] = [];
  const losses = (row: { readonly losses: Parameters<typeof warningLines>[0] }): string[] =>
    warningLines(row.losses, output, words, format).map((line) => `  ${line}`);
  for (const row of snapshots.mended) {
    const { id, crm, time } = row;
    const template = row.losses.length > 0 ? texts.mended : texts.renamed;
    lines.push(format.fill(template, { id: id.slice(0, 8), crm, time }), ...losses(row));
  }
  for (const row of snapshots.found) {
    lines.push(format.fill(texts.found, { crm: row.crm, time: row.time }), ...losses(row));
  }
  for (const { id, crm, time } of snapshots.removed) {
    lines.push(format.fill(texts.removed, { id: id.slice(0, 8), crm, time }));
  }
  return lines;
}
