import type { MasterKey } from "../format/crypto.ts";
import type { Id } from "../format/tree.ts";
import { isHoldfastError } from "../lib/errors.ts";
import type { Limits } from "../lib/limits.ts";
import { mapBounded } from "../lib/map-bounded.ts";
import { lowerPriority } from "../lib/posix.ts";
import type { Storage } from "../storage/storage.ts";
import type { DefectList } from "./defects.ts";
import { packPath, type IndexedPackRecord, type IndexState } from "./verify-index.ts";
import type { PackProblem, PackToVerify } from "./verify-pack.ts";
import type { VerifyWorkerSetup } from "./verify-worker.ts";
import { WorkerPool } from "./worker-pool.ts";

export interface PacksToVerify {
  readonly storage: Storage;
  readonly key: MasterKey;
  readonly state: IndexState;
  /** Every pack file that was listed, with its size. */
  readonly sizes: ReadonlyMap<Id, number>;
  readonly defects: DefectList;
  readonly limits: Limits;
  readonly signal: AbortSignal;
  readonly onRead: (bytes: number) => void;
}

/** Entries of the index whose blob cannot be had from its pack. */
export type BadEntries = Set<number>;

/** Packs that an index names: are they there, and as long as they must be? */
export function verifyPackFiles(state: IndexState, sizes: ReadonlyMap<Id, number>, defects: DefectList): BadEntries {
  const bad: BadEntries = new Set();
  for (const pack of state.packs) {
    const size = sizes.get(pack.id);
    if (size === pack.size) continue;
    if (size === undefined) defects.add("pack-missing", packPath(pack.id));
    else defects.add("pack-size", packPath(pack.id), `${size}, not ${pack.size}`);
    for (let entry = pack.first; entry < pack.first + pack.blobs; entry++) {
      const { offset = 0, length = 0 } = state.index.location(entry) ?? {};
      if (offset + length > (size ?? 0)) bad.add(entry);
    }
  }
  return bad;
}

/** Reads every byte of every pack that an index names, in worker threads. Adds to `bad`. */
export async function readPacks(parts: PacksToVerify, bad: BadEntries): Promise<void> {
  const { key, state, sizes, limits, signal } = parts;
  if (limits.priority === "low") lowerPriority();
  const setup: VerifyWorkerSetup = { role: "verify", key, index: state.index.shared };
  // What fails in a thread fails the request that is awaited below.
  const pool = new WorkerPool({ size: limits.workers, setup, onFailure: () => undefined });
  try {
    const there = state.packs.filter(({ id }) => sizes.has(id));
    // One more than there are threads, so that none waits for the storage.
    await mapBounded(there, limits.workers + 1, async (pack) => {
      signal.throwIfAborted();
      for (const { code, detail, entry } of await readPack(parts, pool, pack)) {
        if (entry >= 0) bad.add(entry);
        parts.defects.add(code, packPath(pack.id), detail);
      }
      parts.onRead(sizes.get(pack.id) ?? 0);
    });
  } finally {
    await pool.close();
  }
}

async function readPack(
  { storage, signal }: PacksToVerify,
  pool: WorkerPool,
  pack: IndexedPackRecord,
): Promise<readonly PackProblem[]> {
  let bytes: Uint8Array;
  try {
    bytes = await storage.load({ kind: "data", name: pack.id }, undefined, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!isHoldfastError(error, "storage-failed") && !isHoldfastError(error, "storage-not-found")) throw error;
    const detail = String(error.facts["reason"] ?? error.code);
    const entries = Array.from({ length: pack.blobs }, (_, index) => pack.first + index);
    return [
      { code: "pack-unreadable", detail, entry: -1 },
      ...entries.map((entry) => ({ code: "blob-damaged" as const, detail, entry })),
    ];
  }
  // A small one may share its memory with others, which must not be handed over with it.
  const owned = bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
  const request: PackToVerify = { id: pack.id, bytes: owned, first: pack.first, blobs: pack.blobs };
  return pool.request<readonly PackProblem[]>(request, [owned.buffer as ArrayBuffer]);
}
