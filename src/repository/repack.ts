import type { MasterKey } from "../format/crypto.ts";
import type { SealedFile } from "../format/unpacked.ts";
import type { Limits } from "../lib/limits.ts";
import { HoldfastError } from "../lib/errors.ts";
import { mapBounded } from "../lib/map-bounded.ts";
import { lowerPriority } from "../lib/posix.ts";
import type { Storage } from "../storage/storage.ts";
import type { BlobIndex } from "./blob-index.ts";
import { type EntryRun, runsOfEntries } from "./entry-runs.ts";
import { transferable } from "./message-bytes.ts";
import { PackSaver } from "./pack-saver.ts";
import { PackSlots } from "./pack-slots.ts";
import type { PackTable } from "./pack-table.ts";
import { offerPackBuffer } from "./pack-buffers.ts";
import type { RepackAnswer, RepackRequest, RepackWorkerSetup } from "./repack-worker.ts";
import { SharedBits } from "./shared-bits.ts";
import { Throttle, throttleBytes } from "./throttle.ts";
import type { PackNotice } from "./upload-messages.ts";
import { WorkerPool } from "./worker-pool.ts";

export interface RepackOptions {
  readonly storage: Storage;
  readonly key: MasterKey;
  readonly index: BlobIndex;
  readonly packs: PackTable;
  /** Entries of the blobs to be written anew. */
  readonly entries: readonly number[];
  readonly limits: Limits;
  readonly signal: AbortSignal;
  readonly saveIndex: (index: SealedFile) => Promise<void>;
  readonly onBytes: (bytes: number) => void;
}

/** Bytes of blobs for which a further thread is worth its last, half-full packs. */
const bytesPerWorker = 32 << 20;

/**
 * Writes blobs into new packs, in the order of the old ones. Resolves when the new packs are stored and an index names
 * them; the old packs are untouched. Throws when a blob cannot be read or is not what its id says.
 */
export async function repack(options: RepackOptions): Promise<void> {
  const { storage, key, index, packs, limits, saveIndex, onBytes } = options;
  const runs = runsOfEntries(options.entries, index);
  const bytes = runs.reduce((sum, { start, end }) => sum + end - start, 0);
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const slots = PackSlots.create(storage.traits.connections);
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined);
  const fail = (error: unknown): void => {
    slots.stop();
    stop.abort(error);
    failed.reject(error);
  };
  const firstNew = index.count;
  const saver = new PackSaver({
    storage,
    key,
    index,
    packs,
    slots,
    throttle: new Throttle(new SharedArrayBuffer(throttleBytes), limits.writeBytesPerSecond),
    signal,
    saveIndex,
    onFailure: fail,
  });
  if (limits.priority === "low") lowerPriority();
  const setup: RepackWorkerSetup = { role: "repack", key, index: index.shared, packSlots: slots.memory };
  const pool = new WorkerPool({
    size: Math.max(1, Math.min(limits.workers, Math.ceil(bytes / bytesPerWorker))),
    setup,
    onNotice: (notice) =>
      saver.save(notice as PackNotice, (buffer) => offerPackBuffer(buffer, (offered) => pool.recycle(offered))),
    onFailure: fail,
  });
  options.signal.addEventListener("abort", () => fail(options.signal.reason), { once: true });

  async function move({ pack, start, end, entries }: EntryRun): Promise<RepackAnswer> {
    signal.throwIfAborted();
    const range = { offset: start, length: end - start };
    const owned = transferable([await storage.load({ kind: "data", name: packs.id(pack) }, range, signal)]);
    const request: RepackRequest = { type: "move", bytes: owned, start, entries: Int32Array.from(entries) };
    return await pool.request<RepackAnswer>(request, [owned.buffer]);
  }

  async function moveAll(): Promise<void> {
    await mapBounded(runs, limits.workers + 1, async (run) => {
      // What came over a bad line is asked for once more.
      for (const again of runsOfEntries(await move(run), index)) {
        const [damaged] = await move(again);
        if (damaged === undefined) continue;
        throw new HoldfastError("repository-damaged", { reason: "blob hash", blob: index.id(damaged) });
      }
      onBytes(run.end - run.start);
    });
    await pool.requestAll({ type: "flush" } satisfies RepackRequest);
    await saver.finish();
  }

  try {
    await Promise.race([moveAll(), failed.promise]);
    stop.signal.throwIfAborted();
    checkWritten(options.entries, index, firstNew);
  } finally {
    fail(new HoldfastError("cancelled"));
    await pool.close();
    // Nothing of this may be written once it is over.
    await saver.idle;
  }
}

/** Nothing may be deleted for which there is no new copy: counted once more by what the new packs hold. */
function checkWritten(entries: readonly number[], index: BlobIndex, firstNew: number): void {
  const written = new SharedBits(index.count);
  for (let entry = firstNew; entry < index.count; entry++) written.add(index.first(entry));
  for (const entry of entries) {
    if (written.has(index.first(entry))) continue;
    throw new HoldfastError("internal", { reason: "blob not written", blob: index.id(entry) });
  }
}
