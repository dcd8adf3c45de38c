import { type ErrorCode, HoldfastError } from "../lib/errors.ts";
import type { JobRun } from "../jobs/store.ts";
import type { Facts } from "../words/format.ts";
import { sentence } from "../words/words.ts";
import type { Context } from "./context.ts";
import { describeError } from "./report-error.ts";

/** `Backup (full) of acme`. */
export function jobName({ words, format }: Context, run: Pick<JobRun, "job" | "subject" | "schedule">): string {
  const { job, subject, schedule } = run;
  const of = subject.startsWith("_") ? undefined : subject;
  const kind = schedule === undefined || schedule === job ? undefined : (sentence(words.kinds, schedule) ?? schedule);
  return format.fill(words.jobs.name, { job: sentence(words.jobNames, job) ?? job, kind, of });
}

/** One line about where a run stands. */
export function jobText(context: Context, run: JobRun): string {
  const { words, format, output } = context;
  const name = jobName(context, run);
  const { state, outcome, startedMs, endedMs, error, readyMs, attempts } = run;
  if (state === "running") return format.fill(words.jobs.started, { name });
  const reason = error && errorText(context, error.code, error.facts);
  if (state === "queued") {
    return format.fill(words.jobs.again, { name, reason, time: new Date(readyMs).toISOString(), attempts });
  }
  const ms = startedMs === undefined || endedMs === undefined ? undefined : endedMs - startedMs;
  const text = format.fill(words.jobs.ended, {
    name,
    outcome: outcome === undefined ? undefined : words.runOutcomes[outcome],
    ms,
    reason,
  });
  return outcome === "failed" ? output.paint("red", text) : outcome === "warning" ? output.paint("yellow", text) : text;
}

/** The sentence of an error that was only kept as a code and facts. */
export function errorText({ words, format }: Context, code: string, facts: Facts): string {
  const errors: Readonly<Record<string, { readonly text: string }>> = words.errors;
  const known = Object.hasOwn(errors, code) ? errors[code] : undefined;
  if (!known) return sentence(words.jobs.reasons, code) ?? code;
  // Of a run on another machine the facts are not known, and a sentence full of gaps says less than the code.
  if (Object.keys(facts).length === 0 && known.text.includes("{")) return code;
  return describeError(new HoldfastError(code as ErrorCode, facts), words, format, "").message;
}
