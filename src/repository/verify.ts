import type { MasterKey } from "../format/crypto.ts";
import { parseKeyFile } from "../format/key-file.ts";
import type { Id } from "../format/tree.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { storedPath } from "../storage/layout.ts";
import type { Storage } from "../storage/storage.ts";
import { StoredBlobReader } from "./blob-reader.ts";
import { DefectList } from "./defects.ts";
import { PackTable } from "./pack-table.ts";
import type { VerifyOptions, VerifyReport } from "./repository.ts";
import { loadSnapshots } from "./snapshots.ts";
import { verifyIndexes, type IndexState } from "./verify-index.ts";
import { BadPacks, readPacks, verifyPackFiles } from "./verify-packs.ts";
import { verifyParity } from "./verify-parity.ts";
import { TreeVerifier } from "./verify-trees.ts";

export interface VerifiedParts {
  readonly storage: Storage;
  readonly key: MasterKey;
  /** Why `config` cannot be used, where it cannot. */
  readonly configProblem?: string;
}

/**
 * Our own walk of everything. Stricter than `restic check`, which stays green on wrong sizes, orders, names and
 * lengths that a restore then trips over: here whatever would not come back as it was is a defect.
 *
 * Reads the repository anew, whatever was loaded before: snapshots first, then indexes, then the list of packs, so that
 * a backup that runs meanwhile makes no false alarm. Never throws for what is wrong with the repository, only when the
 * storage cannot be reached.
 */
export async function verifyRepository(parts: VerifiedParts, options: VerifyOptions): Promise<VerifyReport> {
  const { storage, key, configProblem } = parts;
  const { signal, limits } = options;
  const defects = new DefectList();
  const { readable, unreadable } = await loadSnapshots(storage, key, signal);
  for (const { id, reason } of unreadable) {
    defects.add("snapshot-unreadable", storedPath({ kind: "snapshot", name: id }), reason, [id]);
  }
  // Without it nothing can be opened, by restic or by us.
  if (configProblem !== undefined) {
    const all = readable.map(({ id }) => id);
    defects.add("config-damaged", "config", configProblem, all);
  }
  await verifyKeys(storage, defects, signal);
  const state = await verifyIndexes(storage, key, defects, signal);
  const sizes = new Map<Id, number>();
  const cold = new Set<Id>();
  for await (const { name, size, access } of storage.list("data", signal)) {
    sizes.set(name, size);
    if (access === "cold") cold.add(name);
  }
  const indexedIds = new Set(state.packs.map(({ id }) => id));
  const bad = new BadPacks(defects);
  verifyPackFiles(state, sizes, bad);

  // What would have to be thawed is not read.
  const there = new Map([...sizes].filter(([id]) => indexedIds.has(id) && !cold.has(id)));
  const wantedPacks = options.choosePacks?.(there) ?? new Set(there.keys());
  const chosen = options.depth === "data" ? wantedPacks : new Set<Id>();
  const progress = new Progress(state, sizes, chosen, options);
  if (options.depth === "data") {
    const onRead = (bytes: number): void => progress.add(bytes);
    await readPacks({ storage, key, state, sizes, limits, signal, onRead, only: chosen }, bad);
  }

  const parity = await verifyParity(storage, sizes, indexedIds, options.depth, defects, signal);
  const walker = new TreeVerifier({
    reader: readerOf(storage, key, state),
    index: state.index,
    bad,
    defects,
    signal,
    onRead: (bytes) => progress.add(bytes),
  });
  const wanted = options.snapshots === undefined ? undefined : new Set(options.snapshots);
  const walked = readable.filter(({ id }) => wanted === undefined || wanted.has(id));
  for (const { id, snapshot } of walked) await walker.walk(id, snapshot.tree);
  walker.finish();
  for (const { defect } of state.unreadable) if (defect) defect.snapshots = walker.touchedByMissing();
  progress.finish();

  const badIds = new Set([...bad.numbers].map((number) => state.packs[number]?.id));
  const isComplete = wanted === undefined && unreadable.length === 0;
  return {
    snapshots: walked.length,
    trees: walker.trees,
    blobs: state.index.count,
    packs: sizes.size,
    readBytes: progress.doneBytes,
    defects: defects.all,
    // Only who has seen all snapshots can say what none needs.
    unusedBlobs: isComplete ? walker.unusedBlobs() : 0,
    unnamedRoots: isComplete ? await walker.unnamedRoots() : 0,
    unindexedPacks: [...sizes.keys()].filter((id) => !indexedIds.has(id)).length,
    coldPacks: cold.size,
    ...(parity && { parity }),
    soundPacks: [...chosen].filter((id) => !badIds.has(id)),
  };
}

/** What others' passwords open cannot be looked into, but a damaged key file can lock restic's users out. */
async function verifyKeys(storage: Storage, defects: DefectList, signal: AbortSignal): Promise<void> {
  for await (const { name } of storage.list("key", signal)) {
    try {
      parseKeyFile(name, await storage.load({ kind: "key", name }, undefined, signal));
    } catch (error) {
      if (isHoldfastError(error, "storage-not-found")) continue;
      if (!isHoldfastError(error, "repository-damaged") && !isHoldfastError(error, "storage-failed")) throw error;
      defects.add("key-damaged", storedPath({ kind: "key", name }), String(error.facts["reason"] ?? ""));
    }
  }
}

function readerOf(storage: Storage, key: MasterKey, state: IndexState): StoredBlobReader {
  const table = new PackTable();
  for (const { id, size } of state.packs) table.extend(table.number(id), size);
  return new StoredBlobReader(storage, key, state.index, table);
}

/** Bytes read of those to be read: every pack where data is read, then all trees. */
class Progress {
  readonly #totalBytes: number;
  readonly #onProgress: VerifyOptions["onProgress"];
  #doneBytes = 0;

  constructor(
    state: IndexState,
    sizes: ReadonlyMap<Id, number>,
    chosen: ReadonlySet<Id>,
    { onProgress }: VerifyOptions,
  ) {
    let total = 0;
    for (const id of chosen) total += sizes.get(id) ?? 0;
    for (let entry = 0; entry < state.index.count; entry++) {
      if (state.index.type(entry) === "tree") total += state.index.location(entry)?.length ?? 0;
    }
    this.#totalBytes = total;
    this.#onProgress = onProgress;
  }

  get doneBytes(): number {
    return this.#doneBytes;
  }

  add(bytes: number): void {
    this.#doneBytes += bytes;
    this.#onProgress?.(this.#doneBytes, this.#totalBytes);
  }

  /** Trees that no snapshot needs were not read. */
  finish(): void {
    this.#onProgress?.(this.#totalBytes, this.#totalBytes);
  }
}
