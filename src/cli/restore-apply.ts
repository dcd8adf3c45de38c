import type { RestoreReport } from "../engine/restore-apply.ts";
import type { RestorePlan } from "../engine/restore-plan.ts";
import { addAll } from "../lib/add-all.ts";
import { HoldfastError } from "../lib/errors.ts";
import { printable } from "../words/format.ts";
import { sentence } from "../words/words.ts";
import { ask, canAsk } from "./ask.ts";
import { type Command, type Invocation, type OptionSpec, textOption } from "./command.ts";
import type { Context } from "./context.ts";
import { waitOption } from "./duration.ts";
import { exitCodes } from "./exit-codes.ts";
import { nextCommand } from "./next-command.ts";
import { reasonText } from "./record-lines.ts";
import { warningLines } from "./warnings.ts";

/** What `applyPlan` understands. */
export const restoreApplyOptions: readonly OptionSpec[] = [
  { flags: "--confirm <name>" },
  { flags: "--thaw [days]" },
  { flags: "--wait [duration]" },
];

export const restoreApplyCommand: Command = {
  name: "restore apply",
  answers: "stream",
  arguments: [{ form: "<plan>" }],
  options: restoreApplyOptions,
  async run(context, invocation) {
    return applyPlan(context, invocation, await context.door.readPlan(invocation.arguments[0] ?? ""));
  },
};

/** Does what a plan says, and tells what was done. */
export async function applyPlan(context: Context, invocation: Invocation, plan: RestorePlan): Promise<number> {
  const waitMs = waitOption(invocation);
  const { location: _, ...access } = await context.access(plan.repository.location);
  const confirm = textOption(invocation, "confirm") ?? (await askName(context, plan));
  const thaw = thawOption(invocation);
  const input = {
    plan: plan.id,
    ...(thaw && { thaw }),
    ...access,
    limits: await context.limits(),
    crms: (await context.config())?.crms ?? [],
    waitMs,
    ...(confirm === undefined ? {} : { confirm }),
  };
  const report = await context.door.applyRestore(input, context.run);
  context.events.takeWarnings(); // the report has them all
  context.output.record(report);
  context.output.lines(reportLines(context, report));
  if (report.failed.length > 0) throw new HoldfastError("restore-incomplete", { failed: report.failed.length });
  return report.warnings.length > 0 ? exitCodes.warnings : exitCodes.done;
}

/** Objects of S3's deepest class take half a day: a look every five minutes is soon enough. */
const thawPollMs = 5 * 60_000;

function thawOption({ options }: Invocation): { readonly days: number; readonly pollMs: number } | undefined {
  const { thaw } = options;
  if (thaw === undefined) return undefined;
  const days = thaw === true ? 7 : Number(thaw);
  if (Number.isInteger(days) && days >= 1 && days <= 365) return { days, pollMs: thawPollMs };
  const value = typeof thaw === "string" ? thaw : "";
  throw new HoldfastError("usage", { problem: "bad-value", what: "--thaw", value, expected: "1-365" });
}

/** Whoever replaces a live CRM types its name: not `y`, which fingers type by themselves. */
async function askName(context: Context, plan: RestorePlan): Promise<string | undefined> {
  if (plan.confirm === undefined) return undefined;
  // It was typed when the swap began.
  if ((await context.door.cutOffRestores(context.run)).some((one) => one.plan === plan.id)) return undefined;
  if (!canAsk(context)) throw new HoldfastError("confirm-needed", { name: plan.confirm });
  return ask(context, context.format.fill(context.words.plan.asksName, { name: plan.confirm }));
}

function reportLines(context: Context, report: RestoreReport): string[] {
  const { words, format, output } = context;
  const texts = words.restore;
  const { crm, files, rows, bytes, durationMs: ms } = report;
  const lines = [output.paint("bold", format.fill(texts.done, { crm, files, rows, bytes, ms }))];
  if (report.failed.length > 0) {
    lines.push(output.paint("red", texts.failed));
    addAll(
      lines,
      report.failed.map((one) => `  ✗ ${printable(one.path)} (${reasonText(context, one.reason)})`),
    );
  }
  if (report.warnings.length > 0) addAll(lines, warningLines(report.warnings, output, words, format));
  if (report.kept.length > 0) addAll(lines, [texts.kept, ...report.kept.map((path) => `  ${printable(path)}`)]);
  if (report.undo !== undefined) lines.push(texts.undo, `  ${nextCommand(context, "restore", "undo", report.undo)}`);
  if (report.heldBack) lines.push(format.fill(words.erase.heldBack, { ...report.heldBack }));
  const after = [
    ...report.afterRestore.map((code) => sentence(words.afterRestore, code) ?? code),
    ...(report.maintenance ? [sentence(words.maintenance, report.maintenance.off) ?? report.maintenance.off] : []),
  ];
  if (after.length > 0) lines.push(texts.after, ...after.map((line) => `  - ${line}`));
  return lines;
}
