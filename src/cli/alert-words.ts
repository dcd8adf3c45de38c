import type { Alert } from "../jobs/alerting.ts";
import { sentence } from "../words/words.ts";
import type { Context } from "./context.ts";
import { anomalyText } from "./anomaly-words.ts";
import { gapText } from "./gap-words.ts";
import { warningText } from "./warnings.ts";
import type { Gap } from "../jobs/gaps.ts";
import type { Warning } from "../lib/events.ts";

/** An alert as a person reads it: the same sentences as on the terminal, with the command that shows more. */
export function describeAlert(
  { words, format }: Pick<Context, "words" | "format">,
  alert: Alert,
): { readonly title: string; readonly text: string } {
  const { event, subject, crm, run, timeMs, facts } = alert;
  const texts = words.alerts;
  const [schedule = "", of = ""] = subject.split("/");
  const name = run?.job ?? (typeof facts["job"] === "string" ? facts["job"] : schedule);
  const job = sentence(words.jobNames, name) ?? name;
  const due = typeof facts["due"] === "string" ? facts["due"] : undefined;
  const common = { job, of: crm ?? (of.startsWith("_") ? undefined : of), schedule, due };
  const title = format.fill(texts.titles[event], event === "test" ? { of: subject } : common);
  const lines = [format.fill(texts.at, { time: new Date(timeMs).toISOString(), zone: format.zone })];
  if (run?.error) {
    const known = (words.errors as Readonly<Record<string, { readonly text: string; readonly hint: string }>>)[
      run.error.code
    ];
    const { code } = run.error;
    lines.push(known ? format.fill(known.text, run.error.facts) : (sentence(words.jobs.reasons, code) ?? code));
    if (known) lines.push(format.fill(known.hint, { command: run.job, ...run.error.facts }));
    if (run.attempts > 1) lines.push(format.fill(texts.attempts, { count: run.attempts }));
  }
  for (const warning of warningsOf(run?.facts?.["warnings"])) lines.push(`! ${warningText(warning, words, format)}`);
  for (const anomaly of listOf(facts["anomalies"])) lines.push(`! ${anomalyText(anomaly, words, format)}`);
  const gap = facts["gap"];
  if (isGap(gap)) lines.push(`! ${gapText(gap, words, format)}`);
  if (event === "missed") lines.push(texts.missedHint);
  lines.push(event === "test" ? texts.testText : texts.more);
  return { title, text: lines.join("\n") };
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isGap(value: unknown): value is Gap {
  return typeof value === "object" && value !== null && "of" in value && "reason" in value;
}

function warningsOf(value: unknown): readonly Warning[] {
  return listOf(value).filter(
    (one): one is Warning =>
      typeof one === "object" && one !== null && "code" in one && "subject" in one && typeof one.subject === "string",
  );
}
