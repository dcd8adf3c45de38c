import { setTimeout as sleep } from "node:timers/promises";
import type { Event } from "../lib/events.ts";
import { Aftermath, type AftermathOptions, type Trouble } from "./aftermath.ts";
import { Dispatcher, type RunEnd } from "./dispatcher.ts";
import { itemsOf } from "./job-item.ts";
import { jobKindNamed, jobKinds } from "./job-kinds.ts";
import { journalProgress } from "./journal-progress.ts";
import { failureOf } from "./run-failure.ts";
import { StateWriter } from "./state-writer.ts";
import type { StatusReport } from "./status.ts";
import type { JobRun } from "./store.ts";

/**
 * `holdfast serve`: one process that does everything when it is due. Each second it looks what has become due, begins what
 * may begin, and ends what somebody wants ended (`dispatcher.ts` decides, the store is its memory). What is over becomes a
 * report in the repository and, where it matters, an alert (`aftermath.ts`). Between jobs it holds nothing: no lock, no open repository.
 */
export interface ServiceOptions extends Omit<AftermathOptions, "log"> {
  readonly host: string;
  /** Tells of what happens, for a log. */
  readonly log: (entry: ServiceLog) => void;
  /** Told once, when all is up. */
  readonly onReady?: (status: () => Promise<StatusReport>) => Promise<AsyncDisposable | undefined>;
}

export type ServiceLog =
  | { readonly type: "job"; readonly run: JobRun }
  | { readonly type: "job-event"; readonly run: JobRun; readonly event: Event }
  | Trouble;

const tickMs = 1000;
const progressEveryMs = 2000;
/** How often it is looked whether something is overdue, and what could not be reported is tried again. */
const watchEveryMs = 60_000;
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
  readonly #writer: StateWriter;
  readonly #aftermath: Aftermath;
  #wake: () => void = () => {};

  constructor(options: ServiceOptions) {
    this.#options = options;
    const { world, store, host, newId, log } = options;
    const { config, zone } = world;
    this.#writer = new StateWriter((error) => log({ type: "trouble", doing: "state", error }));
    this.#aftermath = new Aftermath(options, () => this.#wake());
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
    if (store.fact("remembered") === undefined) await this.#aftermath.remember();
    const begun = await this.#begunRuns();
    for (const run of this.#dispatcher.recover(this.#nowMs(), begun)) this.#aftermath.follow(run);
    const often = store.open().filter(({ cutOff = 0 }) => cutOff > retries);
    for (const run of often) this.#writer.soon(() => this.#aftermath.tellOutcome(run, "failed"));
    await using _server = await onReady?.(() => this.#aftermath.status());
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
        this.#aftermath.followNew();
      });
      if (Math.abs(nowMs - watchedMs) >= watchEveryMs) {
        watchedMs = nowMs;
        this.#writer.now(() => this.#aftermath.watch(nowMs));
      }
      await this.#pause();
    }
    for (const { cancel } of this.#running.values()) cancel.abort();
    const ended = Promise.all([...this.#running.values()].map(({ done }) => done));
    await Promise.race([ended.then(() => this.#aftermath.settled), sleep(graceMs, undefined, { ref: false })]);
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

  #nowMs(): number {
    return this.#options.now().getTime();
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
      this.#writer.now(() => this.#aftermath.follow(ended));
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
      if (type === "note") this.#writer.soon(() => this.#aftermath.noteGap(run, event));
      if (type === "note" && event.code === "follow-anomaly") {
        const atMs = this.#nowMs();
        this.#writer.soon(() => this.#aftermath.tellAnomaly(run, event.facts, atMs));
      }
      if (progress === undefined) return;
      if (!isDurable && "durableTo" in progress) {
        isDurable = true;
        this.#writer.soon(() => this.#aftermath.tellOutcome(run, "ok"));
      }
      const at = performance.now();
      if ((type === "progress" || type === "journal") && at - writtenMs < progressEveryMs) return;
      writtenMs = at;
      const known = store.get(run.id);
      // Whoever does the work is not to fail for that nobody can look on.
      if (known?.state === "running") this.#writer.now(() => store.update({ ...known, progress: { ...progress } }));
    };
  }

  #cancelUnwanted(nowMs: number): void {
    const { store } = this.#options;
    for (const run of this.#dispatcher.dropCancelled(nowMs)) this.#aftermath.follow(run);
    for (const { id, cancelling, state } of store.open()) {
      if (cancelling && state === "running") this.#running.get(id)?.cancel.abort();
    }
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
