import { keptGaps } from "../jobs/gaps.ts";
import { statusOf, type CrmStatus, type StatusReport } from "../jobs/status.ts";
import { HoldfastError } from "../lib/errors.ts";
import { anomalyText } from "./anomaly-words.ts";
import type { Command } from "./command.ts";
import type { Context } from "./context.ts";
import { ageText } from "./age.ts";
import { exitCodes } from "./exit-codes.ts";
import { gapText } from "./gap-words.ts";
import { isServing, openBooks } from "./job-world.ts";
import { errorText, jobName } from "./job-words.ts";
import { paintOutcome } from "./paint.ts";
import { renderTable } from "./table.ts";
import { aboutText } from "./warnings.ts";

/** How far back reports are read: further than anything sensible comes round. */
const lookBackMs = 100 * 86_400_000;

export const statusCommand: Command = {
  name: "status",
  answers: "question",
  async run(context) {
    const { surroundings, door, format, output, globals } = context;
    const config = await context.config();
    const repository = await context.access();
    const nowMs = surroundings.now().getTime();
    using store = config === undefined ? undefined : await openBooks(context, config);
    const keptBefore = store ? keptGaps(store) : [];
    const since = new Date(nowMs - lookBackMs).toISOString();
    const all = await door.overview({ repository, since }, context.run);
    const { crm } = globals;
    const overview = crm === undefined ? all : { ...all, crms: all.crms.filter((one) => one.crm === crm) };
    const crms = config?.crms.filter(({ name }) => crm === undefined || name === crm) ?? [];
    if (crm !== undefined && crms.length + overview.crms.length === 0) {
      const known = [...(config?.crms.map(({ name }) => name) ?? []), ...all.crms.map((one) => one.crm)];
      throw new HoldfastError("crm-unknown", { name: crm, known: [...new Set(known)].join(", ") });
    }
    const report = statusOf({
      ...(config && { config: { ...config, crms } }),
      overview,
      keptBefore,
      ...(store && { store }),
      service: isServing(store, nowMs) ? "running" : "stopped",
      cutOff: await door.cutOffRestores(context.run),
      nowMs,
      zone: format.zone,
    });
    output.record(report);
    output.lines(statusLines(context, report));
    if (report.outcome === "ok") return exitCodes.done;
    return report.outcome === "warning" ? exitCodes.warnings : exitCodes.failed;
  },
};

/** First the one sentence that says how it is; then who wants to may read on. */
function statusLines(context: Context, report: StatusReport): string[] {
  const { words, format, output } = context;
  const texts = words.status;
  const lines = [paintOutcome(output, report.outcome, output.paint("bold", leadSentence(context, report))), ""];
  if (report.crms.length > 0) lines.push(...crmLines(context, report));
  for (const { crm, lastBackup, lastWarnings: about, anomaliesFound } of report.crms) {
    if (lastBackup && about) {
      const facts = { id: lastBackup.id.slice(0, 8), about: aboutText(about, words, format) };
      lines.push(`${crm}${words.label.colon}${format.fill(texts.warned, facts)}`);
    }
    for (const anomaly of anomaliesFound)
      lines.push(`${crm}${words.label.colon}${anomalyText(anomaly, words, format)}`);
  }
  for (const { crm, cutOff } of report.crms) {
    const { text, hint } = words.errors["restore-half-made"];
    if (cutOff) lines.push(format.fill(text, { crm }), format.fill(hint, cutOff));
  }
  for (const { crm, openGaps } of report.crms) {
    for (const gap of openGaps) lines.push(`${crm}${words.label.colon}${gapText(gap, words, format)}`);
  }
  const jobs = report.jobs.filter(({ outcome, nextDue }) => outcome !== undefined || nextDue !== undefined);
  if (jobs.length > 0) lines.push("", ...jobLines(context, jobs));
  for (const job of jobs) {
    if (job.error !== undefined)
      lines.push(`${jobName(context, job)}${words.label.colon}${errorText(context, job.error, job.errorFacts ?? {})}`);
  }
  for (const job of report.running) {
    const template = job.state === "running" ? texts.running : texts.waiting;
    const { doneBytes, totalBytes, durableTo: durable, waitingBytes: waiting, trouble } = job.progress ?? {};
    const known = typeof doneBytes === "number" && typeof totalBytes === "number" && totalBytes > 0;
    const percent = known ? Math.floor((doneBytes / totalBytes) * 100) : undefined;
    const { id, since } = job;
    const upTo = typeof durable === "string" ? { durable } : {};
    const held = trouble === "repository-locked" && typeof waiting === "number" ? { waiting } : {};
    const facts = { name: jobName(context, job), id: id.slice(0, 8), since, percent, ...upTo, ...held };
    lines.push(format.fill(template, facts));
  }
  lines.push("", report.service === "running" ? texts.serving : texts.notServing);
  lines.push(format.fill(words.snapshots.zone, { zone: report.zone }));
  return lines;
}

