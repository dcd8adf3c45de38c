/**
 * restic's locks, so that restic and Holdfast respect each other in one repository.
 *
 * A lock is a file that says who, since when, and whether alone. Nothing makes checking and writing one step, so it
 * goes: look, write ours, wait, look again; of two that came at once at least one sees the other and goes back. A lock
 * is renewed every five minutes by a new file. Whoever could not renew his for 22.5 minutes must stop, since others may
 * take it for forgotten at 30.
 *
 * Shared locks that follow one another without a break would keep out for ever who wants to be alone. So he says that he waits, with a
 * lock that is a shared one to restic; those of us who can wait give way to him for a while, and let go what they hold as ever.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { LockFile } from "../format/lock-file.ts";
import { HeldLock, type HeldLockParts, lockedBy, resticTiming, type LockParts, type LockTiming } from "./held-lock.ts";
import { LockRequests } from "./lock-requests.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { isLeftBehind, thisOwner } from "./lock-owner.ts";
import type { Lock, LockMode, LockOptions } from "./repository.ts";
import { conflicting, holderOf, loadLocks, waitingIn } from "./stored-locks.ts";

/**
 * Takes a lock. Locks that a dead Holdfast left behind are removed on the way. A shared lock is given
 * out before the second look, which `check` awaits; an exclusive one after it, and so is a shared one of who would
 * rather wait than fail.
 */
export async function acquireLock(parts: LockParts, mode: LockMode, options: LockOptions): Promise<Lock> {
  const timing = { ...resticTiming, ...parts.timing };
  const requests = new LockRequests(parts, timing.patienceMs);
  try {
    return await takeInTurn({ ...parts, requests }, timing, mode, options);
  } catch (error) {
    await requests.close();
    throw error;
  }
}

async function takeInTurn(
  parts: HeldLockParts,
  timing: LockTiming,
  mode: LockMode,
  options: LockOptions,
): Promise<Lock> {
  const { signal, now, waitMs } = options;
  const began = now().getTime();
  const deadline = began + waitMs;
  await using announcing = new AsyncDisposableStack();
  let isAnnounced = false;
  let told: string | undefined;
  for (let pauseMs = timing.firstWaitMs; ; pauseMs = Math.min(pauseMs * 2, timing.longestWaitMs)) {
    const waitedMs = now().getTime() - began;
    const givesWay = options.givesWay ?? (waitMs > 0 && waitedMs < giveWayMs);
    const conflict = await lookForConflict(parts, timing, mode, { ...options, givesWay });
    if (conflict === undefined) {
      const held = new HeldLock(parts, timing, mode, now);
      try {
        await held.begin(signal);
        if (mode === "exclusive" || waitMs > 0) await held.check(signal);
        return held;
      } catch (error) {
        await held.giveBack();
        const leftMs = deadline - now().getTime();
        if (!isHoldfastError(error, "repository-locked") || leftMs <= 0) throw error;
      }
    } else {
      const leftMs = deadline - now().getTime();
      if (leftMs <= 0) throw lockedBy(conflict);
      if (told !== conflict.time) options.onWait?.(holderOf(conflict));
      told = conflict.time;
      if (mode === "exclusive" && !isAnnounced && waitedMs >= timing.announceMs) {
        isAnnounced = true;
        const announced = new HeldLock(parts, timing, "waiting", now);
        announcing.defer(() => announced.giveBack());
        // Where it cannot be written, he waits as ever.
        await announced.begin(signal).catch(() => signal.throwIfAborted());
      }
    }
    // Spread, so that two who went back from each other do not meet again.
    const spreadMs = Math.min(pauseMs, isAnnounced ? timing.announcedPauseMs : pauseMs) * (0.75 + Math.random() / 2);
    await delay(Math.max(1, Math.min(spreadMs, deadline - now().getTime())), undefined, { signal });
  }
}

/**
 * So long those who can wait give way to one who waits to be alone: longer than `follow` holds its lock, so that all of them have let go of
 * theirs at one time; and no longer, since he may be waiting for somebody who gives way to nobody.
 */
export const giveWayMs = 150_000;

async function lookForConflict(
  { storage, key, host }: LockParts,
  timing: LockTiming,
  mode: LockMode,
  { signal, now, onStaleRemoved, givesWay }: LockOptions,
): Promise<LockFile | undefined> {
  const own = thisOwner();
  const locks = await loadLocks(storage, key, timing.unreadableRetriesMs, signal);
  const standing = [];
  for (const stored of locks) {
    if (isLeftBehind(stored.lock, own, host.hostname, now())) {
      await storage.remove({ kind: "lock", name: stored.id }, signal);
      onStaleRemoved?.(holderOf(stored.lock));
    } else standing.push(stored);
  }
  return conflicting(standing, mode) ?? (mode === "shared" && givesWay ? waitingIn(standing, now()) : undefined);
}
