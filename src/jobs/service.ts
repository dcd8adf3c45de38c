import { setTimeout as sleep } from "node:timers/promises";
import { wholeRepository } from "../engine/reports.ts";
import type { Overview } from "../engine/overview.ts";
import type { Event } from "../lib/events.ts";
import {
  type Alert,
  alertOfAnomalies,
  alertOfGap,
  alertOfGapsClosed,
  alertOfMissed,
  alertOfRecovered,
  alertOfRun,
  anomaliesIn,
  type AlertingOptions,
} from "./alerting.ts";
import { Dispatcher, type RunEnd } from "./dispatcher.ts";
import { dropGaps, gapReportOf, keepGap, keptGaps } from "./gaps.ts";
import { itemsOf } from "./job-item.ts";
import { jobKindNamed, jobKinds, type JobWorld } from "./job-kinds.ts";
import { journalProgress } from "./journal-progress.ts";
import { KnownOverview } from "./known-overview.ts";
import { reportOf, reportsCrmOf } from "./job-reports.ts";
import { failureOf } from "./run-failure.ts";
import { rememberFromRepository } from "./remember.ts";
import { StateWriter } from "./state-writer.ts";
import { statusOf, type StatusReport } from "./status.ts";
import type { JobRun, JobStore } from "./store.ts";
import { keepAlert, tellWaiting } from "./waiting-alerts.ts";

/**
 * `holdfast serve`: one process that does everything when it is due. Each second it looks what has become due, begins what
 * may begin, and ends what somebody wants ended (`dispatcher.ts` decides, the store is its memory). What is over becomes a
 * report in the repository and, where it matters, an alert. Between jobs it holds nothing: no lock, no open repository.
 */
export interface ServiceOptions {
  readonly world: JobWorld;
  readonly store: JobStore;
  readonly host: string;
  readonly alerting: AlertingOptions;
  /** The dead man's switch; absent: nobody waits for a call. */
  readonly ping?: (signal: AbortSignal) => Promise<void>;
  readonly signal: AbortSignal;
  readonly now: () => Date;
  readonly newId: () => string;
  /** Tells of what happens, for a log. */
  readonly log: (entry: ServiceLog) => void;
  /** Told once, when all is up. */
  readonly onReady?: (status: () => Promise<StatusReport>) => Promise<AsyncDisposable | undefined>;
}

export type ServiceLog =
  | { readonly type: "job"; readonly run: JobRun }
  | { readonly type: "job-event"; readonly run: JobRun; readonly event: Event }
  | { readonly type: "trouble"; readonly doing: "reports" | "ping" | "overview" | "state"; readonly error: unknown };

const tickMs = 1000;
const progressEveryMs = 2000;
/** How often it is looked whether something is overdue, and what could not be reported is tried again. */
const watchEveryMs = 60_000;
/** How far back it looks for what was done last. */
const memoryMs = 400 * 86_400_000;
/** How long runs stay in the store once the repository has their reports. */
const keepMs = 120 * 86_400_000;
/** At the end, jobs have so long to let go of what they hold. */
const graceMs = 4000;

export async function serve(options: ServiceOptions): Promise<void> {
  const service = new Service(options);
  await service.run();
}

class Service {
  readonly #options: ServiceOptions;
  readonly #dispatcher: Dispatcher;
  readonly #running = new Map<string, { readonly done: Promise<void>; readonly cancel: AbortController }>();
  readonly #overview: KnownOverview;
  readonly #writer: StateWriter;
  /** Reports, alerts and pings that are on their way, one after the other. */
  #after: Promise<void> = Promise.resolve();
  /** Runs that are not in the repository yet, and of which all was told that is to be told: on disk, so that it is told once. */
  readonly #followed: Set<string>;
  #wake: () => void = () => {};

