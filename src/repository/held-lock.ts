import { setTimeout as delay } from "node:timers/promises";
import type { MasterKey } from "../format/crypto.ts";
import { lockJson, type LockFile } from "../format/lock-file.ts";
import { formatTime } from "../format/time.ts";
import type { Id } from "../format/tree.ts";
import { sealUnpacked } from "../format/unpacked.ts";
import { HoldfastError } from "../lib/errors.ts";
import { unlessStopped } from "../lib/unless-stopped.ts";
import { thisOwner } from "./lock-owner.ts";
import type { Lock, LockMode } from "./repository.ts";
import type { LockRequests, LockStorages } from "./lock-requests.ts";
import { conflicting, loadLocks } from "./stored-locks.ts";

export interface LockHost {
  readonly hostname: string;
  readonly username: string;
  readonly uid: number;
  readonly gid: number;
}

/** In milliseconds. restic's own numbers, but for what restic does not do. */
export interface LockTiming {
  /** Between writing our lock and the second look. */
  readonly secondLookMs: number;
  readonly renewMs: number;
  /** After a renewal that failed. */
  readonly renewAgainMs: number;
  readonly giveUpMs: number;
  /** Most that one renewal may take: on a storage that hangs, the next one gets its turn. */
  readonly renewalMs: number;
  /** Without an answer on the way that packs take. */
  readonly patienceMs: number;
  /** How often the clock is looked at: a sleeping machine runs no timers. */
  readonly pollMs: number;
  /** First pause while somebody else holds the lock; each further one is twice as long, up to `longestWaitMs`. */
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
  /** Who has waited so long to be alone says so, and looks so often from then on. */
  readonly announceMs: number;
  readonly announcedPauseMs: number;
  readonly unreadableRetriesMs: readonly number[];
}

export const resticTiming: LockTiming = {
  secondLookMs: 200,
  renewMs: 5 * 60_000,
  renewAgainMs: 30_000,
  giveUpMs: 22.5 * 60_000,
  renewalMs: 60_000,
  patienceMs: 3000,
  pollMs: 1000,
  firstWaitMs: 1000,
  longestWaitMs: 60_000,
  announceMs: 5000,
  announcedPauseMs: 2000,
  unreadableRetriesMs: [5000, 10_000, 20_000],
};

export interface LockParts extends LockStorages {
  readonly key: MasterKey;
  readonly host: LockHost;
  readonly timing?: Partial<LockTiming>;
  /** The process' own clock in milliseconds; absent: `performance.now`. */
  readonly clock?: () => number;
}

export interface HeldLockParts extends LockParts {
  /** Closed with the lock; by the caller, where none was taken. */
  readonly requests: LockRequests;
}

/**
 * A lock on the storage, kept until it is disposed of.
 *
 * Its age goes by two clocks, and the one that says more counts: the wall clock, which goes on while the machine
 * sleeps, and the process' own, which nobody sets back.
 */
export class HeldLock implements Lock {
  readonly #parts: LockParts;
  readonly #requests: LockRequests;
  readonly #timing: LockTiming;
  readonly #mode: LockMode | "waiting";
  readonly #now: () => Date;
  readonly #lost = new AbortController();
  /** Ours on the storage: one, or two for the moment of a renewal. */
  readonly #files = new Set<Id>();
  /** Their saving failed, or hangs and may yet come about. */
  readonly #doubtful = new Set<Id>();
  #secondLook: Promise<void> = Promise.resolve();
  #renewal: Promise<void> | undefined;
  #renewed: Moment = { wallMs: 0, ownMs: 0 };
  #tried: Moment | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #release = new AbortController();

  constructor(parts: HeldLockParts, timing: LockTiming, mode: LockMode | "waiting", now: () => Date) {
    this.#parts = parts;
    this.#requests = parts.requests;
    this.#timing = timing;
    this.#mode = mode;
    this.#now = now;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async begin(signal: AbortSignal): Promise<void> {
    // `restic unlock` asks by SIGHUP whether the holder of a lock lives; Node would die of it.
    process.on("SIGHUP", ignoreHangUp);
    const written = this.#moment();
    await this.#write(signal);
    this.#renewed = written;
    this.#timer = setInterval(() => this.#poll(), this.#timing.pollMs).unref();
    this.#secondLook = this.#lookAgain();
    // Said by `lost` and `check`.
    this.#secondLook.catch(() => undefined);
  }

