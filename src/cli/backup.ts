import { randomUUID } from "node:crypto";
import type { BackupInput, BackupPrediction, BackupReport } from "../engine/backup.ts";
import { recordBackup } from "../jobs/by-hand.ts";
import { addAll } from "../lib/add-all.ts";
import { isHoldfastError } from "../lib/errors.ts";
import type { Limits } from "../lib/limits.ts";
import type { Command } from "./command.ts";
import { hasFlag } from "./command.ts";
import type { Context } from "./context.ts";
import { waitOption } from "./duration.ts";
import { exitCodes } from "./exit-codes.ts";
import { openBooks } from "./job-world.ts";
import { lockLines } from "./lock-lines.ts";
import { paintOutcome } from "./paint.ts";
import { renderTable } from "./table.ts";
import { backupSource } from "./backup-source.ts";
import { warningLines } from "./warnings.ts";

const kinds = ["full", "incremental", "differential"] as const;

export const backupCommand: Command = {
  name: "backup",
  answers: "stream",
  arguments: [{ form: "[kind]", choices: kinds }],
  options: [
    { flags: "--dry-run" },
    { flags: "--wait [duration]" },
    { flags: "--limit <limit>", choices: ["none"] },
    { flags: "--accept-inconsistencies" },
  ],
  async run(context, invocation) {
    const kind = kinds.find((one) => one === invocation.arguments[0]);
    const waitMs = waitOption(invocation);
    const input: BackupInput = {
      ...(await backupSource(context)),
      ...(kind === undefined ? {} : { kind }),
      limits: invocation.options["limit"] === "none" ? unlimited(await context.limits()) : await context.limits(),
      search: (await context.config())?.search,
      waitMs,
      inconsistencies: hasFlag(invocation, "acceptInconsistencies") ? "accept" : "warn",
    };
    if (hasFlag(invocation, "dryRun")) {
      const prediction = await context.door.predictBackup(input, context.run);
      context.output.record({ type: "backup-prediction", crm: input.crm.name, ...prediction });
      context.output.lines(predictionLines(context, input.crm.name, prediction));
      return exitCodes.done;
    }
    const startedMs = context.surroundings.now().getTime();
    const report = await context.door.backup(input, context.run);
    await tellService(context, report, startedMs);
    context.events.takeWarnings(); // the report has them all
    context.output.record(report);
    const exitCode = report.outcome === "ok" ? exitCodes.done : exitCodes.warnings;
    if (!context.output.json) context.output.report(reportLines(context, report), exitCode);
    return exitCode;
  },
};

/** The service of this configuration, where there is one, sees to the report, to alerts, and to what this makes good. */
async function tellService(context: Context, report: BackupReport, startedMs: number): Promise<void> {
  const config = await context.config();
  if (config === undefined) return;
  try {
    using store = await openBooks(context, config);
    const endedMs = context.surroundings.now().getTime();
    if (store) recordBackup(store, report, { id: randomUUID(), startedMs, endedMs });
  } catch (error) {
    // The backup is made all the same.
    const reason = isHoldfastError(error) ? error.code : String(error);
    context.run.report({ type: "note", code: "service-not-told", facts: { reason } });
  }
}

/** As fast as it goes, whoever feels it; how many threads and sessions there are stays. */
function unlimited({ workers, connections }: Limits): Limits {
  return { workers, ...(connections !== undefined && { connections }), priority: "normal", whenBusy: "ignore" };
}

