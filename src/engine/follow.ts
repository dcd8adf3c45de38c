import { hash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Manifest } from "../contents/manifest.ts";
import type { CrmDescription } from "../crm/platform.ts";
import type { ChangeFeed, LogPosition } from "../database/change-feed.ts";
import type { DatabaseAddress, DatabaseEngine } from "../database/database.ts";
import type { Id } from "../format/tree.ts";
import { type ErrorCode, HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { Limits } from "../lib/limits.ts";
import { lowerPriority } from "../lib/posix.ts";
import type { Run } from "../lib/run.ts";
import type { Repository } from "../repository/repository.ts";
import { openFor } from "./access.ts";
import { addressesOf } from "./database-address.ts";
import { databaseEngineFor, platformNamed, type Engine, type RepositoryAccess } from "./engine.ts";
import { FollowBackups } from "./follow-backups.ts";
import { FollowFiles, type FilesTiming, filesTiming } from "./follow-files.ts";
import { FollowStream } from "./follow-stream.ts";
import { JournalKeeper, type KeeperTiming, keeperTiming } from "./journal-keeper.ts";
import { coveredFolders } from "./left-out.ts";
import { JournalWatch } from "./journal-watch.ts";
import { journalWanted } from "./journal-wanted.ts";

export interface FollowInput {
  readonly crm: CrmDescription;
  readonly repository: RepositoryAccess;
  readonly limits: Limits;
  /** From a commit to its place in the repository: what is aimed at. */
  readonly rpoMs: number;
  /** Bytes of log that a server may keep for us. */
  readonly mostLagBytes: number;
  /** Makes a backup, where one is needed to go on from. Absent: that is left to others. */
  readonly backup?: (run: Run) => Promise<unknown>;
  /** Between two of them, at least; absent: a minute. */
  readonly backupPauseMs?: number;
  /** Absent: `keeperTiming`. */
  readonly timing?: KeeperTiming;
  /** Absent: `filesTiming`. */
  readonly filesTiming?: FilesTiming;
  /** A server that says nothing for so long is lost; absent: a minute, as a replica of PostgreSQL or MariaDB has it. */
  readonly silenceMs?: number;
}

export interface FollowReport {
  readonly type: "follow";
  readonly crm: string;
  readonly transactions: number;
  readonly rows: number;
  /** Files that were stored because they were new or changed. */
  readonly files: number;
  readonly durationMs: number;
}

/** What passes by itself: it is tried again, and said. */
const passing: ReadonlySet<ErrorCode> = new Set([
  "database-unreachable",
  "database-unreadable",
  "database-busy",
  "follow-taken",
  "follow-lag",
  "storage-unreachable",
  "storage-failed",
  "storage-full",
  "lock-lost",
  "repository-locked",
  "backup-running",
]);
const firstPauseMs = 500;
const longestPauseMs = 30_000;
/** So much log a server may keep for us while the CRM is idle, before it is named how far it was read. */
const mostHeldBytes = 64 << 20;

/**
 * Keeps the journal of a CRM until it is cancelled: what is committed is in the repository a moment later, and only then the
 * server is told so. Whatever breaks is taken up again where it was; what cannot be is a gap, which is in the journal at once.
 */
export async function follow(engine: Engine, input: FollowInput, run: Run): Promise<FollowReport> {
  const started = run.now();
  const parts = await platformNamed(engine, input.crm.platform).parts(input.crm);
  const addressOf = await addressesOf(engine, input.crm, parts, run.signal);
  if (input.limits.priority === "low") lowerPriority();
  const sources = parts.databases.flatMap(({ name, url }) => {
    const database = databaseEngineFor(engine, url);
    return database.log ? [{ name, address: addressOf(url), engine: database }] : [];
  });
  const [first] = parts.databases;
  if (sources.length === 0) throw new HoldfastError("follow-unsupported", { path: first?.url ?? input.crm.name });
  await using repository = await openFor(engine, input.repository, run);
  const stop = new AbortController();
  const signal = AbortSignal.any([run.signal, stop.signal]);
  const inner: Run = { ...run, signal };
  await using keeper = new JournalKeeper({
    engine,
    repository,
    crm: input.crm.name,
    // One thread keeps up with any log, and threads are started anew each time that the repository was others'.
    limits: { ...input.limits, workers: 1 },
    // A signal of its own, so that what was read last is stored when the run is cancelled.
    run: { ...run, signal: new AbortController().signal },
    timing: input.timing ?? keeperTiming,
  });
  await again("storage", inner, () => keeper.open(signal));
  const following = new Following(engine, input, repository, keeper, inner);
  const streams = sources.map(({ name }) => new FollowStream(input.crm.name, keeper.writer.database(name)));
  using files = new FollowFiles({
    crm: input.crm.name,
    repository,
    keeper,
    folders: coveredFolders(engine, parts, repository.location),
    limits: { ...input.limits, workers: 1 },
    timing: input.filesTiming ?? filesTiming,
    run: inner,
  });
  const loops = [
    ...sources.map((source, at) => following.read(source, streams[at] as FollowStream)),
    following.keep(streams, files),
    again("files", inner, (isBack) => files.follow(isBack)),
  ];
  try {
    await Promise.race(loops);
  } catch (error) {
    if (!run.signal.aborted) throw error;
  } finally {
    stop.abort();
    await Promise.allSettled(loops);
    await following.finish(streams);
  }
  return {
    type: "follow",
    crm: input.crm.name,
    transactions: streams.reduce((sum, { transactions }) => sum + transactions, 0),
    rows: streams.reduce((sum, { rows }) => sum + rows, 0),
    files: files.files,
    durationMs: run.now().getTime() - started.getTime(),
  };
}

interface FollowedSource {
  readonly name: string;
  readonly address: DatabaseAddress;
  readonly engine: DatabaseEngine;
}

class Following {
  readonly #engine: Engine;
  readonly #input: FollowInput;
  readonly #keeper: JournalKeeper;
  readonly #run: Run;
  readonly #feeds = new Map<string, ChangeFeed>();
  readonly #watches = new Map<string, JournalWatch>();
  #waitingSince: number | undefined;
  #toldAt = -Infinity;
  readonly #repository: Repository;
  readonly #backups: FollowBackups;

  constructor(engine: Engine, input: FollowInput, repository: Repository, keeper: JournalKeeper, run: Run) {
    this.#engine = engine;
    this.#repository = repository;
    this.#input = input;
    this.#keeper = keeper;
    this.#run = run;
    const learn = ({ databases }: Manifest): void => {
      for (const one of databases) this.#watchOf(one.name).learn(one);
    };
    this.#backups = new FollowBackups({ engine, ...input, repository, keeper, run, learn });
  }

  /** Reads one database's log, again and again from where it stopped. */
  async read({ name, address, engine }: FollowedSource, stream: FollowStream): Promise<void> {
    const { signal } = this.#run;
    await again(name, this.#run, async (isBack) => {
      if (!engine.log) return;
      await using feed = await engine.log.follow(address, {
        signal,
        name: feedName(this.#input.crm.name, this.#repository.id, name),
        ...(stream.from && { from: stream.from }),
        mostLagBytes: this.#input.mostLagBytes,
        intervalMs: this.#input.rpoMs,
        silenceMs: this.#input.silenceMs ?? 60_000,
      });
      const last = stream.last;
      if (stream.begin(feed) === "begun") {
        const { position } = feed.start;
        const reason = feed.startedAnew ?? "begun";
        // What was lost was lost from where it was last read on, not from where it is read again.
        const { time: readTo, seen } = (feed.startedAnew && last) ?? feed.start;
        const time = (reason === "schema" ? seen : undefined) ?? readTo;
        this.#run.report({ type: "note", code: "follow-gap", facts: { subject: name, reason, position, time } });
      }
      this.#feeds.set(name, feed);
      try {
        for await (const changes of feed.changes()) {
          isBack();
          for (const { kind, subject, count, of, usual } of this.#watchOf(name).add(changes, performance.now())) {
            const facts = { kind, subject, count: count ?? 0, of: of ?? 0, usual: usual ?? 0 };
            this.#run.report({ type: "note", code: "follow-anomaly", facts });
          }
          for (const change of changes) {
            if (change.type !== "gap") continue;
            const tables = change.tables.map((table) => table.name).join(", ");
            const facts = { subject: tables, reason: change.reason, time: change.from.time };
            this.#run.report({ type: "note", code: "follow-gap", facts });
          }
          await stream.add(changes, signal);
        }
      } finally {
        this.#feeds.delete(name);
      }
    });
  }

  /** Stores what was read, as often as the recovery point objective says, and names what is stored once a minute, however seldom that is. */
  async keep(streams: readonly FollowStream[], files: FollowFiles): Promise<void> {
    const { rpoMs } = this.#input;
    const tickMs = (this.#input.timing ?? keeperTiming).publishMs / 12;
    await again(this.#input.repository.location, this.#run, async (isBack) => {
      let dueAt = -Infinity;
      for (;;) {
        if (performance.now() >= dueAt) {
          const at = performance.now();
          const outcome = await this.#flush(streams);
          if (outcome === "stored") this.#tell(streams);
          // What waited for others to have their turn waits no longer than that; and what comes next need not wait for the first time.
          const { restLeftMs } = this.#keeper;
          const againMs = outcome === "waiting" && restLeftMs > 0 ? restLeftMs : tickMs;
          dueAt = at + (outcome === "stored" ? rpoMs : Math.min(againMs, rpoMs));
        }
        isBack();
        const when = this.#holdsLog() ? "soon" : "when-due";
        if ((await this.#keeper.publishIfDue(when)) === "published") await this.#acknowledgeNamed(streams);
        await this.#backups.look();
        if (performance.now() - this.#toldAt >= 1000) this.#tell(streams);
        await this.#backups.makeIfNeeded(
          streams.map(({ database }) => database),
          files.lacksBackup ? "lacking" : "whole",
        );
        const pauseMs = Math.max(20, Math.min(dueAt - performance.now(), tickMs));
        await delay(pauseMs, undefined, { signal: this.#run.signal });
      }
    });
  }

  /** What was read last is not lost for an orderly end. */
  async finish(streams: readonly FollowStream[]): Promise<void> {
    await this.#backups.ended();
    // Others have it for themselves from now on.
    this.#keeper.endRest();
    await this.#flush(streams);
    await this.#keeper.publishIfDue("now");
  }

  /** `stored`: there was something to store, and it is. */
  async #flush(streams: readonly FollowStream[]): Promise<"stored" | "nothing" | "waiting"> {
    const wanted = await journalWanted(this.#engine, this.#repository.id, this.#input.crm.name);
    for (const stream of streams) stream.seal(wanted.get(stream.database));
    const waiting = streams.map(({ waiting: segments }) => [...segments]);
    // What is known to have happened no more counts from the next snapshot on.
    const known = streams.map(({ reached, head, database }) => ({ reached, head, database }));
    const state = await this.#keeper.store(waiting.flat());
    if (state === "waiting") {
      if (this.#waitingSince === undefined) {
        this.#waitingSince = performance.now();
      } else if (performance.now() - this.#waitingSince > (this.#input.timing ?? keeperTiming).tellWaitingMs) {
        const bytes = streams.reduce((sum, { waitingBytes }) => sum + waitingBytes, 0);
        this.#run.report({ type: "note", code: "follow-waiting", facts: { bytes } });
        this.#waitingSince = performance.now();
      }
      return "waiting";
    }
    this.#waitingSince = undefined;
    for (const [at, stream] of streams.entries()) {
      const segments = waiting[at] ?? [];
      stream.stored(segments.length);
      const last = segments.at(-1);
      if (last) await this.#acknowledge(stream, last.header.number, last.header.to.position);
    }
    for (const { reached, head, database } of known) if (reached) this.#keeper.reached(database, reached, head);
    return waiting.some((segments) => segments.length > 0) ? "stored" : "nothing";
  }

  /** Whether a server keeps much of its log for us, of which nothing is ours: others write on it, and its disk is the CRM's. */
  #holdsLog(): boolean {
    const most = Math.min(mostHeldBytes, this.#input.mostLagBytes / 4);
    return [...this.#feeds.values()].some(({ heldBytes = 0 }) => heldBytes > most);
  }

  /** Positions that nothing led to but time: they are in a snapshot now. */
  async #acknowledgeNamed(streams: readonly FollowStream[]): Promise<void> {
    for (const stream of streams) {
      const { head, spans } = this.#keeper.writer.database(stream.database);
      const span = spans.at(-1);
      if (head && span) await this.#acknowledge(stream, head.number, span.to.position);
    }
  }

  /** What was stored of another log, before this server was at the address or was put back, says nothing of the log that is read by now. */
  async #acknowledge({ database, first }: FollowStream, number: number, position: LogPosition): Promise<void> {
    if (number >= first) await this.#feeds.get(database)?.acknowledge(position);
  }

  #tell(streams: readonly FollowStream[]): void {
    this.#toldAt = performance.now();
    for (const stream of streams) {
      const { to } = this.#keeper.writer.database(stream.database).spans.at(-1) ?? {};
      this.#run.report({
        type: "journal",
        subject: stream.database,
        ...(to && { durableTo: to.time, position: to.position }),
        transactions: stream.transactions,
        rows: stream.rows,
        waitingBytes: stream.waitingBytes,
      });
    }
  }

  #watchOf(database: string): JournalWatch {
    const watch = this.#watches.get(database) ?? new JournalWatch();
    this.#watches.set(database, watch);
    return watch;
  }
}