  async check(signal: AbortSignal): Promise<void> {
    await this.#unlessLost(this.#secondLook);
    // The machine may have slept since the last look at the clock.
    this.#poll();
    if (this.#renewal !== undefined) await this.#unlessLost(this.#renewal);
    this.#lost.signal.throwIfAborted();
    for (const name of this.#files) {
      const stat = this.#stat(name, signal);
      if ((await this.#unlessLost(stat)) !== undefined) return;
    }
    this.#lose(new HoldfastError("lock-lost", { reason: "removed" }));
    this.#lost.signal.throwIfAborted();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#release.signal.aborted) return;
    await this.giveBack();
    await this.#requests.close();
  }

  /** Without closing its way: for who looks again on the same one. */
  async giveBack(): Promise<void> {
    if (this.#release.signal.aborted) return;
    this.#release.abort();
    clearInterval(this.#timer);
    await this.#secondLook.catch(() => undefined);
    await this.#renewal;
    // Not the run's signal: a run that was cancelled gives its lock back too.
    const signal = AbortSignal.timeout(this.#timing.renewalMs / 2);
    for (const name of [...this.#files, ...this.#doubtful]) {
      // What stays behind is removed by the next run on this machine, or by `unlock`.
      await this.#remove(name, signal).catch(() => undefined);
    }
    process.off("SIGHUP", ignoreHangUp);
  }

  async #lookAgain(): Promise<void> {
    const { storage, key } = this.#parts;
    await delay(this.#timing.secondLookMs, undefined, { signal: this.#release.signal });
    const signal = AbortSignal.any([this.#lost.signal, this.#release.signal]);
    const locks = await unlessStopped(loadLocks(storage, key, this.#timing.unreadableRetriesMs, signal), signal);
    const conflict = conflicting(
      locks.filter(({ id }) => !this.#files.has(id) && !this.#doubtful.has(id)),
      this.#mode,
    );
    if (conflict === undefined) return;
    const error = lockedBy(conflict);
    this.#lose(error);
    throw error;
  }

  #poll(): void {
    if (this.#since(this.#renewed) > this.#timing.giveUpMs) {
      this.#lose(new HoldfastError("lock-lost", { reason: "not renewed" }));
      return;
    }
    const { renewMs, renewAgainMs } = this.#timing;
    const due = this.#since(this.#renewed) >= renewMs;
    const again = this.#tried === undefined || this.#since(this.#tried) >= renewAgainMs;
    if (!due || !again || this.#renewal !== undefined || this.#lost.signal.aborted) return;
    this.#tried = this.#moment();
    this.#renewal = this.#renew().finally(() => {
      this.#renewal = undefined;
    });
  }

  /** Never throws: a renewal that fails, or hangs, is tried again until it is too late. */
  async #renew(): Promise<void> {
    const signal = AbortSignal.any([
      this.#lost.signal,
      this.#release.signal,
      AbortSignal.timeout(this.#timing.renewalMs),
    ]);
    const old = [...this.#files];
    try {
      for (const name of old) {
        if ((await this.#stat(name, signal)) !== undefined) continue;
        this.#files.delete(name);
      }
      if (this.#files.size === 0) {
        this.#lose(new HoldfastError("lock-lost", { reason: "removed" }));
        return;
      }
      const written = this.#moment();
      await this.#write(signal);
      this.#renewed = written;
      this.#tried = undefined;
      for (const name of old) {
        await this.#remove(name, signal);
        this.#files.delete(name);
      }
    } catch {
      // What was to go and did not is looked at by the next renewal.
    }
  }

  #moment(): Moment {
    return { wallMs: this.#now().getTime(), ownMs: (this.#parts.clock ?? processClock)() };
  }

  #since(moment: Moment): number {
    const { wallMs, ownMs } = this.#moment();
    return Math.max(wallMs - moment.wallMs, ownMs - moment.ownMs);
  }

  /** Waits, but not for a storage that hangs when the lock is lost meanwhile. */
  #unlessLost<T>(work: Promise<T>): Promise<T> {
    return unlessStopped(work, this.#lost.signal);
  }

  async #write(signal: AbortSignal): Promise<void> {
    const { key, host } = this.#parts;
    const owner = thisOwner();
    const json = lockJson({
      time: formatTime(BigInt(this.#now().getTime()) * 1_000_000n),
      exclusive: this.#mode === "exclusive",
      hostname: host.hostname,
      username: host.username,
      // In a container we may be process 1, which `restic unlock` outside must not send a signal to.
      pid: Math.max(process.pid, 2),
      uid: host.uid,
      gid: host.gid,
      ...(owner !== undefined && { owner }),
      ...(this.#mode === "waiting" && { waits: true }),
    });
    const { name, bytes } = sealUnpacked(key, json);
    this.#doubtful.add(name);
    await this.#requests.once(signal, (storage) => storage.save({ kind: "lock", name }, bytes, signal));
    this.#doubtful.delete(name);
    this.#files.add(name);
  }

  #stat(name: Id, signal: AbortSignal): Promise<number | undefined> {
    return this.#requests.ask(signal, (storage, stopping) => storage.stat({ kind: "lock", name }, stopping));
  }

  #remove(name: Id, signal: AbortSignal): Promise<void> {
    return this.#requests.ask(signal, (storage, stopping) => storage.remove({ kind: "lock", name }, stopping));
  }

  #lose(error: HoldfastError): void {
    clearInterval(this.#timer);
    if (!this.#lost.signal.aborted) this.#lost.abort(error);
  }
}

interface Moment {
  readonly wallMs: number;
  readonly ownMs: number;
}

function processClock(): number {
  return performance.now();
}

function ignoreHangUp(): void {
  // Being alive is the answer.
}

export function lockedBy(lock: LockFile): HoldfastError {
  const { hostname, username, pid, time } = lock;
  const mode = lock.exclusive ? "exclusive" : "shared";
  return new HoldfastError("repository-locked", { hostname, username, pid, time, mode });
}
