import type { ServiceConfig } from "../config/service-config.ts";
import { allowedAt, clockToleranceMs, dueSince, expectedAfter, type JobItem, spreadMs } from "./job-item.ts";
import { newRun } from "./new-run.ts";
import type { JobRun, JobStore, RunError } from "./store.ts";

/**
 * Decides what runs when, and nothing else: it is told the time, keeps its books in the store, and never waits, so that a
 * year of it can be tried in seconds. What is due is queued once, whatever the clock does; what is queued begins when it is
 * ready, there is room, and nothing that runs stands in its way; what failed is tried again later.
 */
export interface DispatcherOptions {
  readonly store: JobStore;
  readonly items: readonly JobItem[];
  readonly service: ServiceConfig;
  /** IANA name. */
  readonly zone: string;
  /** Name of this machine: for the spread. */
  readonly host: string;
  /** Whether a job of this name keeps all others out of the repository. */
  readonly isExclusive: (job: string) => boolean;
  /** Whether a job of this name runs as long as the service does, beside everything. */
  readonly isContinuous: (job: string) => boolean;
  /** Whether one that was cut off by the end of the process is begun again. */
  readonly isRepeatable: (job: string) => boolean;
  readonly newId: () => string;
}

export type RunEnd =
  | { readonly outcome: "ok" | "warning"; readonly facts: Readonly<Record<string, unknown>> }
  | { readonly outcome: "failed"; readonly error: RunError; readonly again: "worthwhile" | "useless" }
  | { readonly outcome: "cancelled" };

/** A clock that was set back by more than this was wrong for long: even one time that came "in the future" comes again. */
const clockWrongMs = 3_600_000;
/** With `missed: skip`, what is due this long ago was missed. */
const skipAfterMs = 5 * 60_000;
/** So long others wait for a job that needs the repository alone. */
const patienceMs = 10 * 60_000;
/** But not for the end of what has run for so long: it may run for hours yet, and backups are due. */
const longRunMs = 3_600_000;

const strengths: Readonly<Record<string, number>> = { full: 3, differential: 2, incremental: 1 };

