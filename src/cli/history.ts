import type { HistoryReport } from "../engine/history.ts";
import type { RecordVersion } from "../engine/version-line.ts";
import { printable } from "../words/format.ts";
import { type Command, hasFlag } from "./command.ts";
import type { Context } from "./context.ts";
import { exitCodes } from "./exit-codes.ts";
import { fieldLines } from "./field-lines.ts";
import { nextAboutCrm } from "./next-command.ts";

export const historyCommand: Command = {
  name: "history",
  answers: "question",
  arguments: [{ form: "<record>" }],
  options: [{ flags: "--live" }, { flags: "--noise" }],
  async run(context, invocation) {
    const [record = ""] = invocation.arguments;
    const crm = await context.crmName();
    const crms = (await context.config())?.crms ?? [];
    const repository = await context.access();
    const live = hasFlag(invocation, "live") ? ("with" as const) : ("without" as const);
    const input = { repository, crms, record, live, ...(crm === undefined ? {} : { crm }) };
    const report = await context.door.history(input, context.run);
    context.output.record(report);
    context.output.lines(historyLines(context, report, hasFlag(invocation, "noise") ? "shown" : "folded"));
    return exitCodes.done;
  },
};

function historyLines(context: Context, report: HistoryReport, noise: "shown" | "folded"): string[] {
  const { words, format, output } = context;
  const title = report.title === undefined ? "" : `  ${printable(report.title)}`;
  const head = output.paint("bold", `${printable(report.handle)}${title}`);
  const versions = report.versions.flatMap((version) => versionLines(context, version, noise));
  const { deletedSince } = report;
  const end = deletedSince
    ? [endText(context, report, deletedSince)]
    : [format.fill(words.history.looked, { points: report.points })];
  const last = report.versions.findLast(({ transaction }) => transaction !== undefined)?.transaction;
  // What is typed, on a line of its own.
  const next = (...typed: readonly string[]): string => `      ${nextAboutCrm(context, "restore", "plan", ...typed)}`;
  const point = report.lastPoint?.snapshot?.slice(0, 8);
  const back = last
    ? [words.history.undo, next(`@${last.time}`, "--undo-transaction", last.transaction)]
    : point === undefined
      ? []
      : [words.history.bringBack, next(point, "--record", report.handle)];
  return [head, ...versions, ...end, ...back];
}

function versionLines(context: Context, version: RecordVersion, noise: "shown" | "folded"): string[] {
  const { words, format } = context;
  const line = format.fill(words.history[version.action], { time: versionText(context, version) });
  if (version.action !== "changed") return [line];
  const isNoise = (column: string) => version.noise.includes(column);
  const shown = noise === "shown" ? version.fields : version.fields.filter(({ column }) => !isNoise(column));
  const folded = version.fields.length - shown.length;
  return [
    line,
    ...fieldLines(context, shown),
    ...(folded > 0 ? [`      ${format.fill(words.compare.folded, { count: folded })}`] : []),
  ];
}

function versionText(context: Context, { point, transaction }: RecordVersion): string {
  if (!transaction) return pointText(context, point);
  const { words, format } = context;
  const users = transaction.users.map(printable).join(", ");
  const time = format.time(transaction.time);
  const facts = { time, transaction: transaction.transaction, ...(users !== "" && { users }) };
  return format.fill(words.history.transaction, facts);
}

function endText(context: Context, { versions }: HistoryReport, since: RecordVersion["point"]): string {
  const { words, format } = context;
  const version = versions.findLast(({ point }) => point === since);
  if (since.snapshot === undefined && !version?.transaction) return words.history.deletedLive;
  const time = version ? versionText(context, version) : pointText(context, since);
  return format.fill(words.history.deletedSince, { time });
}

function pointText({ words, format }: Context, { time, snapshot }: RecordVersion["point"]): string {
  return snapshot === undefined ? words.compare.live : `${format.time(time)}  ${snapshot.slice(0, 8)}`;
}
