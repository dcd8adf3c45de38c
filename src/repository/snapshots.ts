import type { MasterKey } from "../format/crypto.ts";
import { parseSnapshot } from "../format/snapshot-json.ts";
import { parseTime } from "../format/time.ts";
import type { Id } from "../format/tree.ts";
import { openUnpacked, sha256 } from "../format/unpacked.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { mapBounded } from "../lib/map-bounded.ts";
import type { Storage } from "../storage/storage.ts";
import type { StoredSnapshot } from "./repository.ts";

/** Snapshot files are a few hundred bytes: their loading is waiting, so more at once than the storage's own number. */
const loadsAtOnce = 8;

export interface SnapshotFiles {
  /** Oldest first. */
  readonly readable: readonly StoredSnapshot[];
  /** `withheld`: the storage does not give it, now; another day it may. */
  readonly unreadable: readonly { readonly id: Id; readonly reason: string; readonly withheld?: HoldfastError }[];
}

/**
 * Every snapshot file. Damaged ones are told apart, so that they do not hide the others; one that is gone is left out, if the
 * storage does not go on listing it: a prune deletes what only that one needs.
 */
export async function loadSnapshots(storage: Storage, key: MasterKey, signal: AbortSignal): Promise<SnapshotFiles> {
  const names = await listSnapshots(storage, signal);
  const unreadable: { id: Id; reason: string; withheld?: HoldfastError }[] = [];
  const gone = new Map<Id, HoldfastError>();
  const loaded = await mapBounded(names, loadsAtOnce, async (id) => {
    try {
      return await loadSnapshot(storage, key, id, signal);
    } catch (error) {
      if (isHoldfastError(error, "storage-not-found")) {
        gone.set(id, error);
        return undefined;
      }
      const isWithheld = isHoldfastError(error, "storage-failed");
      if (!isWithheld && !isHoldfastError(error, "repository-damaged")) throw error;
      const reason = String(error.facts["reason"] ?? error.code);
      unreadable.push({ id, reason, ...(isWithheld && { withheld: error }) });
      return undefined;
    }
  });
  for (const id of gone.size > 0 ? await listSnapshots(storage, signal) : []) {
    const withheld = gone.get(id);
    if (withheld !== undefined) unreadable.push({ id, reason: withheld.code, withheld });
  }
  const readable = loaded
    .filter((stored) => stored !== undefined)
    .map((stored) => ({ stored, ns: parseTime(stored.snapshot.time) ?? 0n }))
    .toSorted((left, right) =>
      left.ns < right.ns || (left.ns === right.ns && left.stored.id < right.stored.id) ? -1 : 1,
    )
    .map(({ stored }) => stored);
  return { readable, unreadable };
}

export async function listSnapshots(storage: Storage, signal: AbortSignal): Promise<readonly Id[]> {
  const names: Id[] = [];
  for await (const { name } of storage.list("snapshot", signal)) names.push(name);
  return names;
}

async function loadSnapshot(storage: Storage, key: MasterKey, id: Id, signal: AbortSignal): Promise<StoredSnapshot> {
  const bytes = await storage.load({ kind: "snapshot", name: id }, undefined, signal);
  if (sha256(bytes) !== id) throw new HoldfastError("repository-damaged", { reason: "contents do not fit the name" });
  return { id, snapshot: parseSnapshot(openUnpacked(key, bytes)) };
}
