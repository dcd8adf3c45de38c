import type { Config } from "../config/config.ts";
import type { BackupRow, CrmOverview, Overview } from "../engine/overview.ts";
import { wholeRepository, type Report } from "../engine/reports.ts";
import { type Gap, type KeptGap, keptGaps, openGaps } from "./gaps.ts";
import { clockToleranceMs, expectedAfter, itemsOf, type JobItem } from "./job-item.ts";
import { jobKindNamed, jobKinds } from "./job-kinds.ts";
import { reportsCrmOf, runOfReport } from "./job-reports.ts";
import type { JobRun, JobStore, RunError } from "./store.ts";

/** How everything is: the four outcomes, the same words everywhere. */
export type StatusOutcome = "ok" | "warning" | "failed" | "missed";

export interface ItemStatus {
  readonly item: string;
  readonly job: string;
  readonly subject: string;
  readonly schedule: string;
  /** Absent: it was not due yet. */
  readonly outcome?: StatusOutcome;
  /** RFC 3339, all of them. */
  readonly lastEnd?: string;
  readonly lastSuccess?: string;
  readonly lastDurationMs?: number;
  readonly lastStoredBytes?: number;
  readonly error?: string;
  /** Of `error`, as far as this machine has written them down. */
  readonly errorFacts?: RunError["facts"];
  readonly nextDue?: string;
  /** When it was due that is missed. */
  readonly missed?: string;
  /** Of `follow`: everything that was committed up to here is in the repository. */
  readonly durableTo?: string;
  /** Of `follow`: so much was read and is not there yet. */
  readonly waitingBytes?: number;
}

/** A restore that was cut off while it swapped. */
export interface CutOffRestore {
  readonly crm: string;
  /** For `restore undo`, which takes it back. */
  readonly id: string;
  /** For `restore apply`, which finishes it; absent: it was being taken back. */
  readonly plan?: string;
}

export interface CrmStatus {
  readonly crm: string;
  readonly outcome: StatusOutcome;
  readonly backups: number;
  readonly lastBackup?: BackupRow;
  /** What would be lost if the CRM were gone now: since the newest backup that can be restored. */
  readonly rpoMs?: number;
  readonly uncovered: number;
  /** With what the newest backup ended; absent: without warnings. */
  readonly lastWarnings?: NonNullable<CrmOverview["warnings"]>;
  readonly drill?: { readonly time: string; readonly outcome: string };
  /** Of the newest backup that has a report. */
  readonly anomalies: number;
  /** The same as they stand in its report, of which nothing is known but that it is a list. */
  readonly anomaliesFound: readonly unknown[];
  /** Stretches of time of which not every moment can be had, of rows or files, and that nothing has closed yet. */
  readonly gaps: number;
  readonly openGaps: readonly Gap[];
  /** The CRM is partly old and partly new, and is not backed up until somebody finishes or undoes it. */
  readonly cutOff?: Omit<CutOffRestore, "crm">;
}

export interface StatusReport {
  readonly type: "status";
  readonly time: string;
  readonly zone: string;
  readonly outcome: StatusOutcome;
  readonly crms: readonly CrmStatus[];
  readonly jobs: readonly ItemStatus[];
  readonly running: readonly RunningJob[];
  readonly service: "running" | "stopped";
}

export interface RunningJob {
  readonly id: string;
  readonly job: string;
  readonly subject: string;
  readonly state: "running" | "queued";
  readonly since: string;
  readonly attempts: number;
  readonly progress?: Readonly<Record<string, unknown>>;
  readonly error?: string;
}

export interface StatusInput {
  /** Absent: only what the repository knows. */
  readonly config?: Pick<Config, "crms" | "copies" | "service">;
  readonly overview: Overview;
  /** Reports of gaps that were not in the repository before it was read: one that was written meanwhile stands nowhere else. */
  readonly keptBefore: readonly KeptGap[];
  /** What the service has written down on this machine, if it ever ran. */
  readonly store?: JobStore;
  readonly service: "running" | "stopped";
  readonly cutOff: readonly CutOffRestore[];
  readonly nowMs: number;
  readonly zone: string;
}

export function statusOf(input: StatusInput): StatusReport {
  const { config, overview, keptBefore, store, service, cutOff, nowMs, zone } = input;
  // A schedule that nobody wrote down and no service keeps to is not missed.
  const expected = config !== undefined && (config.service.origin === "written" || store !== undefined);
  const items = expected ? itemsOf(config, (job) => jobKinds[job].scope) : [];
  const runs = runsByItem(overview);
  const jobs = items.map((item) => ("always" in item.schedule.when ? continuousStatus : itemStatus)(item, input, runs));
  const kept = [...keptBefore, ...(store ? keptGaps(store) : [])];
  const names = new Set([...(config?.crms ?? []).map(({ name }) => name), ...overview.crms.map(({ crm }) => crm)]);
  const crms = [...names].map((crm) => {
    const known = overview.crms.find((one) => one.crm === crm);
    const due = config === undefined || config.crms.some(({ name }) => name === crm) ? jobs : [];
    const waiting = kept.filter((one) => one.crm === crm).map(({ report }) => report);
    const own = cutOff.find((one) => one.crm === crm);
    return crmStatus(crm, known, due, openGaps(known ?? { backups: [], reports: [] }, waiting), own, nowMs);
  });
  const all = [...crms.map(({ outcome }) => outcome), ...jobs.flatMap(({ outcome }) => outcome ?? [])];
  return {
    type: "status",
    time: new Date(nowMs).toISOString(),
    zone,
    outcome: worstOf(all),
    crms,
    jobs,
    running: (store?.open() ?? []).map(runningJob),
    service,
  };
}