/**
 * What the server's things are called, one for each CRM, repository and database, of which a server may have several: letters
 * that every server takes. The main one's is not told from that of a CRM with one: a slot that nobody knows any more keeps its log.
 */
function feedName(crm: string, repository: Id, database: string): string {
  const whose = [crm, repository, ...(database === "main" ? [] : [database])].join(" ");
  const plain = crm.toLowerCase().replaceAll(/[^a-z0-9]+/g, "_");
  return `holdfast_${plain.slice(0, 30)}_${hash("sha256", whose).slice(0, 8)}`;
}

/** Does `work` until it ends or fails for good; what passes is waited out. `isBack`: it works again. */
async function again(subject: string, run: Run, work: (isBack: () => void) => Promise<void>): Promise<void> {
  let pauseMs = firstPauseMs;
  for (;;) {
    try {
      await work(() => {
        pauseMs = firstPauseMs;
      });
      return;
    } catch (error) {
      run.signal.throwIfAborted();
      if (!isHoldfastError(error) || !passing.has(error.code)) throw error;
      const reason = error.facts["reason"];
      const facts = { subject, reason: typeof reason === "string" ? reason : error.code, seconds: pauseMs / 1000 };
      run.report({ type: "note", code: "follow-again", facts });
    }
    await delay(pauseMs, undefined, { signal: run.signal });
    pauseMs = Math.min(pauseMs * 2, longestPauseMs);
  }
}