  constructor(options: ServiceOptions) {
    this.#options = options;
    const { world, store, host, newId, log } = options;
    const { config, zone } = world;
    this.#overview = new KnownOverview((nowMs) => this.#readOverview(nowMs));
    this.#writer = new StateWriter((error) => log({ type: "trouble", doing: "state", error }));
    this.#followed = new Set(JSON.parse(store.fact("followed") ?? "[]") as readonly string[]);
    this.#dispatcher = new Dispatcher({
      store,
      items: itemsOf(config, (job) => jobKinds[job].scope),
      service: config.service,
      zone,
      host,
      isExclusive: (job) => jobKindNamed(job)?.beside === "alone",
      isContinuous: (job) => jobKindNamed(job)?.beside === "everything",
      isRepeatable: (job) => jobKindNamed(job)?.afterCrash === "again",
      newId,
    });
  }

  async run(): Promise<void> {
    const { store, signal, onReady, world } = this.#options;
    const { times: retries } = world.config.service.retry;
    if (store.fact("remembered") === undefined) await this.#remember();
    const begun = await this.#begunRuns();
    for (const run of this.#dispatcher.recover(this.#nowMs(), begun)) this.#follow(run);
    const often = store.open().filter(({ cutOff = 0 }) => cutOff > retries);
    for (const run of often) this.#writer.soon(() => this.#tellOutcome(run, "failed"));
    await using _server = await onReady?.(() => this.status());
    signal.addEventListener("abort", () => this.#wake(), { once: true });
    let watchedMs = -Infinity;
    while (!signal.aborted) {
      const nowMs = this.#nowMs();
      // Where the disk of the state folder is full, nothing new begins.
      this.#writer.now(() => {
        this.#writer.goOn();
        this.#cancelUnwanted(nowMs);
        for (const run of this.#dispatcher.tick(nowMs)) this.#begin(run);
        // Others write down here what they did by hand.
        for (const run of store.unreported()) if (!this.#followed.has(run.id)) this.#follow(run);
      });
      if (Math.abs(nowMs - watchedMs) >= watchEveryMs) {
        watchedMs = nowMs;
        this.#writer.now(() => this.#watch(nowMs));
      }
      await this.#pause();
    }
    for (const { cancel } of this.#running.values()) cancel.abort();
    const ended = Promise.all([...this.#running.values()].map(({ done }) => done));
    await Promise.race([ended.then(() => this.#after), sleep(graceMs, undefined, { ref: false })]);
  }

  /** Runs that another process left which had begun to change what they are about. */
  async #begunRuns(): Promise<ReadonlySet<string>> {
    const { store, world } = this.#options;
    const found = new Set<string>();
    for (const { id, job, subject, input, state, attempts } of store.open()) {
      const after = jobKindNamed(job)?.afterCrash;
      if (state !== "running" || typeof after !== "object") continue;
      if (await after.isBegun({ subject, options: input, attempt: attempts }, world)) found.add(id);
    }
    return found;
  }

  /** What is known of the repository, a quarter of an hour old at most, and how that makes everything. */
  async status(): Promise<StatusReport> {
    const { world, store } = this.#options;
    const { config, zone } = world;
    const nowMs = this.#nowMs();
    const keptBefore = keptGaps(store);
    const overview = await this.#overview.get(nowMs);
    const { signal, now } = this.#options;
    const cutOff = await world.door.cutOffRestores({ signal, now, report: () => {} });
    return statusOf({ config, overview, keptBefore, store, service: "running", cutOff, nowMs, zone });
  }

  #nowMs(): number {
    return this.#options.now().getTime();
  }

  /** After a first start, or when its memory was lost: the repository knows what was done last. */
  async #remember(): Promise<void> {
    const { store, world, log } = this.#options;
    try {
      const overview = await this.#overview.get(this.#nowMs());
      const items = itemsOf(world.config, (job) => jobKinds[job].scope);
      rememberFromRepository(store, items, overview, this.#nowMs());
      store.setFact("remembered", new Date(this.#nowMs()).toISOString());
    } catch (error) {
      // Not reachable, say: jobs will tell. What is due counts from now on until it can be read.
      log({ type: "trouble", doing: "overview", error });
    }
  }

  #begin(run: JobRun): void {
    const cancel = new AbortController();
    const done = this.#execute(run, cancel.signal).finally(() => {
      this.#running.delete(run.id);
      this.#wake();
    });
    this.#running.set(run.id, { done, cancel });
    this.#options.log({ type: "job", run });
  }

  async #execute(run: JobRun, cancelled: AbortSignal): Promise<void> {
    const { signal, now } = this.#options;
    const end = await this.#attempt(run, {
      signal: AbortSignal.any([signal, cancelled]),
      now,
      report: this.#reader(run),
    });
    // The process is ending: the next one finds the run as it is, and begins it again or says that it was cut off.
    if (end === undefined) return;
    const nowMs = this.#nowMs();
    const { promise: isWritten, resolve } = Promise.withResolvers<void>();
    const stop = (): void => resolve();
    this.#writer.soon(() => {
      const ended = this.#dispatcher.ended(run, end, nowMs);
      this.#options.log({ type: "job", run: ended });
      resolve();
      // What it cannot follow now the loop does.
      this.#writer.now(() => this.#follow(ended));
    });
    signal.addEventListener("abort", stop);
    if (!signal.aborted) await isWritten;
    signal.removeEventListener("abort", stop);
  }

  async #attempt(run: JobRun, inner: Parameters<(typeof jobKinds)["backup"]["run"]>[2]): Promise<RunEnd | undefined> {
    const kind = jobKindNamed(run.job);
    const useless: RunEnd = { outcome: "failed", error: { code: "job-unknown", facts: {} }, again: "useless" };
    if (kind === undefined) return useless;
    try {
      const { subject, input: options, attempts: attempt } = run;
      return await kind.run({ subject, options, attempt }, this.#options.world, inner);
    } catch (error) {
      if (this.#options.signal.aborted) return undefined;
      if (inner.signal.aborted) return { outcome: "cancelled" };
      return failureOf(error);
    }
  }

  /** Keeps the newest progress where others can see it, a few times a minute. */
  #reader(run: JobRun): (event: Event) => void {
    const { store, log } = this.#options;
    const journal = journalProgress();
    let writtenMs = -Infinity;
    let isDurable = false;
    return (event) => {
      const { type, ...rest } = event;
      const progress = type === "progress" || type === "phase" ? rest : journal(event);
      if (type === "note" || type === "warning") log({ type: "job-event", run, event });
      // Not for each sign of progress: they would pile up while the disk is full.
      if (type === "note") this.#writer.soon(() => this.#noteGap(run, event));
      if (type === "note" && event.code === "follow-anomaly") {
        const alert = alertOfAnomalies(run, this.#crmOf(run.subject), this.#nowMs(), [event.facts]);
        this.#writer.soon(() => this.#tellSoon(alert));
      }
      if (progress === undefined) return;
      if (!isDurable && "durableTo" in progress) {
        isDurable = true;
        this.#writer.soon(() => this.#tellOutcome(run, "ok"));
      }
      const at = performance.now();
      if ((type === "progress" || type === "journal") && at - writtenMs < progressEveryMs) return;
      writtenMs = at;
      const known = store.get(run.id);
      // Whoever does the work is not to fail for that nobody can look on.
      if (known?.state === "running") this.#writer.now(() => store.update({ ...known, progress: { ...progress } }));
    };
  }

  #noteGap(run: JobRun, event: Event): void {
    const { newId, now, store } = this.#options;
    const report = gapReportOf(event, newId(), now().toISOString());
    if (report === undefined) return;
    const isKept = store.together(() => {
      const alert = alertOfGap(report, run, store);
      // That all can be read is no news where nothing else was told.
      if (report.kind === "gap-end" && alert === undefined) return false;
      keepGap(store, { crm: run.subject, report });
      if (alert) this.#tellSoon(alert);
      return true;
    });
    if (isKept) this.#later(() => this.#report());
  }

  /**
   * How a run is that is not over: what never ends well by itself is well again as soon as it does its work, and what is cut off
   * again and again may well be what ends the service.
   */
  #tellOutcome(run: JobRun, outcome: "ok" | "failed"): void {
    const { store } = this.#options;
    this.#tellOnce(() => alertOfRun({ ...run, outcome, endedMs: this.#nowMs() }, this.#crmOf(run.subject), store));
  }

  /** That it was told is written down with what waits to be told: whoever is killed, or whose disk is full, between the two would tell it never. */
  #tellOnce(find: () => Alert | undefined): void {
    this.#options.store.together(() => {
      const alert = find();
      if (alert) this.#tellSoon(alert);
    });
  }

  #cancelUnwanted(nowMs: number): void {
    const { store } = this.#options;
    for (const run of this.#dispatcher.dropCancelled(nowMs)) this.#follow(run);
    for (const { id, cancelling, state } of store.open()) {
      if (cancelling && state === "running") this.#running.get(id)?.cancel.abort();
    }
  }

  /** What comes after a run that is over: its report, whoever must know, and the call that says we live. */
  #follow(run: JobRun): void {
    if (run.state !== "ended" || run.outcome === "covered") return;
    const { store, ping, signal, log } = this.#options;
    const crm = this.#crmOf(run.subject);
    // Whoever is killed in the midst of it tells none of it twice, and loses none.
    try {
      store.together(() => {
        const alert = alertOfRun(run, crm, store);
        if (alert) this.#tellSoon(alert);
        for (const anomaly of anomaliesIn(run, crm)) this.#tellSoon(anomaly);
        this.#followed.add(run.id);
        this.#keepFollowed();
      });
    } catch (error) {
      this.#followed.delete(run.id);
      throw error;
    }
    this.#later(async () => {
      await this.#report();
      if (ping && (run.outcome === "ok" || run.outcome === "warning")) {
        await ping(signal).catch((error: unknown) => log({ type: "trouble", doing: "ping", error }));
      }
      if (run.job === "backup") await this.#tellHowItIs();
    });
  }

  #keepFollowed(): void {
    this.#options.store.setFact("followed", JSON.stringify([...this.#followed]));
  }

  #later(work: () => Promise<void>): void {
    const { signal } = this.#options;
    this.#after = this.#after.then(work).catch(() => {
      if (!signal.aborted) this.#wake();
    });
  }

  /** It is on disk when this returns. */
  #tellSoon(alert: Alert): void {
    const { store, newId } = this.#options;
    keepAlert(store, newId(), alert, this.#nowMs());
    this.#later(() => this.#tell());
  }

  async #tell(): Promise<void> {
    const { alerting, store, signal } = this.#options;
    await tellWaiting(alerting, store, signal);
  }

  /** Writes into the repository what it has not yet; what fails is tried again with the next. */
  async #report(): Promise<void> {
    const { store, world, signal, now, log } = this.#options;
    const { config, zone, door } = world;
    // What somebody wrote down this moment is followed first: what is reported is over.
    const runs = store.unreported().filter(({ id }) => this.#followed.has(id));
    const ofRuns = runs.map((run) => ({ crm: reportsCrmOf(run, wholeRepository), report: reportOf(run, zone) }));
    const waiting = [...ofRuns, ...keptGaps(store)];
    if (waiting.length === 0) return;
    try {
      const repository = await world.access(config.repository);
      for (const [crm, own] of Map.groupBy(waiting, (one) => one.crm)) {
        const reports = own.map(({ report }) => report);
        const input = { repository, crm, reports, limits: config.limits, waitMs: 15 * 60_000 };
        await door.saveReports(input, { signal, now, report: () => {} });
        const ids = reports.map(({ id }) => id);
        store.markReported(ids);
        dropGaps(store, new Set(ids));
        for (const id of ids) this.#followed.delete(id);
        this.#keepFollowed();
      }
      this.#overview.forget();
    } catch (error) {
      if (!signal.aborted) log({ type: "trouble", doing: "reports", error });
    }
  }

  /** Tells of what should have run and did not, and tidies up. */
  #watch(nowMs: number): void {
    const { store } = this.#options;
    store.dropBefore(nowMs - keepMs);
    this.#later(async () => {
      if (store.fact("remembered") === undefined) await this.#remember();
      await this.#tell();
      await this.#report();
      await this.#tellHowItIs();
    });
  }

  /** What should have run and did not, and what is well again, whoever saw to it. */
  async #tellHowItIs(): Promise<void> {
    const { store, world } = this.#options;
    const { jobs, crms } = await this.status();
    for (const { item, job, subject, missed, outcome } of jobs) {
      const crm = this.#crmOf(subject);
      if (missed !== undefined) {
        this.#tellOnce(() => alertOfMissed({ item, job, missed }, crm, this.#nowMs(), store));
      } else if (job === "backup" && outcome === "ok") {
        this.#tellOnce(() => alertOfRecovered({ item, job }, crm, this.#nowMs(), store));
      }
    }
    for (const { crm, openGaps } of crms) {
      if (openGaps.some(({ of }) => of === "rows")) continue;
      const follows = itemsOf(world.config, (job) => jobKinds[job].scope).find(
        ({ job, subject }) => job === "follow" && subject === crm,
      );
      this.#tellOnce(() => {
        const alert = alertOfGapsClosed(crm, this.#nowMs(), store);
        return alert && { ...alert, subject: follows?.key ?? `follow/${crm}` };
      });
    }
  }

  #crmOf(subject: string): string | undefined {
    return this.#options.world.config.crms.some(({ name }) => name === subject) ? subject : undefined;
  }

  async #readOverview(nowMs: number): Promise<Overview> {
    const { world, signal, now } = this.#options;
    const repository = await world.access(world.config.repository);
    const since = new Date(nowMs - memoryMs).toISOString();
    return await world.door.overview({ repository, since }, { signal, now, report: () => {} });
  }

  async #pause(): Promise<void> {
    const { signal } = this.#options;
    const woken = Promise.withResolvers<void>();
    this.#wake = woken.resolve;
    const timer = setTimeout(woken.resolve, tickMs);
    if (!signal.aborted) await woken.promise;
    clearTimeout(timer);
  }
}
