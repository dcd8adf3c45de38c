import type { MasterKey } from "../format/crypto.ts";
import { sealOverhead } from "../format/crypto.ts";
import { parseIndexFile, type IndexedPack, type IndexFile } from "../format/index-file.ts";
import { packBytes, type PackedBlob } from "../format/pack.ts";
import type { Id } from "../format/tree.ts";
import { openUnpacked, sha256 } from "../format/unpacked.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { mapBounded } from "../lib/map-bounded.ts";
import { storedPath } from "../storage/layout.ts";
import type { Storage } from "../storage/storage.ts";
import { BlobIndex } from "./blob-index.ts";
import type { DefectList, NamedDefect } from "./defects.ts";

/** A pack as the index files name it. Its place in the list is its number in the `BlobIndex`. */
export interface IndexedPackRecord {
  readonly id: Id;
  /** Its blobs are the entries of the `BlobIndex` from `first` on, in the order of the index file. */
  readonly first: number;
  readonly blobs: number;
  /** Bytes that the file must have, from its blobs and their header. */
  readonly size: number;
}

export interface IndexFileRecord {
  readonly name: Id;
  /** Numbers of the packs that it names. */
  readonly packs: readonly number[];
  /** Packs that it marks for deletion. What is in them is not kept in memory. */
  readonly marked: readonly MarkedPackRecord[];
}

export interface MarkedPackRecord {
  readonly id: Id;
  readonly size: number;
  readonly time?: string;
}

/** An index file that cannot be read. */
export interface UnreadableIndex {
  readonly name: Id;
  /** Absent where there are too many. */
  readonly defect: NamedDefect | undefined;
}

export interface IndexState {
  readonly index: BlobIndex;
  readonly packs: readonly IndexedPackRecord[];
  readonly files: readonly IndexFileRecord[];
  readonly unreadable: readonly UnreadableIndex[];
  /** Numbers of packs of which two index files say different things, or one what cannot be. */
  readonly doubtful: ReadonlySet<number>;
}

export interface IndexesToVerify {
  /** `take back`: packs that are marked for deletion count as if they were not. Absent: `leave`. */
  readonly marked?: "leave" | "take back";
  /** Larger files are left out. */
  readonly mostBytes?: number;
}

/** Reads all index files and checks what they say by itself: names, forms, that blobs fill their packs exactly. */
export async function verifyIndexes(
  storage: Storage,
  key: MasterKey,
  defects: DefectList,
  signal: AbortSignal,
  { marked: markedPacks = "leave", mostBytes = Infinity }: IndexesToVerify = {},
): Promise<IndexState> {
  const names: Id[] = [];
  let bytes = 0;
  for await (const { name, size } of storage.list("index", signal)) {
    if (size > mostBytes) continue;
    names.push(name);
    bytes += size;
  }
  const index = BlobIndex.forIndexBytes(bytes);
  const packs: IndexedPackRecord[] = [];
  const files: IndexFileRecord[] = [];
  const known = new Map<Id, number>();
  const unreadable: UnreadableIndex[] = [];
  const doubtful = new Set<number>();

  await mapBounded(names, storage.traits.connections, async (name) => {
    const found = await loadIndex(storage, key, name, signal);
    if (found === undefined) return;
    if ("damage" in found) {
      const path = storedPath({ kind: "index", name });
      unreadable.push({ name, defect: defects.add("index-unreadable", path, found.damage) });
      return;
    }
    const named = markedPacks === "take back" ? [...found.packs, ...found.marked] : found.packs;
    const numbers = named.map((pack) => {
      const earlier = known.get(pack.id);
      const record = earlier === undefined ? undefined : packs[earlier];
      if (earlier !== undefined && record !== undefined) {
        if (isSame(index, record, pack)) return earlier;
        defects.add("index-conflict", packPath(pack.id), name);
        doubtful.add(earlier);
        return earlier;
      }
      const number = packs.length;
      packs.push(addPack(index, number, pack));
      known.set(pack.id, number);
      if (isGapless(pack.blobs)) return number;
      defects.add("pack-layout", packPath(pack.id), name);
      doubtful.add(number);
      return number;
    });
    const marked = found.marked.map(({ id, blobs, time }) => ({ id, size: packBytes(blobs), ...(time && { time }) }));
    files.push({ name, packs: numbers, marked });
  });
  return { index, packs, files, unreadable, doubtful };
}

export function packPath(name: Id): string {
  return storedPath({ kind: "data", name });
}

async function loadIndex(
  storage: Storage,
  key: MasterKey,
  name: Id,
  signal: AbortSignal,
): Promise<IndexFile | { readonly damage: string } | undefined> {
  try {
    const bytes = await storage.load({ kind: "index", name }, undefined, signal);
    if (sha256(bytes) !== name) throw new HoldfastError("repository-damaged", { reason: "hash" });
    return parseIndexFile(openUnpacked(key, bytes));
  } catch (error) {
    // Gone since it was listed: somebody wrote a new one and removed this.
    if (isHoldfastError(error, "storage-not-found")) return undefined;
    // A file that the storage cannot give, of a bad sector for one, is as good as a damaged one.
    if (!isHoldfastError(error, "repository-damaged") && !isHoldfastError(error, "storage-failed")) throw error;
    return { damage: String(error.facts["reason"] ?? "") };
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
