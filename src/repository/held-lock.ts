import { setTimeout as delay } from "node:timers/promises";
import type { MasterKey } from "../format/crypto.ts";
import { lockJson, type LockFile } from "../format/lock-file.ts";
import { formatTime } from "../format/time.ts";
import type { Id } from "../format/tree.ts";
import { sealUnpacked } from "../format/unpacked.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Storage } from "../storage/storage.ts";
import { thisOwner } from "./lock-owner.ts";
import type { Lock, LockMode } from "./repository.ts";
import { conflicting, loadLocks } from "./stored-locks.ts";

export interface LockHost {
  readonly hostname: string;
  readonly username: string;
  readonly uid: number;
  readonly gid: number;
}

/** In milliseconds. restic's own numbers. */
export interface LockTiming {
  /** Between writing our lock and the second look. */
  readonly secondLookMs: number;
  readonly renewMs: number;
  /** After a renewal that failed. */
  readonly renewAgainMs: number;
  readonly giveUpMs: number;
  /** How often the clock is looked at: a sleeping machine runs no timers. */
  readonly pollMs: number;
  /** First pause while somebody else holds the lock; each further one is twice as long, up to `longestWaitMs`. */
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
  readonly unreadableRetriesMs: readonly number[];
}

export const resticTiming: LockTiming = {
  secondLookMs: 200,
  renewMs: 5 * 60_000,
  renewAgainMs: 30_000,
  giveUpMs: 22.5 * 60_000,
  pollMs: 1000,
  firstWaitMs: 1000,
  longestWaitMs: 60_000,
  unreadableRetriesMs: [5000, 10_000, 20_000],
};

export interface LockParts {
  readonly storage: Storage;
  readonly key: MasterKey;
  readonly host: LockHost;
  readonly timing?: Partial<LockTiming>;
}

/** A lock on the storage, kept until it is disposed of. */
export class HeldLock implements Lock {
  readonly #parts: LockParts;
  readonly #timing: LockTiming;
  readonly #mode: LockMode;
  readonly #now: () => Date;
  readonly #lost = new AbortController();
  /** Ours on the storage: one, or two for the moment of a renewal. */
  readonly #files = new Set<Id>();
  #secondLook: Promise<void> = Promise.resolve();
  #renewal: Promise<void> | undefined;
  #renewedAt = 0;
  #renewAt = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #release = new AbortController();

  constructor(parts: LockParts, timing: LockTiming, mode: LockMode, now: () => Date) {
    this.#parts = parts;
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
    await this.#write(signal);
    this.#renewed();
    this.#timer = setInterval(() => this.#poll(), this.#timing.pollMs).unref();
    this.#secondLook = this.#lookAgain();
    // Said by `lost` and `check`.
    this.#secondLook.catch(() => undefined);
  }

  async check(signal: AbortSignal): Promise<void> {
    await this.#secondLook;
    await this.#renewal;
    this.#lost.signal.throwIfAborted();
    for (const name of this.#files) {
      if ((await this.#parts.storage.stat({ kind: "lock", name }, signal)) !== undefined) return;
    }
    this.#lose(new HoldfastError("lock-lost", { reason: "removed" }));
    this.#lost.signal.throwIfAborted();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#release.signal.aborted) return;
    this.#release.abort();
    clearInterval(this.#timer);
    await this.#secondLook.catch(() => undefined);
    await this.#renewal;
    // Not the run's signal: a run that was cancelled gives its lock back too.
    const signal = AbortSignal.timeout(30_000);
    for (const name of this.#files) {
      // What stays behind is removed by the next run on this machine, or by `restic unlock`.
      await this.#parts.storage.remove({ kind: "lock", name }, signal).catch(() => undefined);
    }
    process.off("SIGHUP", ignoreHangUp);
  }

  async #lookAgain(): Promise<void> {
    const { storage, key } = this.#parts;
    await delay(this.#timing.secondLookMs, undefined, { signal: this.#release.signal });
    const locks = await loadLocks(storage, key, this.#timing.unreadableRetriesMs, this.#lost.signal);
    const conflict = conflicting(
      locks.filter(({ id }) => !this.#files.has(id)),
      this.#mode,
    );
    if (conflict === undefined) return;
    const error = lockedBy(conflict);
    this.#lose(error);
    throw error;
  }

  #poll(): void {
    const now = this.#now().getTime();
    if (now - this.#renewedAt > this.#timing.giveUpMs) {
      this.#lose(new HoldfastError("lock-lost", { reason: "not renewed" }));
    } else if (now >= this.#renewAt && this.#renewal === undefined) {
      this.#renewal = this.#renew().finally(() => {
        this.#renewal = undefined;
      });
    }
  }

  /** Never throws: a renewal that fails is tried again until it is too late. */
  async #renew(): Promise<void> {
    const { storage } = this.#parts;
    const { signal } = this.#lost;
    const old = [...this.#files];
    try {
      const [first] = old;
      if (first !== undefined && (await storage.stat({ kind: "lock", name: first }, signal)) === undefined) {
        this.#lose(new HoldfastError("lock-lost", { reason: "removed" }));
        return;
      }
      await this.#write(signal);
      this.#renewed();
      for (const name of old) {
        await storage.remove({ kind: "lock", name }, signal);
        this.#files.delete(name);
      }
    } catch {
      this.#renewAt = this.#now().getTime() + this.#timing.renewAgainMs;
    }
  }

  #renewed(): void {
    this.#renewedAt = this.#now().getTime();
    this.#renewAt = this.#renewedAt + this.#timing.renewMs;
  }

  async #write(signal: AbortSignal): Promise<void> {
    const { storage, key, host } = this.#parts;
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
    });
    const { name, bytes } = sealUnpacked(key, json);
    // Known before it is stored: of a save that fails nobody can tell whether it was.
    this.#files.add(name);
    await storage.save({ kind: "lock", name }, bytes, signal);
  }

  #lose(error: HoldfastError): void {
    clearInterval(this.#timer);
    if (!this.#lost.signal.aborted) this.#lost.abort(error);
  }
}

function ignoreHangUp(): void {
  // Being alive is the answer.
}

export function lockedBy(lock: LockFile): HoldfastError {
  const { hostname, username, pid, time } = lock;
  const mode = lock.exclusive ? "exclusive" : "shared";
  return new HoldfastError("repository-locked", { hostname, username, pid, time, mode });
}
