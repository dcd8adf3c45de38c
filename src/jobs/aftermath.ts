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
import { dropGaps, gapReportOf, keepGap, keptGaps } from "./gaps.ts";
import { itemsOf } from "./job-item.ts";
import { jobKinds, type JobWorld } from "./job-kinds.ts";
import { KnownOverview } from "./known-overview.ts";
import { reportOf, reportsCrmOf } from "./job-reports.ts";
import { rememberFromRepository } from "./remember.ts";
import { statusOf, type StatusReport } from "./status.ts";
import type { JobRun, JobStore } from "./store.ts";
import { keepAlert, tellWaiting } from "./waiting-alerts.ts";

export interface AftermathOptions {
  readonly world: JobWorld;
  readonly store: JobStore;
  readonly alerting: AlertingOptions;
  /** The dead man's switch; absent: nobody waits for a call. */
  readonly ping?: (signal: AbortSignal) => Promise<void>;
  readonly signal: AbortSignal;
  readonly now: () => Date;
  readonly newId: () => string;
  readonly log: (entry: Trouble) => void;
}

export interface Trouble {
  readonly type: "trouble";
  readonly doing: "reports" | "ping" | "overview" | "state";
  readonly error: unknown;
}

/** How far back it looks for what was done last. */
const memoryMs = 400 * 86_400_000;
/** How long runs stay in the store once the repository has their reports. */
const keepMs = 120 * 86_400_000;

/**
 * What comes of the service's runs: reports in the repository, alerts, the call that says we live, and the status. What is to be told is on
 * disk first, and then goes its way, one after the other, beside the runs. Whatever writes here fails with `state-unwritable` where the
 * disk of the state folder is full.
 */
export class Aftermath {
  readonly #options: AftermathOptions;
  readonly #onFailure: () => void;
  readonly #overview: KnownOverview;
  #settled: Promise<void> = Promise.resolve();
  /** Runs that are not in the repository yet, and of which all was told that is to be told: on disk, so that it is told once. */
  readonly #followed: Set<string>;

  /** @param onFailure something did not get through, and the next look may find why */
  constructor(options: AftermathOptions, onFailure: () => void) {
    this.#options = options;
    this.#onFailure = onFailure;
    this.#overview = new KnownOverview((nowMs) => this.#readOverview(nowMs));
    this.#followed = new Set(JSON.parse(options.store.fact("followed") ?? "[]") as readonly string[]);
  }

  /** Resolves when what is on its way has arrived, or failed to. */
  get settled(): Promise<void> {
    return this.#settled;
  }

  /** After a first start, or when its memory was lost: the repository knows what was done last. */
  async remember(): Promise<void> {
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

  /** What comes after a run that is over: its report, whoever must know, and the call that says we live. */
  follow(run: JobRun): void {
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

  /** The same of runs that others have written down. */
  followNew(): void {
    for (const run of this.#options.store.unreported()) if (!this.#followed.has(run.id)) this.follow(run);
  }

  noteGap(run: JobRun, event: Event): void {
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

  tellAnomaly(run: JobRun, facts: unknown, atMs: number): void {
    this.#tellSoon(alertOfAnomalies(run, this.#crmOf(run.subject), atMs, [facts]));
  }

  /**
   * How a run is that is not over: what never ends well by itself is well again as soon as it does its work, and what is cut off
   * again and again may well be what ends the service.
   */
  tellOutcome(run: JobRun, outcome: "ok" | "failed"): void {
    const { store } = this.#options;
    this.#tellOnce(() => alertOfRun({ ...run, outcome, endedMs: this.#nowMs() }, this.#crmOf(run.subject), store));
  }

  /** Tells of what should have run and did not, and tidies up. */
  watch(nowMs: number): void {
    const { store } = this.#options;
    store.dropBefore(nowMs - keepMs);
    this.#later(async () => {
      if (store.fact("remembered") === undefined) await this.remember();
      await this.#tell();
      await this.#report();
      await this.#tellHowItIs();
    });
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

  /** That it was told is written down with what waits to be told: whoever is killed, or whose disk is full, between the two would tell it never. */
  #tellOnce(find: () => Alert | undefined): void {
    this.#options.store.together(() => {
      const alert = find();
      if (alert) this.#tellSoon(alert);
    });
  }

  #keepFollowed(): void {
    this.#options.store.setFact("followed", JSON.stringify([...this.#followed]));
  }

  #later(work: () => Promise<void>): void {
    const { signal } = this.#options;
    this.#settled = this.#settled.then(work).catch(() => {
      if (!signal.aborted) this.#onFailure();
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

  #nowMs(): number {
    return this.#options.now().getTime();
  }
}