const severity: readonly StatusOutcome[] = ["ok", "warning", "missed", "failed"];

function worstOf(outcomes: readonly StatusOutcome[]): StatusOutcome {
  return outcomes.reduce((worst, one) => (severity.indexOf(one) > severity.indexOf(worst) ? one : worst), "ok");
}

function runsByItem({ crms, reports }: Overview): ReadonlyMap<string, readonly JobRun[]> {
  // A report counts where its like is kept, so that one CRM's reports cannot speak for another.
  const named = crms.flatMap(({ crm, reports: of }) => of.map((report) => ({ crm, report })));
  const all = [...named, ...reports.map((report) => ({ crm: wholeRepository, report }))];
  const runs = all.flatMap(({ crm, report }) => {
    const run = runOfReport(report);
    return run !== undefined && reportsCrmOf(run, wholeRepository) === crm ? [run] : [];
  });
  return Map.groupBy(runs, ({ item }) => item);
}

/** What is known of the last times, newest first, from the reports and from what is written down here. */
function lastRunsOf(
  item: string,
  reported: readonly JobRun[],
  { store, nowMs }: Pick<StatusInput, "store" | "nowMs">,
): readonly JobRun[] {
  const here = store?.endedOf(item, 20) ?? [];
  const ids = new Set(here.map(({ id }) => id));
  const both = [...here, ...reported.filter(({ id }) => !ids.has(id))];
  return both
    .filter(({ endedMs = 0 }) => isPast(endedMs, nowMs))
    .toSorted((a, b) => (b.endedMs ?? 0) - (a.endedMs ?? 0));
}

/** What a clock did that was ahead would be the newest for as long, and hide what came since. */
function isPast(ms: number, nowMs: number): boolean {
  return ms <= nowMs + clockToleranceMs;
}

/** Since when such a job is being done just now: what has begun is not missed, until it is due once more. */
function runningSince({ job, subject }: JobItem, { store, service }: StatusInput): number | undefined {
  if (service !== "running") return undefined;
  return store?.open().find((run) => run.state === "running" && run.job === job && run.subject === subject)?.startedMs;
}

function itemStatus(item: JobItem, input: StatusInput, runs: ReadonlyMap<string, readonly JobRun[]>): ItemStatus {
  const { overview, store, nowMs, zone, config } = input;
  const last = lastRunsOf(item.key, runs.get(item.key) ?? [], input).filter(({ outcome }) => outcome !== "cancelled");
  const [newest] = last;
  const good = last.find(isGood);
  const backup = item.job === "backup" ? newestBackup(item, overview, nowMs) : undefined;
  const backupMs = backup && Date.parse(backup.time);
  const goodMs = latest(good?.startedMs, backupMs);
  const attemptedMs = latest(newest?.startedMs, backupMs, runningSince(item, input));
  const knownMs = attemptedMs ?? store?.watermark(item.key)?.sinceMs;
  const blackouts = config?.service.blackouts ?? [];
  const expectation = knownMs === undefined ? undefined : expectedAfter(item, knownMs, blackouts, zone);
  const missed = expectation !== undefined && nowMs >= expectation.missedMs;
  const next = expectedAfter(item, nowMs, [], zone);
  const byHand = backupMs !== undefined && backupMs >= (newest?.startedMs ?? 0);
  const outcome = missed ? "missed" : byHand ? backup?.outcome : newest && outcomeOf(newest);
  const stored = newest?.facts?.["storedBytes"];
  const success = latest(good?.endedMs, backupMs);
  return {
    item: item.key,
    job: item.job,
    subject: item.subject,
    schedule: item.schedule.name,
    ...(outcome && { outcome }),
    ...(newest?.endedMs !== undefined && { lastEnd: new Date(newest.endedMs).toISOString() }),
    ...(goodMs !== undefined && success !== undefined && { lastSuccess: new Date(success).toISOString() }),
    ...(newest?.startedMs !== undefined &&
      newest.endedMs !== undefined && { lastDurationMs: newest.endedMs - newest.startedMs }),
    ...(typeof stored === "number" && { lastStoredBytes: stored }),
    ...(newest?.outcome === "failed" && newest.error && { error: newest.error.code, errorFacts: newest.error.facts }),
    ...(next && { nextDue: new Date(next.dueMs).toISOString() }),
    ...(missed && { missed: new Date(expectation.dueMs).toISOString() }),
  };
}