function reportLines(context: Context, report: BackupReport): string[] {
  const { words, format, output } = context;
  const { rows, files, known, warnings } = report;
  const title = { kind: words.kinds[report.kind], crm: report.crm, outcome: words.outcomes[report.outcome] };
  const point = { id: report.snapshot.slice(0, 8), time: report.time, ms: report.durationMs };
  const lines = [
    paintOutcome(output, report.outcome, format.fill(words.backup.done, title)),
    format.fill(words.backup.snapshot, point),
    "",
    ...amountLines(context, report),
    "",
    format.fill(words.backup.rows, {
      rows: rows.rows,
      tables: rows.tables,
      changed: format.count(rows.changedRows, "row"),
    }),
    ...methodLines(context, rows.methods),
    format.fill(words.backup.files, {
      files: files.files,
      new: format.number(files.newFiles),
      changed: format.number(files.changedFiles),
      removed: format.number(files.removedFiles),
    }),
    format.fill(words.backup.since, { previous: report.sincePreviousBytes, full: report.sinceFullBytes }),
    format.fill(words.backup.stored, { stored: report.storedBytes }),
  ];
  if (report.parity) lines.push(format.fill(words.verify.parity, { ...report.parity }));
  if (report.lock) lines.push(...lockLines(words, format, report.lock));
  if (report.prediction) lines.push("", ...comparisonLines(context, report, report.prediction));
  if (warnings.length > 0) {
    lines.push("", `${format.count(warnings.length, "warning")}${words.label.colon.trimEnd()}`);
    addAll(lines, warningLines(warnings, output, words, format));
  }
  if (known.length > 0 && output.detail === "verbose") {
    lines.push("", words.backup.knownShown);
    addAll(lines, warningLines(known, output, words, format));
  } else if (known.length > 0) lines.push("", format.fill(words.backup.known, { count: known.length }));
  return lines;
}

/** How what changed was found, by how many tables. */
function methodLines({ words, format }: Context, methods: BackupReport["rows"]["methods"]): string[] {
  const ways = Object.entries(methods).map(
    ([method, count]) => `${words.changeMethods[method as keyof typeof methods]} ${format.number(count)}`,
  );
  return ways.length === 0 ? [] : [format.fill(words.backup.methods, { ways: ways.join(words.label.comma) })];
}

/** What was read, what of it had changed, what of that was new to the repository. */
function amountLines({ words, format }: Context, { rows, files }: BackupReport): string[] {
  const columns = [
    { heading: "" },
    { heading: words.tables.read, align: "right" as const },
    { heading: words.tables.changed, align: "right" as const },
    { heading: words.tables.stored, align: "right" as const },
  ];
  const row = (name: string, amounts: BackupReport["rows"] | BackupReport["files"]) => [
    name,
    format.bytes(amounts.readBytes),
    format.bytes(amounts.changedBytes),
    format.bytes(amounts.storedBytes),
  ];
  return renderTable(columns, [row(words.tables.rows, rows), row(words.tables.files, files)]);
}

/** The prediction beside what came of it. */
function comparisonLines({ words, format }: Context, report: BackupReport, prediction: BackupPrediction): string[] {
  const { tables } = words;
  const columns = [
    { heading: "" },
    { heading: tables.predicted, align: "right" as const },
    { heading: tables.result, align: "right" as const },
  ];
  const readBytes = report.rows.readBytes + report.files.readBytes;
  return renderTable(columns, [
    [tables.kind, words.kinds[prediction.kind], words.kinds[report.kind]],
    [tables.rows, format.number(prediction.rows), format.number(report.rows.rows)],
    [tables.files, format.number(prediction.files), format.number(report.files.files)],
    [tables.read, format.bytes(prediction.readBytes), format.bytes(readBytes)],
    [tables.stored, format.bytes(prediction.storedBytes), format.bytes(report.storedBytes)],
    [tables.duration, format.duration(prediction.durationMs), format.duration(report.durationMs)],
  ]);
}

function predictionLines({ words, format }: Context, crm: string, prediction: BackupPrediction): string[] {
  const { tables } = words;
  const rows = [
    [tables.rows, `${format.number(prediction.rows)} (${format.count(prediction.tables, "table")})`],
    [tables.files, format.number(prediction.files)],
    [tables.read, format.bytes(prediction.readBytes)],
    [tables.stored, `≈ ${format.bytes(prediction.storedBytes)}`],
    [tables.duration, `≈ ${format.duration(prediction.durationMs)}`],
  ];
  return [
    format.fill(words.backup.prediction, { kind: words.kinds[prediction.kind], crm }),
    ...renderTable([{ heading: "" }, { heading: tables.predicted, align: "right" }], rows),
    words.backup.predictionNote,
  ];
}
