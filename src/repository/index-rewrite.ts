import type { MasterKey } from "../format/crypto.ts";
import { indexJson, maxIndexBlobs, parseIndexFile, type IndexedPack, type MarkedPack } from "../format/index-file.ts";
import type { Id } from "../format/tree.ts";
import { openUnpacked, sealUnpacked } from "../format/unpacked.ts";
import type { Storage } from "../storage/storage.ts";
import type { Lock } from "./repository.ts";
import type { IndexedPackRecord, IndexFileRecord, IndexState } from "./verify-index.ts";

export interface RewriteOptions {
  readonly storage: Storage;
  readonly key: MasterKey;
  readonly lock: Lock;
  readonly signal: AbortSignal;
  /** Index files as they are; those that name no dropped pack are left alone, but for small ones when there are many. */
  readonly state: IndexState;
  /** Numbers of the packs that are to be in no index any more. */
  readonly dropped: ReadonlySet<number>;
  /** RFC 3339: dropped packs are marked for deletion with this time; absent: they are simply left out. */
  readonly markTime?: string;
  /** Marks that are to go: of packs that are deleted, or that an index names. */
  readonly isOldMark: (id: Id) => boolean;
  /** A new file holds about so many blobs, of as many old ones as come to that. Few where there is little room. */
  readonly blobsAFile: number;
  /** Called as soon as no index names these packs any more. */
  readonly onUnnamed: (packs: readonly IndexedPackRecord[]) => Promise<void>;
}

/** An index file below half its size is small; so many of them are written together. */
const smallIndexBlobs = maxIndexBlobs / 2;
const manySmallIndexes = 8;

/**
 * Takes packs out of the index: writes new files for what stays, and only then removes the old ones.
 *
 * Files with the least to keep go first, and each is done with before the next: so a full disk gets room from files that
 * are simply removed, then from those for which little is written. Killed at any point, every kept pack is named by at
 * least one file; some by two, which say the same.
 */
export async function rewriteIndex(options: RewriteOptions): Promise<readonly IndexFileRecord[]> {
  const { storage, lock, signal, state, dropped, onUnnamed } = options;
  const works = worksOf(options);
  const rewritten = new Set(works.map(({ file }) => file));
  const left = state.files.filter((file) => !rewritten.has(file));
  /** How many files still name a dropped pack. */
  const naming = new Map<number, number>();
  for (const { file } of works) {
    for (const pack of file.packs) if (dropped.has(pack)) naming.set(pack, (naming.get(pack) ?? 0) + 1);
  }
  const named = new Set(left.flatMap(({ packs }) => packs));
  const marked = new Set<number>();
  const added: IndexFileRecord[] = [];
  let from = 0;
  while (from < works.length) {
    const to = groupEnd(works, from, options.blobsAFile);
    const group = works.slice(from, to);
    from = to;
    const kept = [...new Set(group.flatMap((work) => work.kept))].filter((pack) => !named.has(pack));
    const drops = [...new Set(group.flatMap(({ file }) => file.packs))].filter((pack) => dropped.has(pack));
    await writeMarks(
      options,
      group,
      drops.filter((pack) => !marked.has(pack)),
    );
    for (const pack of drops) marked.add(pack);
    if (kept.length > 0) {
      const name = await saveIndex(options, indexJson(packsOf(state, kept)));
      added.push({ name, packs: kept, marked: [] });
      for (const pack of kept) named.add(pack);
    }
    await lock.check(signal);
    for (const { file } of group) await storage.remove({ kind: "index", name: file.name }, signal);
    const unnamed: IndexedPackRecord[] = [];
    for (const { file } of group) {
      for (const pack of file.packs) {
        const others = (naming.get(pack) ?? 0) - 1;
        naming.set(pack, others);
        const record = state.packs[pack];
        if (dropped.has(pack) && others === 0 && record !== undefined) unnamed.push(record);
      }
    }
    await onUnnamed(unnamed);
  }
  return [...left, ...added];
}