export class Dispatcher {
  readonly #options: DispatcherOptions;
  /** By item: before then nothing is due, so that most ticks cost nothing. */
  readonly #quietUntil = new Map<string, { readonly fromMs: number; readonly untilMs: number }>();

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /**
   * To be called once at the beginning, when no other process works on the store: what is said to run does not. What was cut off
   * when it had `begun` (ids) to change what it is about is done before all else, whether or not it was to be cancelled. Gives the
   * runs that ended with that.
   */
  recover(nowMs: number, begun: ReadonlySet<string> = new Set()): readonly JobRun[] {
    const { store, isRepeatable, isContinuous } = this.#options;
    const error: RunError = { code: "interrupted", facts: {} };
    return store.together(() => {
      const ended: JobRun[] = [];
      for (const run of store.open().filter(({ job }) => isContinuous(job))) ended.push(...this.#resume(run, nowMs));
      for (const run of store.open().filter(({ state }) => state === "running")) {
        const cutOff: JobRun = { ...run, cutOff: (run.cutOff ?? 0) + 1 };
        if (begun.has(run.id)) {
          // It is too late for that.
          store.takeBackCancel(run.id);
          this.#queueAgain({ ...cutOff, cancelling: false, error }, this.#beforeAll(nowMs));
        } else if (run.cancelling) ended.push(this.#end(run, { outcome: "cancelled" }, nowMs));
        else if (isRepeatable(run.job)) ended.push(...this.#failed(cutOff, error, nowMs, "worthwhile"));
        else ended.push(this.#end({ ...run, error }, { outcome: "failed", error, again: "useless" }, nowMs));
      }
      return ended;
    });
  }

  /** Queues what has become due, and gives the runs that are to begin now. */
  tick(nowMs: number): readonly JobRun[] {
    const { store, items, isContinuous } = this.#options;
    const open = store.open();
    const due = items.filter(({ key, job }) => {
      if (isContinuous(job)) return !open.some(({ item }) => item === key);
      const quiet = this.#quietUntil.get(key);
      return quiet === undefined || nowMs < quiet.fromMs || nowMs >= quiet.untilMs;
    });
    if (due.length === 0 && !open.some(({ state }) => state === "queued")) return [];
    try {
      return store.together(() => {
        for (const item of due) {
          if (isContinuous(item.job)) this.#queueContinuous(item, nowMs);
          else this.#queueDue(item, nowMs);
        }
        return this.#begin(nowMs);
      });
    } catch (error) {
      // What was taken back is due still.
      for (const { key } of due) this.#quietUntil.delete(key);
      throw error;
    }
  }

  /** Books the end of a run; gives it as it now is, which is queued again where another attempt follows. */
  ended(run: JobRun, end: RunEnd, nowMs: number): JobRun {
    return this.#options.store.together(() => {
      if (end.outcome === "failed") {
        const [final] = this.#failed(run, end.error, nowMs, end.again);
        return final ?? this.#options.store.get(run.id) ?? run;
      }
      const ended = this.#end(run, end, nowMs);
      if (end.outcome !== "cancelled") this.#queueFollowers(ended, nowMs);
      return ended;
    });
  }

  /** Ends a queued run that somebody does not want any more. */
  dropCancelled(nowMs: number): readonly JobRun[] {
    const { store } = this.#options;
    const unwanted = store.open().filter(({ state, cancelling }) => state === "queued" && cancelling);
    return store.together(() => unwanted.map((run) => this.#end(run, { outcome: "cancelled" }, nowMs)));
  }

  #queueDue(item: JobItem, nowMs: number): void {
    const { store, zone } = this.#options;
    const known = store.watermark(item.key) ?? { dueMs: nowMs, sinceMs: nowMs };
    let { dueMs: watermark } = known;
    // The clock was ahead and is set right: what was done "in the future" does not protect today.
    const isAhead = watermark > nowMs + clockToleranceMs;
    if (watermark > nowMs + clockWrongMs || (isAhead && (dueSince(item, nowMs, watermark, zone)?.times ?? 0) > 1)) {
      watermark = nowMs;
    }
    const due = dueSince(item, watermark, nowMs, zone);
    if (due !== undefined) watermark = due.dueMs;
    store.setWatermark(item.key, watermark, known.sinceMs);
    const next = expectedAfter(item, Math.max(watermark, nowMs), [], zone)?.dueMs;
    this.#quietUntil.set(item.key, { fromMs: Math.min(watermark, nowMs), untilMs: next ?? Number.POSITIVE_INFINITY });
    if (due === undefined) return;
    if (item.schedule.missed === "skip" && nowMs - due.dueMs > skipAfterMs) return;
    this.#queue(item, due.dueMs, due.times);
  }

  /** At once, or so long after it ended as others are tried again at the latest. */
  #queueContinuous({ key: item, job, subject, schedule }: JobItem, nowMs: number): void {
    const { store, service, newId } = this.#options;
    const { firstMs, longestMs } = service.retry;
    const [last] = store.endedOf(item, 1);
    const pauseMs = last === undefined ? 0 : last.outcome === "ok" ? firstMs : longestMs;
    const againMs = (last?.endedMs ?? nowMs) + pauseMs;
    const readyMs = Math.min(Math.max(againMs, nowMs), nowMs + pauseMs);
    store.add({ ...newRun({ id: newId(), item, job, subject, schedule: schedule.name }, nowMs), readyMs });
  }

  /** With the service begins anew what runs as long as it does, if the configuration still asks for it. */
  #resume(run: JobRun, nowMs: number): readonly JobRun[] {
    const isWanted = this.#options.items.some(({ key }) => key === run.item) && !run.cancelling;
    if (!isWanted) return [this.#end(run, { outcome: "cancelled" }, nowMs)];
    const { progress: _, startedMs: _started, error: _error, cutOff: _cutOff, ...rest } = run;
    this.#options.store.update({ ...rest, state: "queued", readyMs: nowMs, attempts: 0 });
    return [];
  }

  #queue(item: JobItem, dueMs: number, times: number): void {
    const { store, service, zone, host } = this.#options;
    const readyMs = allowedAt(service.blackouts, item.job, dueMs + spreadMs(item, host), zone);
    const waiting = store.open().find((run) => run.item === item.key && run.state === "queued");
    if (waiting) {
      // It has not begun yet, or failed before: one run does for both. Attempts go on counting, so that it is told.
      store.update({ ...waiting, dueMs, times: waiting.times + times, readyMs: Math.min(waiting.readyMs, readyMs) });
      return;
    }
    const { kind, name, readPercent } = item.schedule;
    const input = { ...(kind !== undefined && { kind }), ...(readPercent > 0 && { readPercent }) };
    const { key, job, subject } = item;
    const run = newRun({ id: this.#options.newId(), item: key, job, subject, schedule: name, input }, dueMs);
    store.add({ ...run, times, readyMs });
  }

  #begin(nowMs: number): readonly JobRun[] {
    const { store, service, isExclusive, isContinuous, zone } = this.#options;
    const open = store.open();
    const running = open.filter(({ state, job }) => state === "running" && !isContinuous(job));
    const covered = new Set<string>();
    const all = open.filter((run) => run.state === "queued" && this.#isReady(run, nowMs) && !run.cancelling);
    const isAllowed = (run: JobRun): boolean =>
      run.schedule === undefined || allowedAt(service.blackouts, jobOf(run), nowMs, zone) <= nowMs;
    const ready = all.filter((run) => !isContinuous(run.job) && isAllowed(run));
    const begun = all.filter(({ job }) => isContinuous(job)).map((run) => this.#start(run, nowMs));
    const isLong = running.some(({ startedMs = nowMs }) => nowMs - startedMs >= longRunMs);
    const impatient = !isLong && ready.some((run) => isExclusive(run.job) && run.readyMs + patienceMs < nowMs);
    for (const run of ready) {
      if (running.length >= service.jobsAtOnce) break;
      if (covered.has(run.id)) continue;
      const exclusive = isExclusive(run.job);
      if (running.some((other) => other.subject === run.subject)) continue;
      if (exclusive ? running.length > 0 : running.some(({ job }) => isExclusive(job)) || impatient) continue;
      const alike = ready.filter((other) => isBackupOf(other, run.subject) && !covered.has(other.id));
      const chosen = run.job === "backup" ? (alike.toSorted((a, b) => strengthOf(b) - strengthOf(a))[0] ?? run) : run;
      const started = this.#start(chosen, nowMs);
      for (const other of run.job === "backup" ? alike : []) {
        if (other.id === chosen.id || other.schedule === undefined) continue;
        covered.add(other.id);
        store.update({ ...other, state: "ended", outcome: "covered", endedMs: nowMs, coveredBy: chosen.id });
      }
      covered.add(chosen.id);
      running.push(started);
      begun.push(started);
    }
    return begun;
  }

  /** One that a clock made that was ahead does not wait until the time comes that it showed. */
  #isReady({ readyMs, dueMs, attempts }: JobRun, nowMs: number): boolean {
    const { longestMs } = this.#options.service.retry;
    if (readyMs <= nowMs || dueMs > nowMs + clockToleranceMs) return true;
    return attempts > 0 && readyMs > nowMs + longestMs + clockToleranceMs;
  }

  #start(run: JobRun, nowMs: number): JobRun {
    const started: JobRun = { ...run, state: "running", startedMs: nowMs, attempts: run.attempts + 1 };
    this.#options.store.update(started);
    return started;
  }

  /** Empty: it is queued again. */
  #failed(begun: JobRun, error: RunError, nowMs: number, again: "worthwhile" | "useless"): readonly JobRun[] {
    const { store, service, isContinuous } = this.#options;
    const { times, firstMs, longestMs } = service.retry;
    // What ran for long is not at its second attempt, but at its first of today.
    const isFirst = isContinuous(begun.job) && nowMs - (begun.startedMs ?? nowMs) > longestMs;
    const run = isFirst ? { ...begun, attempts: 1, cutOff: 0 } : begun;
    const failed: JobRun = { ...run, error };
    // What ended with the process says nothing against another attempt, however often: not it was what failed.
    if (again === "useless" || run.attempts - (run.cutOff ?? 0) > times) {
      return [this.#end(failed, { outcome: "failed", error, again }, nowMs)];
    }
    const newer = store.open().find((one) => one.item === run.item && one.state === "queued" && one.id !== run.id);
    if (newer && run.schedule !== undefined) {
      // The next time is due already, and does for this one too.
      const { attempts, cutOff = 0 } = run;
      store.update({ ...newer, times: newer.times + run.times, attempts, cutOff });
      store.update({ ...failed, state: "ended", outcome: "covered", endedMs: nowMs, coveredBy: newer.id });
      return [];
    }
    const pause = Math.min(longestMs, firstMs * 2 ** (run.attempts - 1));
    this.#queueAgain(failed, nowMs + pause);
    return [];
  }

  #queueAgain(run: JobRun, readyMs: number): void {
    const { progress: _, startedMs: _started, ...waiting } = run;
    this.#options.store.update({ ...waiting, state: "queued", readyMs });
  }

  /** When nothing else is ready yet: a backup of what is half done would be of neither. */
  #beforeAll(nowMs: number): number {
    return Math.min(nowMs, ...this.#options.store.open().map(({ readyMs }) => readyMs)) - 1;
  }

  #end(run: JobRun, end: RunEnd, nowMs: number): JobRun {
    const { error: _, progress: _progress, ...rest } = run;
    const ended: JobRun = {
      ...rest,
      state: "ended",
      outcome: end.outcome,
      endedMs: nowMs,
      ...(end.outcome === "failed" && { error: end.error }),
      ...("facts" in end && { facts: end.facts }),
    };
    this.#options.store.update(ended);
    return ended;
  }

  #queueFollowers(run: JobRun, nowMs: number): void {
    for (const item of this.#options.items) {
      const { when } = item.schedule;
      if (!("after" in when) || when.after !== run.job) continue;
      // What is of a CRM follows that CRM's jobs alone; what is of the repository or a copy follows any.
      if (item.scope === "crm" && item.subject !== run.subject) continue;
      this.#queue(item, nowMs, 1);
    }
  }
}

/** Of a queue, what another backup of the same CRM does as well. */
function isBackupOf(run: JobRun, subject: string): boolean {
  return run.job === "backup" && run.subject === subject && run.state === "queued";
}

function strengthOf({ input }: JobRun): number {
  return strengths[String(input["kind"])] ?? 0;
}

function jobOf(run: JobRun): JobItem["job"] {
  return run.job as JobItem["job"];
}
