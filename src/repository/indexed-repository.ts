import type { IndexedPack } from "../format/index-file.ts";
import { sealUnpacked } from "../format/unpacked.ts";
import { snapshotJson } from "../format/snapshot-json.ts";
import type { MasterKey } from "../format/crypto.ts";
import type { Id } from "../format/tree.ts";
import { mapBounded } from "../lib/map-bounded.ts";
import type { Storage, StoredFile } from "../storage/storage.ts";
import { adoptablePacks, loosePacks } from "./adopt-packs.ts";
import type { BlobIndex } from "./blob-index.ts";
import { StoredBlobReader } from "./blob-reader.ts";
import type { LoadedIndex } from "./load-index.ts";
import { findLostSnapshots } from "./lost-snapshots.ts";
import type { PackTable } from "./pack-table.ts";
import { StoredTreeCopier } from "./copy-trees.ts";
import type { IndexedRepository, Repository } from "./repository.ts";
import { RepositoryUpload, type UploadParts } from "./upload.ts";
import { writeFiles } from "./write-files.ts";
import { WriterThreads } from "./writer-threads.ts";

export interface OpenedRepository {
  readonly storage: Storage;
  readonly masterKey: MasterKey;
  readonly repository: Repository;
}

/** The index is one that nobody has added anything to; what is stored or found loose with it is noted as a change. */
export function indexedRepository(opened: OpenedRepository, loaded: LoadedIndex): IndexedRepository {
  const { storage, masterKey, repository } = opened;
  const { index, packs, marked } = loaded;
  const reader = new StoredBlobReader(storage, masterKey, index, packs);
  const writers = new WriterThreads(masterKey);
  const loose: IndexedPack[] = [];
  const indexNames = new Set(loaded.names);
  let isWrittenWith = false;

  return {
    repository,
    packBytes: packs.bytes,
    has: (type, id) => reader.has(type, id),
    size: (type, id) => reader.size(type, id),
    load: (type, id, loadSignal) => reader.load(type, id, loadSignal),
    loadTree: (id, loadSignal) => reader.loadTree(id, loadSignal),
    openTree: (id, loadSignal) => reader.openTree(id, loadSignal),

    async isOutdated(listSignal) {
      let found = 0;
      for await (const { name } of storage.list("index", listSignal)) if (indexNames.has(name)) found++;
      return found < indexNames.size;
    },

    async upload(options) {
      if (loose.length > 0) throw new Error("what is loose would count as stored");
      isWrittenWith = true;
      loaded.isChanged = true;
      await using opening = new AsyncDisposableStack();
      const parts: UploadParts = {
        storage,
        key: masterKey,
        chunkerSecret: repository.secret("chunker"),
        index,
        packs,
        reader,
        async saveIndex({ name, bytes }, saveSignal) {
          // Blobs of a run that lost its lock may be on their way out.
          await options.lock.check(saveSignal);
          await storage.save({ kind: "index", name }, bytes, saveSignal);
          indexNames.add(name);
        },
        async saveSnapshot(snapshot, saveSignal) {
          const { name, bytes } = sealUnpacked(masterKey, snapshotJson(snapshot));
          await options.lock.check(saveSignal);
          await storage.save({ kind: "snapshot", name }, bytes, saveSignal);
          return name;
        },
      };
      const upload = opening.use(new RepositoryUpload(parts, options));
      if (options.leftovers !== "leave") {
        const known = { storage, key: masterKey, packs, marked, knownIndexes: new Set(loaded.names) };
        upload.adopt(await adoptablePacks(known, options.signal));
      }
      opening.move();
      return upload;
    },

    ...coldOf(storage, index, packs),

    copier: (into, options) => new StoredTreeCopier({ storage, key: masterKey, index, packs, reader }, into, options),

    lostSnapshots: (lostSignal) => findLostSnapshots(storage, masterKey, index, reader, lostSignal),

    async loosePacks(mostBlobs, looseSignal) {
      if (isWrittenWith) throw new Error("what is loose would count as stored");
      const found = await loosePacks({ storage, key: masterKey, packs, marked }, mostBlobs, looseSignal);
      loaded.isChanged ||= found.length > 0;
      // Those of an earlier look stand among the packs by now, and are no less loose for this index.
      loose.push(...found);
      for (const pack of found) {
        const number = packs.number(pack.id);
        for (const { type, id, offset, length, uncompressedLength } of pack.blobs) {
          packs.extend(number, offset + length);
          index.add(type, id, number, offset, length, uncompressedLength);
        }
      }
      return [...loose];
    },

    besides(id) {
      const found: Id[] = [];
      for (const entry of index.findAll("data", id)) {
        const pack = index.location(entry)?.pack;
        if (pack === undefined) continue;
        const isShared = (other: number): boolean => index.location(other)?.pack === pack;
        let first = entry;
        while (first > 0 && isShared(first - 1)) first--;
        for (let other = first; other < index.count && isShared(other); other++) {
          if (other !== entry && index.type(other) === "data") found.push(index.id(other));
        }
      }
      return found;
    },

    packsWith(id) {
      const numbers = index.findAll("data", id).flatMap((entry) => index.location(entry)?.pack ?? []);
      return numbers.map((number) => packs.id(number));
    },

    expectWrites: (limits) => writers.warmUp(limits),

    async writeFiles(files, options) {
      using threads = writers.take(options.limits, options.signal);
      const parts = { storage, index, packs, reader, pool: threads.pool };
      await writeFiles(files, { ...options, parts });
    },
  };
}

type Cold = Pick<IndexedRepository, "hasColdPacks" | "coldPacks" | "requestThaw" | "thawState">;

function coldOf(storage: Storage, index: BlobIndex, packs: PackTable): Cold {
  const { thaw, traits } = storage;
  let listing: Promise<ReadonlyMap<Id, number>> | undefined;
  const list = async (signal: AbortSignal): Promise<ReadonlyMap<Id, number>> => {
    const cold = new Map<Id, number>();
    if (thaw === undefined) return cold;
    for await (const { name, size, access } of storage.list("data", signal))
      if (access === "cold") cold.set(name, size);
    return cold;
  };
  const fileOf = (name: Id): StoredFile => ({ kind: "data", name });
  return {
    hasColdPacks: async (signal) => (await (listing ??= list(signal))).size > 0,

    async coldPacks(blobs, signal) {
      const cold = await (listing ??= list(signal));
      const needed = new Set<Id>();
      for (const id of blobs) {
        const names = index.findAll("data", id).flatMap((entry) => {
          const pack = index.location(entry)?.pack;
          return pack === undefined ? [] : [packs.id(pack)];
        });
        const [first] = names;
        if (first !== undefined && names.every((name) => cold.has(name))) needed.add(first);
      }
      const states = await mapBounded([...needed], traits.connections, async (id) => ({
        id,
        size: cold.get(id) ?? 0,
        state: await thaw?.state(fileOf(id), signal),
      }));
      return states.filter(({ state }) => state !== "ready").map(({ id, size }) => ({ id, size }));
    },

    requestThaw: async (pack, days, signal) => thaw?.request(fileOf(pack), days, signal),
    thawState: async (pack, signal) => thaw?.state(fileOf(pack), signal) ?? "ready",
  };
}
