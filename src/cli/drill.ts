import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { DrillInput, DrillReport } from "../engine/drill.ts";
import { HoldfastError } from "../lib/errors.ts";
import { hasSystemCode } from "../lib/system-code.ts";
import { type Command, textOption } from "./command.ts";
import type { Context } from "./context.ts";
import { drillPage } from "./drill-page.ts";
import { checkSentence, failureSentence, placeSentence } from "./drill-words.ts";
import { exitCodes } from "./exit-codes.ts";
import { namedPoint } from "./point-argument.ts";

export const drillCommand: Command = {
  name: "drill",
  answers: "stream",
  arguments: [{ form: "[point]" }],
  options: [{ flags: "--scratch <folder>" }, { flags: "--to-database <url>" }, { flags: "--page <file>" }],
  async run(context, invocation) {
    const { door, output, surroundings } = context;
    const config = await context.config();
    const crm = await context.crmName();
    const scratch = textOption(invocation, "scratch");
    const page = textOption(invocation, "page");
    const settings = config?.drills ?? {};
    const targetDatabase = textOption(invocation, "toDatabase") ?? settings[crm ?? ""]?.database;
    const input: DrillInput = {
      repository: await context.access(),
      ...(crm !== undefined && { crm }),
      point: namedPoint(context, invocation.arguments[0] ?? "latest"),
      limits: await context.limits(),
      crms: config?.crms ?? [],
      ...(scratch !== undefined && { scratch: resolve(surroundings.folder, scratch) }),
      ...(targetDatabase !== undefined && { targetDatabase }),
      checksOf: (name) => settings[name]?.checks ?? [],
    };
    const report = await door.drill(input, context.run);
    context.events.takeWarnings(); // of the restore; what matters of them is a check
    output.record(report);
    output.lines(drillLines(context, report));
    if (page !== undefined) {
      const file = resolve(surroundings.folder, page);
      await savePage(file, drillPage(context, report));
      output.line(context.format.fill(context.words.drill.page, { file }));
    }
    if (report.outcome === "failed") {
      throw new HoldfastError("drill-failed", { crm: report.crm, problems: failures(report).length });
    }
    return exitCodes.done;
  },
};

/** Evidence is never written over: a drill that was is not made undone. */
async function savePage(path: string, html: string): Promise<void> {
  try {
    await writeFile(path, html, { flag: "wx" });
  } catch (error) {
    const exists = hasSystemCode(error, "EEXIST");
    throw new HoldfastError(exists ? "storage-exists" : "storage-denied", { path }, error);
  }
}

function drillLines(context: Context, report: DrillReport): string[] {
  const { words, format, output } = context;
  const texts = words.drill;
  const marks = { ok: output.paint("green", "✓"), failed: output.paint("red", "✗"), none: "–", skipped: "–" };
  const place = placeSentence(context, report);
  const lines = [
    format.fill(texts.what, { id: report.snapshot.id.slice(0, 8), time: report.moment, crm: report.crm }),
    ...(place === undefined ? [] : [format.fill(texts.placed, { place })]),
    ...report.checks.map((check) => `${marks[check.state]} ${checkSentence(context, check)}`),
  ];
  const problem = failureSentence(context, report);
  if (problem !== undefined) lines.push(`${marks.failed} ${problem}`);
  if (needsServer(report)) lines.push(texts.offer);
  for (const what of report.left) lines.push(`${marks.failed} ${format.fill(texts.left, { what })}`);
  lines.push(format.fill(texts.times, { rto: report.rtoMs, restore: report.restoreMs, rpo: report.rpoMs }));
  if (report.outcome === "ok") lines.push(output.paint("green", format.fill(texts.passed, { crm: report.crm })));
  return lines;
}

/** What a server refused or could not do that one of its own would. */
function needsServer({ failure, database }: DrillReport): boolean {
  return (
    database?.place === "same-server" &&
    (failure?.code === "database-rights" ||
      failure?.code === "database-unreachable" ||
      failure?.code === "database-login")
  );
}

function failures({ checks, failure, left }: DrillReport): readonly unknown[] {
  return [...checks.filter(({ state }) => state === "failed"), ...(failure ? [failure] : []), ...left];
}