/** What runs as long as the service does is as it is now: only the service's own books know. */
function continuousStatus(item: JobItem, { store, service }: StatusInput): ItemStatus {
  const { key, job, subject, schedule } = item;
  const run = store?.open().find((one) => one.item === key);
  const [ended] = store?.endedOf(key, 1) ?? [];
  const isRunning = run?.state === "running" && service === "running";
  const error = isRunning ? run.progress?.["trouble"] : (run?.error ?? ended?.error)?.code;
  const { durableTo, waitingBytes } = run?.progress ?? {};
  const outcome = isRunning ? (error === undefined ? "ok" : "warning") : error === undefined ? "missed" : "failed";
  return {
    item: key,
    job,
    subject,
    schedule: schedule.name,
    ...(store && { outcome }),
    ...(typeof error === "string" && { error }),
    ...(typeof durableTo === "string" && { durableTo }),
    ...(typeof waitingBytes === "number" && { waitingBytes }),
  };
}

const strengths = { incremental: 1, differential: 2, full: 3 } as const;

/** By whomever it was made; a full does for an incremental, not the other way round. */
function newestBackup({ schedule, subject }: JobItem, overview: Overview, nowMs: number): BackupRow | undefined {
  const least = strengths[schedule.kind ?? "incremental"];
  const backups = overview.crms.find(({ crm }) => crm === subject)?.backups ?? [];
  return backups.findLast(({ kind, time }) => strengths[kind] >= least && isPast(Date.parse(time), nowMs));
}

function isGood({ outcome }: JobRun): boolean {
  return outcome === "ok" || outcome === "warning";
}

function outcomeOf({ outcome }: JobRun): StatusOutcome | undefined {
  return outcome === "ok" || outcome === "warning" || outcome === "failed" ? outcome : undefined;
}

function latest(...times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}

function crmStatus(
  crm: string,
  known: CrmOverview | undefined,
  jobs: readonly ItemStatus[],
  gaps: readonly Gap[],
  cutOff: CutOffRestore | undefined,
  nowMs: number,
): CrmStatus {
  const own = jobs.filter(({ job, subject }) => subject === crm && jobKindNamed(job)?.scope === "crm");
  const lastBackup = known?.backups.at(-1);
  const past = known?.backups.filter(({ time }) => isPast(Date.parse(time), nowMs));
  const restorable = past?.findLast(({ outcome }) => outcome === "ok") ?? past?.at(-1) ?? lastBackup;
  const drill = known?.reports.findLast(({ kind }) => kind === "drill");
  const reported = known?.reports.findLast(({ kind, body }) => kind === "run" && body["job"] === "backup");
  const anomaliesFound = anomaliesOf(reported);
  const byJobs = own.flatMap(({ outcome }) => outcome ?? []);
  const drilled = drill && drillOutcome(drill);
  const outcome = worstOf([
    lastBackup?.outcome ?? "missed",
    ...byJobs,
    ...(drilled ? [drilled] : []),
    ...(gaps.length > 0 ? ["warning" as const] : []),
    ...(cutOff ? ["failed" as const] : []),
  ]);
  return {
    crm,
    outcome,
    backups: known?.backups.length ?? 0,
    ...(lastBackup && { lastBackup }),
    ...(restorable && { rpoMs: Math.max(0, nowMs - Date.parse(restorable.time)) }),
    uncovered: known?.uncovered.length ?? 0,
    ...(known?.warnings && { lastWarnings: known.warnings }),
    ...(drill && { drill: { time: drill.time, outcome: drilled ?? "failed" } }),
    anomalies: anomaliesFound.length,
    anomaliesFound,
    gaps: gaps.length,
    openGaps: gaps,
    ...(cutOff && { cutOff: { id: cutOff.id, ...(cutOff.plan !== undefined && { plan: cutOff.plan }) } }),
  };
}

function drillOutcome({ body }: Report): StatusOutcome {
  return severity.find((one) => one === body["outcome"]) ?? "failed";
}

function anomaliesOf(report: Report | undefined): readonly unknown[] {
  const facts = report?.body["facts"];
  const found = typeof facts === "object" && facts !== null && "anomalies" in facts ? facts.anomalies : undefined;
  return Array.isArray(found) ? found : [];
}

function runningJob(run: JobRun): RunningJob {
  const since = new Date(run.state === "running" ? (run.startedMs ?? run.dueMs) : run.readyMs).toISOString();
  return {
    id: run.id,
    job: run.job,
    subject: run.subject,
    state: run.state === "running" ? "running" : "queued",
    since,
    attempts: run.attempts,
    ...(run.progress && { progress: run.progress }),
    ...(run.error && { error: run.error.code }),
  };
}
