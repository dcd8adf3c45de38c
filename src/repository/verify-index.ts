import type { MasterKey } from "../format/crypto.ts";
import { sealOverhead } from "../format/crypto.ts";
import { parseIndex, type IndexedPack } from "../format/index-file.ts";
import { packBytes, type PackedBlob } from "../format/pack.ts";
import type { Id } from "../format/tree.ts";
import { openUnpacked, sha256 } from "../format/unpacked.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { mapBounded } from "../lib/map-bounded.ts";
import { storedPath } from "../storage/layout.ts";
import type { Storage } from "../storage/storage.ts";
import { BlobIndex } from "./blob-index.ts";
import type { DefectList } from "./defects.ts";

/** A pack as the index files name it. Its place in the list is its number in the `BlobIndex`. */
export interface IndexedPackRecord {
  readonly id: Id;
  /** Its blobs are the entries of the `BlobIndex` from `first` on, in the order of the index file. */
  readonly first: number;
  readonly blobs: number;
  /** Bytes that the file must have, from its blobs and their header. */
  readonly size: number;
}

export interface IndexState {
  readonly index: BlobIndex;
  readonly packs: readonly IndexedPackRecord[];
}

/** Reads all index files and checks what they say by itself: names, forms, that blobs fill their packs exactly. */
export async function verifyIndexes(
  storage: Storage,
  key: MasterKey,
  defects: DefectList,
  signal: AbortSignal,
): Promise<IndexState> {
  const names: Id[] = [];
  for await (const { name } of storage.list("index", signal)) names.push(name);
  const index = new BlobIndex();
  const packs: IndexedPackRecord[] = [];
  const known = new Map<Id, IndexedPackRecord>();

  await mapBounded(names, storage.traits.connections, async (name) => {
    const found = await loadIndex(storage, key, name, defects, signal);
    for (const pack of found) {
      const earlier = known.get(pack.id);
      if (earlier !== undefined) {
        if (!isSame(index, earlier, pack)) defects.add("index-conflict", packPath(pack.id), name);
        continue;
      }
      const record = addPack(index, packs.length, pack);
      packs.push(record);
      known.set(pack.id, record);
      if (!isGapless(pack.blobs)) defects.add("pack-layout", packPath(pack.id), name);
    }
  });
  return { index, packs };
}

export function packPath(name: Id): string {
  return storedPath({ kind: "data", name });
}

async function loadIndex(
  storage: Storage,
  key: MasterKey,
  name: Id,
  defects: DefectList,
  signal: AbortSignal,
): Promise<readonly IndexedPack[]> {
  try {
    const bytes = await storage.load({ kind: "index", name }, undefined, signal);
    if (sha256(bytes) !== name) throw new HoldfastError("repository-damaged", { reason: "hash" });
    return parseIndex(openUnpacked(key, bytes));
  } catch (error) {
    // Gone since it was listed: somebody wrote a new one and removed this.
    if (isHoldfastError(error, "storage-not-found")) return [];
    if (!isHoldfastError(error, "repository-damaged")) throw error;
    defects.add("index-unreadable", storedPath({ kind: "index", name }), String(error.facts["reason"] ?? ""));
    return [];
  }
}

function addPack(index: BlobIndex, number: number, { id, blobs }: IndexedPack): IndexedPackRecord {
  const first = index.count;
  for (const { type, id: blob, offset, length, uncompressedLength } of blobs) {
    index.add(type, blob, number, offset, length, uncompressedLength);
  }
  return { id, first, blobs: blobs.length, size: packBytes(blobs) };
}

function isGapless(blobs: readonly PackedBlob[]): boolean {
  let end = 0;
  for (const { offset, length } of blobs.toSorted((left, right) => left.offset - right.offset)) {
    if (offset !== end || length < sealOverhead) return false;
    end += length;
  }
  return true;
}

/** One pack in two index files is what an interrupted prune leaves: fine while both say the same. */
function isSame(index: BlobIndex, earlier: IndexedPackRecord, pack: IndexedPack): boolean {
  if (earlier.blobs !== pack.blobs.length) return false;
  const described = new Set<string>();
  for (let entry = earlier.first; entry < earlier.first + earlier.blobs; entry++) {
    const { offset, length, uncompressedLength } = index.location(entry) ?? {};
    described.add(`${index.type(entry)} ${index.id(entry)} ${offset} ${length} ${uncompressedLength}`);
  }
  return pack.blobs.every(({ type, id, offset, length, uncompressedLength }) =>
    described.has(`${type} ${id} ${offset} ${length} ${uncompressedLength}`),
  );
}
