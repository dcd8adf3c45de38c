import { setTimeout as delay } from "node:timers/promises";
import type { FilesSpan } from "../contents/journal/journal-file.ts";
import type { StoredLook } from "../contents/journal/journal-tree.ts";
import { looseSegments } from "../contents/journal/loose-segments.ts";
import { type SealedSegment, JournalWriter } from "../contents/journal/journal-writer.ts";
import { journalsOf, readJournalSnapshot } from "../contents/journal/open-journal.ts";
import { segmentLength } from "../contents/journal/segment.ts";
import type { LogPoint } from "../database/change-feed.ts";
import type { Id } from "../format/tree.ts";
import { isHoldfastError } from "../lib/errors.ts";
import type { Limits } from "../lib/limits.ts";
import type { Run } from "../lib/run.ts";
import type { IndexedRepository, Lock, Repository, StoredSnapshot, Upload } from "../repository/repository.ts";
import type { Engine } from "./engine.ts";
import { noteReached, withNoted } from "./journal-reached.ts";
import { backupsOf } from "./points.ts";
import { dropSupersededJournals } from "./superseded-journals.ts";
import { LockInTurn } from "./lock-in-turn.ts";

/** When what is stored becomes known, and how long others may have the repository for themselves. */
export interface KeeperTiming {
  /** From the first segment to the snapshot that names it; so often it is noted on this machine how far it has got. */
  readonly publishMs: number;
  /** While nothing happens, so often a snapshot says that somebody follows, and how far he has got. */
  readonly aliveMs: number;
  /** From giving back the lock to taking it again, at least; what is committed meanwhile waits as long. */
  readonly restMs: number;
  /** How often snapshots that a newer one supersedes are removed. */
  readonly rollUpMs: number;
  /** How often the index is read anew, though nobody has pruned. */
  readonly reloadMs: number;
  /** How long changes wait for the repository before that is told, and from then on how often. */
  readonly tellWaitingMs: number;
}

export const keeperTiming: KeeperTiming = {
  publishMs: 60_000,
  aliveMs: 60 * 60_000,
  restMs: 3000,
  rollUpMs: 15 * 60_000,
  reloadMs: 60 * 60_000,
  tellWaitingMs: 10_000,
};

/** Segments that are stored and not named are held in memory too, until they are: no more than so many bytes. */
const mostUnnamedBytes = 64 << 20;

export interface KeeperOptions {
  readonly engine: Engine;
  readonly repository: Repository;
  readonly crm: string;
  readonly limits: Limits;
  readonly run: Run;
  readonly timing: KeeperTiming;
}

/** A look at files that is to be named; whoever waits for it holds a lock, so that what it needs is not pruned. */
interface WaitingLook {
  readonly look: StoredLook;
  /** Absent: not everything could be read. */
  readonly span: FilesSpan | undefined;
  readonly named: PromiseWithResolvers<void>;
}

/** The lock, and what is written under it. */
interface Session extends AsyncDisposable {
  readonly upload: Upload;
  readonly lock: Lock;
  readonly snapshots: readonly StoredSnapshot[];
}

/**
 * Keeps a journal in a repository that others use as well. restic's lock is held from the first segment that no snapshot names
 * up to the snapshot that does, and then given back for a while: whoever wants the repository for himself alone gets his turn.
 * Meanwhile, and while somebody else has it, segments wait in memory, and nothing is acknowledged.
 */
