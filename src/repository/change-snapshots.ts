import type { MasterKey } from "../format/crypto.ts";
import { snapshotJson } from "../format/snapshot-json.ts";
import type { Snapshot } from "../format/snapshot.ts";
import type { Id } from "../format/tree.ts";
import { sealUnpacked } from "../format/unpacked.ts";
import type { Storage } from "../storage/storage.ts";
import type { Lock, StoredSnapshot } from "./repository.ts";

export interface SnapshotChange {
  readonly storage: Storage;
  readonly key: MasterKey;
  /** Exclusive. */
  readonly lock: Lock;
  readonly signal: AbortSignal;
}

/** Removes snapshot files, one after the other: cut off anywhere, those that are left are whole. */
export async function removeSnapshots({ storage, lock, signal }: SnapshotChange, ids: readonly Id[]): Promise<void> {
  for (const name of ids) {
    await lock.check(signal);
    await storage.remove({ kind: "snapshot", name }, signal);
  }
}

/**
 * A snapshot with other tags: snapshot files never change, so a new one is written, then the old one removed. It
 * remembers under which id it was made. Cut off between the two, both are there and mean the same.
 */
export async function retagSnapshot(
  change: SnapshotChange,
  { id, snapshot }: StoredSnapshot,
  tags: readonly string[],
): Promise<StoredSnapshot> {
  const { storage, key, lock, signal } = change;
  const changed: Snapshot = { ...snapshot, tags, original: snapshot.original ?? id };
  const { name, bytes } = sealUnpacked(key, snapshotJson(changed));
  await lock.check(signal);
  await storage.save({ kind: "snapshot", name }, bytes, signal);
  await removeSnapshots(change, [id]);
  return { id: name, snapshot: changed };
}
