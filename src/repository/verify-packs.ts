import type { MasterKey } from "../format/crypto.ts";
import type { Id } from "../format/tree.ts";
import { isHoldfastError } from "../lib/errors.ts";
import type { Limits } from "../lib/limits.ts";
import { mapBounded } from "../lib/map-bounded.ts";
import { lowerPriority } from "../lib/posix.ts";
import type { Storage } from "../storage/storage.ts";
import type { DefectCode, DefectList, NamedDefect } from "./defects.ts";
import { transferable } from "./message-bytes.ts";
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
  /** Only these packs; absent: all. */
  readonly only?: ReadonlySet<Id>;
  readonly limits: Limits;
  readonly signal: AbortSignal;
  readonly onRead: (bytes: number) => void;
}

/** What is wrong with packs: their defects, and the entries of the index whose blob cannot be had from its pack. */
export class BadPacks {
  readonly entries = new Set<number>();
  readonly #defects: DefectList;
  readonly #byPack = new Map<number, NamedDefect[]>();

  constructor(defects: DefectList) {
    this.#defects = defects;
  }

  /** Numbers of the packs that have a defect. */
  get numbers(): Iterable<number> {
    return this.#byPack.keys();
  }

  has(number: number): boolean {
    return this.#byPack.has(number);
  }

  add(number: number, id: Id, code: DefectCode, detail = ""): void {
    const found = this.#byPack.get(number) ?? [];
    this.#byPack.set(number, found);
    const defect = this.#defects.add(code, packPath(id), detail);
    if (defect !== undefined) found.push(defect);
  }

  /** Says which snapshots a pack's defects touch: those that need a blob which it alone had. */
  touch(number: number, snapshots: readonly Id[]): void {
    for (const defect of this.#byPack.get(number) ?? []) defect.snapshots = snapshots;
  }
}

/** Packs that an index names: are they there, and as long as they must be? */
export function verifyPackFiles(state: IndexState, sizes: ReadonlyMap<Id, number>, bad: BadPacks): void {
  for (const [number, pack] of state.packs.entries()) {
    const size = sizes.get(pack.id);
    if (size === pack.size) continue;
    if (size === undefined) bad.add(number, pack.id, "pack-missing");
    else bad.add(number, pack.id, "pack-size", `${size}, not ${pack.size}`);
    for (let entry = pack.first; entry < pack.first + pack.blobs; entry++) {
      const { offset = 0, length = 0 } = state.index.location(entry) ?? {};
      if (offset + length > (size ?? 0)) bad.entries.add(entry);
    }
  }
}

/** Reads every byte of the packs that an index names, in worker threads. Adds to `bad`. */
export async function readPacks(parts: PacksToVerify, bad: BadPacks): Promise<void> {
  const { key, state, sizes, only, limits, signal } = parts;
  if (limits.priority === "low") lowerPriority();
  const setup: VerifyWorkerSetup = { role: "verify", key, index: state.index.shared };
  // What fails in a thread fails the request that is awaited below.
  const pool = new WorkerPool({ size: limits.workers, setup, onFailure: () => undefined });
  try {
    const there = [...state.packs.entries()].filter(([, { id }]) => sizes.has(id) && (only?.has(id) ?? true));
    // One more than there are threads, so that none waits for the storage.
    await mapBounded(there, limits.workers + 1, async ([number, pack]) => {
      signal.throwIfAborted();
      for (const { code, detail, entry } of await readPack(parts, pool, pack)) {
        if (entry >= 0) bad.entries.add(entry);
        bad.add(number, pack.id, code, detail);
      }
      parts.onRead(sizes.get(pack.id) ?? 0);
    });
  } finally {
    await pool.close();
  }
}

/** What came over a bad line may be wrong though the pack is right: it is read once more before anything is said of it. */
async function readPack(
  parts: PacksToVerify,
  pool: WorkerPool,
  pack: IndexedPackRecord,
): Promise<readonly PackProblem[]> {
  const problems = await readPackOnce(parts, pool, pack);
  const isRead = problems.every(({ code }) => code !== "pack-unreadable");
  return problems.length > 0 && isRead ? await readPackOnce(parts, pool, pack) : problems;
}

async function readPackOnce(
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
  const owned = transferable([bytes]);
  const request: PackToVerify = { id: pack.id, bytes: owned, first: pack.first, blobs: pack.blobs };
  return pool.request<readonly PackProblem[]>(request, [owned.buffer]);
}
