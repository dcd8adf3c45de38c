import { setTimeout as delay } from "node:timers/promises";
import type { MasterKey } from "../format/crypto.ts";
import { parseLock, type LockFile } from "../format/lock-file.ts";
import type { Id } from "../format/tree.ts";
import { openUnpacked } from "../format/unpacked.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { mapBounded } from "../lib/map-bounded.ts";
import type { Storage } from "../storage/storage.ts";
import { isStale } from "./lock-owner.ts";
import type { LockHolder, LockMode } from "./repository.ts";

export interface StoredLock {
  readonly id: Id;
  readonly lock: LockFile;
}

/** Locks are few; loading them one after the other would add up over a network. */
const loadsAtOnce = 5;

/**
 * All locks that are there. One that cannot be read is tried again after each of `unreadableRetriesMs`, since it may
 * just be written on a storage that shows halves, and then fails as `repository-damaged`: nobody knows what it forbids.
 * Empty files are what a crash leaves on such storages, and hold nothing.
 */
export async function loadLocks(
  storage: Storage,
  key: MasterKey,
  unreadableRetriesMs: readonly number[],
  signal: AbortSignal,
): Promise<readonly StoredLock[]> {
  const names: Id[] = [];
  for await (const { name, size } of storage.list("lock", signal)) if (size > 0) names.push(name);
  const found = await mapBounded(names, loadsAtOnce, (name) =>
    loadLock(storage, key, name, unreadableRetriesMs, signal),
  );
  return found.filter((lock) => lock !== undefined);
}

/** One lock, as `loadLocks`; `undefined` when it is gone. */
export async function loadLock(
  storage: Storage,
  key: MasterKey,
  name: Id,
  retriesMs: readonly number[],
  signal: AbortSignal,
): Promise<StoredLock | undefined> {
  for (let attempt = 0; ; attempt++) {
    try {
      return {
        id: name,
        lock: parseLock(openUnpacked(key, await storage.load({ kind: "lock", name }, undefined, signal))),
      };
    } catch (error) {
      if (isHoldfastError(error, "storage-not-found")) return undefined;
      if (!isHoldfastError(error, "repository-damaged")) throw error;
      const pauseMs = retriesMs[attempt];
      if (pauseMs === undefined) {
        throw new HoldfastError("repository-damaged", { reason: "lock", file: `locks/${name}` }, error);
      }
      await delay(pauseMs, undefined, { signal });
    }
  }
}

/**
 * The first lock that forbids ours: an exclusive one always, any other when ours is to be exclusive. Whoever only waits is in nobody's
 * way, and nobody in his.
 */
export function conflicting(locks: readonly StoredLock[], mode: LockMode | "waiting"): LockFile | undefined {
  if (mode === "waiting") return undefined;
  return locks.find(({ lock }) => lock.exclusive || (mode === "exclusive" && lock.waits !== true))?.lock;
}

/** Somebody who waits to be alone, and did so lately. */
export function waitingIn(locks: readonly StoredLock[], now: Date): LockFile | undefined {
  return locks.find(({ lock }) => lock.waits === true && !isStale(lock, now))?.lock;
}

export function holderOf(lock: LockFile): LockHolder {
  const { hostname, username, pid, time, exclusive } = lock;
  return { hostname, username, pid, time, exclusive };
}
