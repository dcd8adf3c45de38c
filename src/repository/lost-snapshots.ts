import type { MasterKey } from "../format/crypto.ts";
import { parseSnapshot } from "../format/snapshot-json.ts";
import type { Snapshot } from "../format/snapshot.ts";
import type { Id } from "../format/tree.ts";
import { openUnpacked } from "../format/unpacked.ts";
import { addAll } from "../lib/add-all.ts";
import { isHoldfastError } from "../lib/errors.ts";
import type { Storage } from "../storage/storage.ts";
import type { BlobIndex } from "./blob-index.ts";
import { childTrees } from "./child-trees.ts";
import type { BlobReader, LostSnapshots } from "./repository.ts";
import { loadSnapshots } from "./snapshots.ts";

/** Snapshots that cannot be read, and trees that look like the root of one and are named by none. */
export async function findLostSnapshots(
  storage: Storage,
  key: MasterKey,
  index: BlobIndex,
  reader: BlobReader,
  signal: AbortSignal,
): Promise<LostSnapshots> {
  const { readable, unreadable } = await loadSnapshots(storage, key, signal);
  // Who finds nothing in a file removes it.
  for (const { withheld } of unreadable) if (withheld) throw withheld;
  const found: { id: Id; snapshot?: Snapshot }[] = [];
  for (const { id } of unreadable.toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
    const snapshot = await readAnyway(storage, key, id, signal);
    found.push(snapshot === undefined ? { id } : { id, snapshot });
  }
  const roots = [...readable, ...found].flatMap(({ snapshot }) => (snapshot === undefined ? [] : [snapshot.tree]));
  return { unreadable: found, roots: await unnamedRoots(index, reader, roots, signal) };
}

/** A snapshot whose contents do not fit its name and open all the same: it was swapped with another. */
async function readAnyway(
  storage: Storage,
  key: MasterKey,
  id: Id,
  signal: AbortSignal,
): Promise<Snapshot | undefined> {
  try {
    return parseSnapshot(openUnpacked(key, await storage.load({ kind: "snapshot", name: id }, undefined, signal)));
  } catch (error) {
    if (isHoldfastError(error, "repository-damaged") || isHoldfastError(error, "storage-not-found")) return undefined;
    throw error;
  }
}

/** Trees that neither these roots nor any other tree leads to. What cannot be read leads nowhere. */
async function unnamedRoots(
  index: BlobIndex,
  reader: BlobReader,
  roots: readonly Id[],
  signal: AbortSignal,
): Promise<readonly Id[]> {
  const reached = new Set<Id>();
  await reach(reader, roots, reached, signal);
  const rest = new Set<Id>();
  for (let entry = 0; entry < index.count; entry++) {
    if (index.type(entry) === "tree" && !reached.has(index.id(entry))) rest.add(index.id(entry));
  }
  const inside = new Set<Id>();
  for (const id of rest) for (const child of await childTrees(reader, id, signal)) inside.add(child);
  return [...rest].filter((id) => !inside.has(id)).toSorted();
}

async function reach(reader: BlobReader, roots: readonly Id[], reached: Set<Id>, signal: AbortSignal): Promise<void> {
  const pile = [...roots];
  for (let id = pile.pop(); id !== undefined; id = pile.pop()) {
    if (reached.has(id)) continue;
    reached.add(id);
    addAll(pile, await childTrees(reader, id, signal));
  }
}