function leadSentence(context: Context, report: StatusReport): string {
  const { words, format } = context;
  const texts = words.status;
  const { crms, jobs } = report;
  if (crms.length === 0) return texts.nothing;
  const sentences: string[] = [];
  const isBad = ({ outcome }: { readonly outcome?: string }) => outcome === "failed" || outcome === "missed";
  const bad = crms.filter(isBad);
  const ages = crms.flatMap(({ rpoMs }) => rpoMs ?? []);
  if (bad.length > 0) {
    const names = bad.map(({ crm, outcome }) => `${crm} (${words.outcomes[outcome]})`).join(words.label.comma);
    sentences.push(format.fill(texts.bad, { crms: bad.length, of: crms.length, names }));
  } else {
    const age = ageText(context, Math.max(...ages));
    sentences.push(format.fill(crms.length === 1 ? texts.goodOne : texts.good, { crms: crms.length, age }));
  }
  const other = jobs.filter((job) => isBad(job) && !bad.some(({ crm }) => crm === job.subject));
  for (const job of other) {
    const outcome = job.outcome === undefined ? undefined : words.outcomes[job.outcome];
    sentences.push(format.fill(texts.otherJob, { name: jobName(context, job), outcome }));
  }
  sentences.push(drillSentence(context, crms, Date.parse(report.time)));
  const uncovered = crms.reduce((sum, one) => sum + one.uncovered, 0);
  if (uncovered > 0) sentences.push(format.fill(texts.uncovered, { count: uncovered }));
  const anomalies = crms.reduce((sum, one) => sum + one.anomalies, 0);
  if (anomalies > 0) sentences.push(format.fill(texts.anomalies, { count: anomalies }));
  const gaps = crms.reduce((sum, one) => sum + one.gaps, 0);
  if (gaps > 0) sentences.push(format.fill(texts.gaps, { count: gaps }));
  return sentences.join(texts.between);
}

function drillSentence(context: Context, crms: readonly CrmStatus[], nowMs: number): string {
  const { words, format } = context;
  const drills = crms.flatMap(({ drill }) => drill ?? []);
  const [last] = drills.toSorted((a, b) => (a.time < b.time ? 1 : -1));
  if (last === undefined) return words.status.noDrill;
  const outcomes: Readonly<Record<string, string>> = words.outcomes;
  const facts = { age: ageText(context, nowMs - Date.parse(last.time)), outcome: outcomes[last.outcome] };
  return format.fill(last.outcome === "ok" ? words.status.drillOk : words.status.drill, facts);
}

function crmLines(context: Context, { crms }: StatusReport): string[] {
  const { words, format } = context;
  const { tables } = words;
  const columns = [
    { heading: tables.crm },
    { heading: tables.outcome },
    { heading: tables.lastBackup },
    { heading: tables.age, align: "right" as const },
    { heading: tables.points, align: "right" as const },
    { heading: tables.size, align: "right" as const },
  ];
  const rows = crms.map(({ crm, outcome, lastBackup, rpoMs, backups }) => [
    crm,
    words.outcomes[outcome],
    lastBackup ? format.time(lastBackup.time) : words.label.none,
    rpoMs === undefined ? "" : ageText(context, rpoMs),
    format.number(backups),
    lastBackup?.totalBytes === undefined ? "" : format.bytes(lastBackup.totalBytes),
  ]);
  return renderTable(columns, rows);
}

function jobLines(context: Context, jobs: StatusReport["jobs"]): string[] {
  const { words, format } = context;
  const { tables } = words;
  const columns = [
    { heading: tables.job },
    { heading: tables.outcome },
    { heading: tables.lastSuccess },
    { heading: tables.duration, align: "right" as const },
    { heading: tables.next },
  ];
  const rows = jobs.map((job) => [
    jobName(context, job),
    job.outcome ? words.outcomes[job.outcome] : words.status.notDue,
    job.lastSuccess === undefined ? "" : format.time(job.lastSuccess),
    job.lastDurationMs === undefined ? "" : format.duration(job.lastDurationMs),
    job.nextDue === undefined ? "" : format.time(job.nextDue),
  ]);
  return renderTable(columns, rows);
}
