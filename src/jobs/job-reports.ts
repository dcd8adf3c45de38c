import { repositorySubject } from "./job-item.ts";
import { jobKindNamed } from "./job-kinds.ts";
import type { Report } from "../engine/reports.ts";
import type { JobRun, RunOutcome } from "./store.ts";

/**
 * A run that is over as a report in the repository, and back. What is read back was in a repository, so nothing of it is
 * believed before its shape is known; a report that is not of a run gives `undefined`.
 */
export function reportOf(run: JobRun, zone: string): Report {
  const { id, item, job, subject, schedule, dueMs, times, startedMs, endedMs, attempts, outcome, error, facts } = run;
  return {
    id,
    kind: "run",
    time: new Date(endedMs ?? dueMs).toISOString(),
    body: {
      job,
      item,
      subject,
      ...(schedule !== undefined && { schedule }),
      due: new Date(dueMs).toISOString(),
      times,
      ...(startedMs !== undefined && { started: new Date(startedMs).toISOString() }),
      ...(startedMs !== undefined && endedMs !== undefined && { durationMs: endedMs - startedMs }),
      attempts,
      outcome,
      zone,
      ...(error && { error }),
      ...(facts && { facts }),
    },
  };
}

const outcomes: readonly unknown[] = ["ok", "warning", "failed", "cancelled"] satisfies readonly RunOutcome[];

export function runOfReport({ id, kind, time, body }: Report): JobRun | undefined {
  const { job, item, subject, schedule, outcome, due, started, attempts, times, error, facts } = body;
  if (kind !== "run" || typeof job !== "string" || typeof item !== "string" || typeof subject !== "string") {
    return undefined;
  }
  if (!outcomes.includes(outcome)) return undefined;
  const endedMs = Date.parse(time);
  const startedMs = typeof started === "string" ? Date.parse(started) : Number.NaN;
  const dueMs = typeof due === "string" ? Date.parse(due) : Number.NaN;
  return {
    id,
    item,
    job,
    subject,
    ...(typeof schedule === "string" && { schedule }),
    input: {},
    dueMs: Number.isNaN(dueMs) ? endedMs : dueMs,
    times: countOf(times),
    readyMs: Number.isNaN(dueMs) ? endedMs : dueMs,
    state: "ended",
    outcome: outcome as RunOutcome,
    attempts: countOf(attempts),
    startedMs: Number.isNaN(startedMs) ? endedMs : startedMs,
    endedMs,
    ...(isObject(error) && typeof error["code"] === "string" && { error: { code: error["code"], facts: {} } }),
    ...(isObject(facts) && { facts }),
    cancelling: false,
    reported: true,
  };
}

/** Whose reports it belongs to: a CRM's, or those of the repository. */
export function reportsCrmOf({ job, subject }: JobRun, wholeRepository: string): string {
  if (subject === repositorySubject) return wholeRepository;
  return jobKindNamed(job)?.scope === "copy" ? wholeRepository : subject;
}

function countOf(value: unknown): number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : 1;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