export class JournalKeeper implements AsyncDisposable {
  readonly #options: KeeperOptions;
  #writer: JournalWriter | undefined;
  #indexed: IndexedRepository | undefined;
  #loadedAt = 0;
  #session: Session | undefined;
  /** Stored in this or an earlier session, and not named yet. */
  #unnamed: SealedSegment[] = [];
  #unnamedSince = 0;
  #restUntil = 0;
  #publishedAt = -Infinity;
  #notedAt = -Infinity;
  #rolledUpAt = -Infinity;
  #newest: Id | undefined;
  /** Whether something is known to have got further than the newest snapshot says, though nothing happened. */
  #further: "yes" | "no" = "no";
  #snapshots: readonly StoredSnapshot[] = [];
  readonly #looks = new Set<WaitingLook>();
  readonly #lock = new LockInTurn();

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  get writer(): JournalWriter {
    if (!this.#writer) throw new Error("not opened");
    return this.#writer;
  }

  /** How much longer others have the repository for themselves. */
  get restLeftMs(): number {
    return this.#restUntil - performance.now();
  }

  endRest(): void {
    this.#restUntil = 0;
  }

  /** As of the last time that the lock was taken, and while nothing happens a minute old. */
  get snapshots(): readonly StoredSnapshot[] {
    return this.#snapshots;
  }

  /** Reads the journal as it is, and takes up what a run stored that was cut off. Waits for the lock. */
  async open(signal: AbortSignal): Promise<void> {
    const { run, timing } = this.#options;
    for (let toldAt = performance.now(); ;) {
      try {
        await this.#begin();
        // With that the lock is given back, though nothing may come for long: of a server that cannot be reached, say.
        this.#further = "yes";
        return;
      } catch (error) {
        if (!isHoldfastError(error, "repository-locked")) throw error;
        if (performance.now() - toldAt > timing.tellWaitingMs) {
          run.report({ type: "note", code: "follow-waiting", facts: { bytes: 0 } });
          toldAt = performance.now();
        }
        await delay(500, undefined, { signal });
      }
    }
  }

  /** Durable when it gives "stored"; "waiting": the repository is not to be had now, and nothing was done. */
  async store(segments: readonly SealedSegment[]): Promise<"stored" | "waiting"> {
    if (segments.length > 0 && !(await this.#ready())) return "waiting";
    const session = this.#session;
    if (!session || segments.length === 0) return "stored";
    try {
      await this.writer.store(this.#lacking(segments), session.upload);
    } catch (error) {
      await this.#abandon();
      throw error;
    }
    if (this.#unnamed.length === 0) this.#unnamedSince = performance.now();
    this.#unnamed.push(...segments);
    return "stored";
  }

  /** Nothing more happened up to here. It is noted on this machine, and becomes known to others with the next snapshot. */
  reached(database: string, point: LogPoint, head: Id | undefined): void {
    this.writer.reached(database, point, head);
    this.#further = "yes";
  }

  /** The files were looked at up to here, and nothing more was found. */
  looked(span: FilesSpan): void {
    this.writer.looked(span);
    this.#further = "yes";
  }

  /** Resolves when a look whose tree is stored and in an index is named, which it is at once. The caller holds a lock until then. */
  async name(look: StoredLook, span: FilesSpan | undefined, signal: AbortSignal): Promise<void> {
    const waiting = { look, span, named: Promise.withResolvers<void>() };
    const giveUp = (): void => waiting.named.reject(signal.reason);
    this.#looks.add(waiting);
    signal.addEventListener("abort", giveUp);
    try {
      signal.throwIfAborted();
      await waiting.named.promise;
    } finally {
      signal.removeEventListener("abort", giveUp);
      this.#looks.delete(waiting);
    }
  }

  /**
   * Names what is stored when it is time, and then gives others their turn. Whether it did. `soon`: somebody waits for it to be known how
   * far everything is, though nothing may have happened.
   */
  async publishIfDue(how: "when-due" | "soon" | "now" = "when-due"): Promise<"published" | "not-yet"> {
    const { timing } = this.#options;
    await this.#noteIfDue();
    const now = performance.now();
    const bytes = this.#unnamed.reduce((sum, segment) => sum + segmentLength(segment), 0);
    const due =
      how === "now" ||
      this.#looks.size > 0 ||
      (this.writer.hasUnnamed && (now - this.#unnamedSince >= timing.publishMs || bytes > mostUnnamedBytes)) ||
      (this.#further === "yes" && now - this.#publishedAt >= (how === "soon" ? timing.publishMs : timing.aliveMs));
    if (!due || !(await this.#ready())) return "not-yet";
    return await this.#publish();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
  }

  async #publish(): Promise<"published" | "not-yet"> {
    const { engine, crm, run, timing } = this.#options;
    const session = this.#session;
    if (!session) return "not-yet";
    try {
      const oldest = backupsOf(session.snapshots, crm)[0]?.snapshot.time ?? run.now().toISOString();
      const waiting = [...this.#looks];
      // By its time it is known that a snapshot is the newest, and that what it names comes last: whatever the clock says by now.
      const behindMs = Date.parse(journalsOf(session.snapshots, crm).at(-1)?.snapshot.time ?? "") || 0;
      const time = notBefore(run.now().toISOString(), behindMs + waiting.length + 1);
      const looked = waiting.flatMap(({ span }) => span ?? []);
      const looks = waiting.map(({ look }, at) => ({ ...look, ended: notBefore(look.ended, behindMs + at + 1) }));
      const facts = { about: engine.host, time, oldest, looks, looked };
      // What is told from here on is not in this one: files are looked at meanwhile.
      this.#further = "no";
      const stored = await this.writer.publish(session.upload, facts, run.signal);
      for (const { named } of waiting) named.resolve();
      this.#newest = stored.id;
      this.#unnamed = [];
      this.#publishedAt = performance.now();
      await this.#rollUp(session);
    } catch (error) {
      this.#further = "yes";
      await this.#abandon();
      throw error;
    }
    await this.#end();
    this.#restUntil = performance.now() + timing.restMs;
    return "published";
  }

  /** While nothing happens the repository is only looked at: whether it is there, and what others have made. */
  async #noteIfDue(): Promise<void> {
    const { engine, repository, crm, run, timing } = this.#options;
    const now = performance.now();
    const lastAt = Math.max(this.#notedAt, this.#publishedAt);
    if (this.#session || this.#further === "no" || now - lastAt < timing.publishMs) return;
    this.#notedAt = now;
    await noteReached(engine, repository.id, crm, this.writer.known);
    this.#snapshots = await repository.snapshots(run.signal);
  }

  /** Whether there is a session, a new one if need be and if it can be had. */
  async #ready(): Promise<boolean> {
    if (this.#session) return true;
    if (performance.now() < this.#restUntil) return false;
    try {
      await this.#begin();
      return true;
    } catch (error) {
      if (isHoldfastError(error, "repository-locked")) return false;
      throw error;
    }
  }

  async #begin(): Promise<void> {
    const { repository, limits, run, timing, crm } = this.#options;
    await using opening = new AsyncDisposableStack();
    // Who waits for a look to be named has a lock, and keeps everybody out who would be alone.
    const turn = this.#looks.size > 0 ? "now" : "in turn";
    const lock = opening.use(await this.#lock.take(repository, run, turn));
    // Out before anything is stored: of two that came at once, one goes back.
    await lock.check(run.signal);
    const signal = AbortSignal.any([run.signal, lock.lost]);
    const snapshots = await repository.snapshots(signal);
    const newest = journalsOf(snapshots, crm).at(-1);
    const isOurs = newest?.id === this.#newest && this.#indexed !== undefined;
    const known = isOurs && performance.now() - this.#loadedAt <= timing.reloadMs ? this.#indexed : undefined;
    const kept = (await known?.isOutdated(signal)) === false ? known : undefined;
    const indexed = kept ?? (await repository.index(signal));
    if (!kept) {
      this.#indexed = indexed;
      this.#loadedAt = performance.now();
    }
    const upload = opening.use(await indexed.upload({ signal, lock, limits, leftovers: "leave" }));
    const held = opening.move();
    this.#session = { upload, lock, snapshots, [Symbol.asyncDispose]: () => held.disposeAsync() };
    this.#snapshots = snapshots;
    if (isOurs && this.#writer) return;
    try {
      await this.#takeUp(newest, upload, signal);
    } catch (error) {
      await this.#abandon();
      throw error;
    }
  }

  /** What the repository says of the journal is what counts; segments that it lacks are stored once more. */
  async #takeUp(newest: StoredSnapshot | undefined, upload: Upload, signal: AbortSignal): Promise<void> {
    const { crm, engine, repository } = this.#options;
    // An index of its own: what it finds loose and is no segment of ours, a list that was stored and not named say, would else count as
    // stored when the same is to be stored again, and no index file would ever name it.
    const indexed = await repository.index(signal);
    const known = newest && (await readJournalSnapshot(indexed, newest, signal));
    const loose = await looseSegments(indexed, crm, known?.databases ?? [], signal);
    const here = await withNoted(engine, repository.id, crm, {
      databases: loose.databases,
      files: known?.files ?? { spans: [] },
      ...(known && { tree: known.tree }),
    });
    const writer = new JournalWriter(crm, engine.program, known && { ...known, files: here.files });
    writer.recover({ ...loose, databases: here.databases }, upload);
    if (loose.segments.length > 0) {
      this.#unnamedSince = performance.now();
      this.#further = "yes";
    }
    const lacking = this.#unnamed.filter(
      ({ header }) => header.number > (writer.database(header.database).head?.number ?? 0),
    );
    if (lacking.length > 0) await writer.store(lacking, upload);
    // Only now: one that lacks what is acknowledged must not be gone on from.
    this.#writer = writer;
    this.#newest = newest?.id;
  }

  /** A try that failed may have stored some all the same, up to the one that the journal ends with: there each stands once. */
  #lacking(segments: readonly SealedSegment[]): readonly SealedSegment[] {
    const heads = new Set(segments.map(({ header }) => this.writer.database(header.database).head?.id));
    const stored = new Map(
      segments.filter(({ id }) => heads.has(id)).map(({ header }) => [header.database, header.number]),
    );
    return segments.filter(({ header }) => header.number > (stored.get(header.database) ?? 0));
  }

  async #abandon(): Promise<void> {
    this.#indexed = undefined;
    this.#newest = undefined;
    await this.#end().catch(() => undefined);
  }

  async #end(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.[Symbol.asyncDispose]();
  }

  /** The lock that is held is enough: all that goes is named by the newest too, so that nothing is lost to whoever reads it. */
  async #rollUp({ lock, upload }: Session): Promise<void> {
    const { engine, repository, crm, run, timing } = this.#options;
    if (performance.now() - this.#rolledUpAt < timing.rollUpMs) return;
    this.#rolledUpAt = performance.now();
    const facts = { program: engine.program, signal: run.signal };
    await dropSupersededJournals(crm, { repository, reader: upload, lock }, facts);
  }
}

function notBefore(time: string, earliestMs: number): string {
  return new Date(Math.max(Date.parse(time), earliestMs)).toISOString();
}
