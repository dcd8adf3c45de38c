import { isLeftBehind, isStale, isThere, thisOwner } from "./lock-owner.ts";
import type { LockParts } from "./held-lock.ts";
import type { FoundLock, UnlockOptions, UnlockReport } from "./repository.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { holderOf, loadLock, type StoredLock } from "./stored-locks.ts";

/**
 * Removes locks: those whose holder is certainly gone, and with `all` the others too. A lock counts as gone when its
 * process has ended (by the lock's own word where a Holdfast wrote it, else by host and process number), or when it was
 * not renewed for 30 minutes. One that cannot be read says nothing, so it stays unless all are to go.
 */
export async function removeLocks(parts: LockParts, options: UnlockOptions): Promise<UnlockReport> {
  const { storage } = parts;
  const { signal, what } = options;
  const names: { readonly name: string; readonly size: number }[] = [];
  for await (const file of storage.list("lock", signal)) names.push(file);
  const removed: FoundLock[] = [];
  const kept: FoundLock[] = [];
  for (const { name, size } of names) {
    const found = size === 0 ? empty(name) : await look(parts, name, options);
    if (found === undefined) continue;
    if (what === "dead" && (found.state === "held" || found.state === "unreadable")) kept.push(found);
    else {
      await storage.remove({ kind: "lock", name }, signal);
      removed.push(found);
    }
  }
  return { removed, kept };
}

/** What a crash leaves on a storage that shows halves. */
function empty(id: string): FoundLock {
  return { id, state: "dead" };
}

async function look(parts: LockParts, id: string, { signal, now }: UnlockOptions): Promise<FoundLock | undefined> {
  let stored: StoredLock | undefined;
  try {
    stored = await loadLock(parts.storage, parts.key, id, [], signal);
  } catch (error) {
    if (!isHoldfastError(error, "repository-damaged")) throw error;
    return { id, state: "unreadable" };
  }
  if (stored === undefined) return undefined;
  const { lock } = stored;
  const { hostname } = parts.host;
  const holder = holderOf(lock);
  const isDead =
    isLeftBehind(lock, thisOwner(), hostname, now()) ||
    (lock.owner === undefined && lock.hostname === hostname && !isThere(lock.pid));
  return { id, holder, state: isDead ? "dead" : isStale(lock, now()) ? "stale" : "held" };
}