interface Work {
  readonly file: IndexFileRecord;
  readonly kept: readonly number[];
  readonly blobs: number;
}

/** The files to be rewritten, those with the least to keep first. */
function worksOf({ state, dropped, isOldMark }: RewriteOptions): readonly Work[] {
  const works = state.files.map((file) => {
    const kept = file.packs.filter((pack) => !dropped.has(pack));
    const blobs = kept.reduce((sum, pack) => sum + (state.packs[pack]?.blobs ?? 0), 0);
    return { file, kept, blobs };
  });
  const small = works.filter(({ file, blobs }) => file.marked.length === 0 && blobs < smallIndexBlobs);
  const merged = new Set(small.length >= manySmallIndexes ? small : []);
  return works
    .filter((work) => {
      const { file, kept } = work;
      // A file of nothing at all: a prune that ended right before its removal.
      const isEmpty = file.packs.length === 0 && file.marked.length === 0;
      return (
        isEmpty || kept.length < file.packs.length || file.marked.some(({ id }) => isOldMark(id)) || merged.has(work)
      );
    })
    .toSorted((a, b) => a.blobs - b.blobs);
}

/** As many files as fit into one; those of which nothing is kept by themselves, since for them nothing is written. */
function groupEnd(works: readonly Work[], from: number, blobsAFile: number): number {
  const first = works[from]?.blobs ?? 0;
  let blobs = first;
  let to = from + 1;
  for (; to < works.length; to++) {
    const more = works[to]?.blobs ?? 0;
    blobs += more;
    if (first === 0 ? more > 0 : blobs > blobsAFile) break;
  }
  return to;
}

/** Marks stand in files of their own, which are removed together with the packs: as many as an index of them would be. */
async function writeMarks(options: RewriteOptions, group: readonly Work[], drops: readonly number[]): Promise<void> {
  const { state, markTime, isOldMark } = options;
  const marks: MarkedPack[] = [];
  let blobs = 0;
  const save = async (): Promise<void> => {
    if (marks.length > 0) await saveIndex(options, indexJson([], marks.splice(0)));
    blobs = 0;
  };
  const add = async (pack: MarkedPack): Promise<void> => {
    if (blobs + pack.blobs.length > maxIndexBlobs) await save();
    marks.push(pack);
    blobs += pack.blobs.length;
  };
  for (const { file } of group) {
    if (file.marked.every(({ id }) => isOldMark(id))) continue;
    for (const pack of await marksOf(options, file)) if (!isOldMark(pack.id)) await add(pack);
  }
  if (markTime !== undefined) for (const pack of packsOf(state, drops)) await add({ ...pack, time: markTime });
  await save();
}

async function marksOf(
  { storage, key, signal }: RewriteOptions,
  file: IndexFileRecord,
): Promise<readonly MarkedPack[]> {
  const bytes = await storage.load({ kind: "index", name: file.name }, undefined, signal);
  return parseIndexFile(openUnpacked(key, bytes)).marked;
}

async function saveIndex({ storage, key, lock, signal }: RewriteOptions, json: string | Buffer): Promise<Id> {
  const { name, bytes } = sealUnpacked(key, json);
  await lock.check(signal);
  await storage.save({ kind: "index", name }, bytes, signal);
  return name;
}

function* packsOf({ index, packs }: IndexState, numbers: Iterable<number>): Generator<IndexedPack> {
  for (const number of numbers) {
    const record = packs[number];
    if (record === undefined) continue;
    const blobs = Array.from({ length: record.blobs }, (_, position) => {
      const entry = record.first + position;
      const { offset = 0, length = 0, uncompressedLength = 0 } = index.location(entry) ?? {};
      return { type: index.type(entry), id: index.id(entry), offset, length, uncompressedLength };
    });
    yield { id: record.id, blobs };
  }
}
