import type { MasterKey } from "../format/crypto.ts";
import { scanIndex } from "../format/index-scan.ts";
import { openUnpacked } from "../format/unpacked.ts";
import { freeMemory } from "../lib/memory-pool.ts";
import { isHoldfastError } from "../lib/errors.ts";
import type { Storage } from "../storage/storage.ts";
import { BlobIndex } from "./blob-index.ts";
import type { IdleIndex } from "./idle-index.ts";
import { PackTable } from "./pack-table.ts";

/** All that the index files of a repository say, as of the moment when they were listed. */
export interface LoadedIndex {
  /** Of the files, in order. A name is the hash of what is in it: the same names say the same. */
  readonly names: readonly string[];
  readonly index: BlobIndex;
  readonly packs: PackTable;
  /** Packs that are to be deleted. */
  readonly marked: ReadonlySet<string>;
  /** Something was added to it since. */
  isChanged: boolean;
}

export interface IndexSource {
  readonly storage: Storage;
  readonly masterKey: MasterKey;
  /** Where one may be that says the same. */
  readonly idleIndex?: IdleIndex;
}

/** `to-add` reserves addresses for millions of new blobs. */
export type IndexPurpose = "to-read" | "to-add";

/** Half of these, or as many as there are, one run can add. One that adds more is cut off, and the next one goes on. */
const leastBlobs = 1 << 24;

/** How often the index is read anew that somebody wrote together meanwhile: hours lie between two times. */
const mostTries = 3;

/** Reads all index files. The state as of now: what others store later is not seen. */
export async function loadIndex(source: IndexSource, purpose: IndexPurpose, signal: AbortSignal): Promise<LoadedIndex> {
  for (let tries = 1; ; tries++) {
    try {
      return await loadOnce(source, purpose, signal);
    } catch (error) {
      // Who only looks holds no lock. A file that was listed and is gone had its successor before it went.
      if (!isHoldfastError(error, "storage-not-found") || tries === mostTries) throw error;
    }
  }
}

async function loadOnce(
  { storage, masterKey, idleIndex }: IndexSource,
  purpose: IndexPurpose,
  signal: AbortSignal,
): Promise<LoadedIndex> {
  const names: string[] = [];
  let indexBytes = 0;
  for await (const { name, size } of storage.list("index", signal)) {
    names.push(name);
    indexBytes += size;
  }
  names.sort();
  const found = idleIndex?.take(names);
  if (found && purpose === "to-read") return found;
  const index = BlobIndex.forIndexBytes(indexBytes, purpose === "to-add" ? leastBlobs : undefined);
  const loaded = { names, index, packs: new PackTable(), marked: new Set<string>(), isChanged: false };
  await Promise.all(
    Array.from({ length: storage.traits.connections }, async (_, first) => {
      for (let at = first; at < names.length; at += storage.traits.connections) {
        const sealed = await storage.load({ kind: "index", name: names[at] ?? "" }, undefined, signal);
        const json = openUnpacked(masterKey, sealed);
        addIndexFile(json, loaded);
        freeMemory(json);
        freeMemory(sealed);
      }
    }),
  );
  return loaded;
}

function addIndexFile(
  json: Buffer,
  { index, packs, marked }: Pick<LoadedIndex, "index" | "packs"> & { readonly marked: Set<string> },
): void {
  let number = 0;
  scanIndex(json, {
    pack(id) {
      // The same pack may stand in two index files.
      if (packs.has(id)) return "skip";
      number = packs.number(id);
      return "take";
    },
    blob(type, id, offset, length, plainLength) {
      packs.extend(number, offset + length);
      index.add(type, id, number, offset, length, plainLength);
    },
    marked: (id) => marked.add(id),
  });
}
