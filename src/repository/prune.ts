import type { MasterKey } from "../format/crypto.ts";
import { maxIndexBlobs } from "../format/index-file.ts";
import { formatTime, parseTime } from "../format/time.ts";
import type { Id } from "../format/tree.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { mapBounded } from "../lib/map-bounded.ts";
import { storedPath } from "../storage/layout.ts";
import type { HiddenFile, Storage } from "../storage/storage.ts";
import { DefectList } from "./defects.ts";
import { rewriteIndex } from "./index-rewrite.ts";
import { checksOf } from "./lock-checks.ts";
import { makeRoom } from "./make-room.ts";
import { regroup } from "./parity.ts";
import { PackTable } from "./pack-table.ts";
import { choosePacks, type PackFate, type PruneChoice } from "./prune-choice.ts";
import { repack } from "./repack.ts";
import type { LockedSum, PackSum, PruneOptions, PrunePlan, PruneResult, PruneSummary } from "./prune-plan.ts";
import type { Lock } from "./repository.ts";
import { listSnapshots, loadSnapshots } from "./snapshots.ts";
import { walkUsedBlobs, type UsedBlobs } from "./used-blobs.ts";
import { verifyIndexes, type IndexedPackRecord, type IndexState } from "./verify-index.ts";

/**
 * Finds what no snapshot needs, and takes it away.
 *
 * The plan only looks, and refuses with `prune-unsafe` when anything is not as it must be: a snapshot or an index that
 * cannot be read, a tree or a blob that is missing, a pack of the wrong size. `apply` needs an exclusive lock, held since
 * before the plan was made. Its order makes every moment a good one to be killed at:
 *
 * 1. Files that no index names go, and marked packs whose time has come.
 * 2. What is needed of packs with much waste is written into new packs, and these are named in new index files.
 * 3. Packs leave the index; see `rewriteIndex`. They are marked for deletion, or deleted at once.
 *
 * A marked pack is out of the index, so no new backup relies on it, but still there for whoever looked before without
 * a lock. If a snapshot needs one after all, the next plan takes it back.
 */
export interface PrunedParts {
  readonly storage: Storage;
  readonly key: MasterKey;
}

interface Found {
  readonly snapshots: ReadonlySet<Id>;
  readonly state: IndexState;
  readonly used: UsedBlobs;
  /** Pack files that are there. */
  readonly sizes: ReadonlyMap<Id, number>;
  readonly choice: PruneChoice;
  /** Packs that no index names and none marks. */
  readonly unnamed: readonly Id[];
  /** Such that stay: see `PruneOptions.awaited`. */
  readonly kept: readonly Id[];
  /** Marked packs that are there: to be deleted now, and later. */
  readonly due: readonly Id[];
  readonly waiting: ReadonlySet<Id>;
  readonly hidden: Hidden;
}

/** What removals have hidden in a storage that locks. */
interface Hidden {
  readonly locked: LockedSum;
  /** Locked no longer. */
  readonly free: readonly HiddenFile[];
}

export async function planPrune(parts: PrunedParts, options: PruneOptions): Promise<PrunePlan> {
  const found = await look(parts, options);
  return {
    summary: summarise(found),
    apply: (lock) => applyPrune(parts, options, found, lock),
    makeRoom: () => removeUseless(parts, options, found),
  };
}

async function look({ storage, key }: PrunedParts, options: PruneOptions): Promise<Found> {
  const { signal, limits, onTrees } = options;
  const { readable, unreadable } = await loadSnapshots(storage, key, signal);
  const [broken] = unreadable;
  // Nobody knows what it needs.
  if (broken !== undefined) throw unsafe("snapshot-unreadable", storedPath({ kind: "snapshot", name: broken.id }));
  const sizes = new Map<Id, number>();
  const cold = new Set<Id>();
  for await (const { name, size, access } of storage.list("data", signal)) {
    sizes.set(name, size);
    if (access === "cold") cold.add(name);
  }
  const roots = readable.map(({ snapshot }) => snapshot.tree);
  const read = async (marked: "leave" | "take back"): Promise<{ state: IndexState; used: UsedBlobs }> => {
    const defects = new DefectList();
    const state = await verifyIndexes(storage, key, defects, signal, { marked });
    const [defect] = defects.all;
    if (defect !== undefined) throw unsafe(defect.code, defect.subject);
    const packName = (pack: number): Id => state.packs[pack]?.id ?? "";
    const { index } = state;
    const used = await walkUsedBlobs(roots, {
      storage,
      key,
      index,
      packName,
      limits,
      signal,
      ...(onTrees && { onTrees }),
    });
    return { state, used };
  };

  let { state, used } = await read("leave");
  let tookBack = false;
  if (used.problemCount > 0 && state.files.some(({ marked }) => marked.length > 0)) {
    tookBack = true;
    ({ state, used } = await read("take back"));
  }
  const [problem] = used.problems;
  if (problem !== undefined) throw unsafe(problem.code, problem.blob, used.problemCount);
  const awaited = (await options.awaited?.(signal)) ?? new Set<Id>();
  const choice = choosePacks(state, used, sizes, options, { cold, awaited });
  const [lost] = choice.lost;
  if (lost !== undefined) {
    const code = sizes.has(lost) ? "pack-size" : "pack-missing";
    throw unsafe(code, storedPath({ kind: "data", name: lost }), choice.lost.length);
  }

  const named = new Set(state.packs.map(({ id }) => id));
  const due: Id[] = [];
  const waiting = new Set<Id>();
  const now = BigInt(options.now().getTime()) * 1_000_000n;
  for (const { marked } of tookBack ? [] : state.files) {
    for (const { id, time } of marked) {
      if (named.has(id) || !sizes.has(id) || waiting.has(id)) continue;
      // Who does not say when marked it just now, as far as we know.
      const since = (time === undefined ? undefined : parseTime(time)) ?? now;
      if (now - since >= BigInt(options.keepMarkedMs) * 1_000_000n) due.push(id);
      else waiting.add(id);
    }
  }
  const known = new Set([...due, ...waiting]);
  const others = [...sizes.keys()].filter((id) => !named.has(id) && !known.has(id));
  const [unnamed, kept] = [others.filter((id) => !awaited.has(id)), others.filter((id) => awaited.has(id))];
  const hidden = await lookAtHidden(storage, options);
  const snapshots = new Set(readable.map(({ id }) => id));
  return { snapshots, state, used, sizes, choice, unnamed, kept, due, waiting, hidden };
}

async function lookAtHidden({ retention }: Storage, { signal, now }: PruneOptions): Promise<Hidden> {
  const free: HiddenFile[] = [];
  let files = 0;
  let bytes = 0;
  let last = 0;
  if (retention !== undefined) {
    for await (const file of retention.hidden(signal)) {
      if (file.until === undefined || file.until <= now()) free.push(file);
      else {
        files++;
        bytes += file.size;
        last = Math.max(last, file.until.getTime());
      }
    }
  }
  return { locked: { files, bytes, ...(last > 0 && { until: new Date(last).toISOString() }) }, free };
}

function summarise(found: Found): PruneSummary {
  const { snapshots, state, used, sizes, choice, unnamed, kept, due, waiting, hidden } = found;
  const sumOf = (ids: Iterable<Id>): PackSum => {
    const sum = { packs: 0, bytes: 0 };
    for (const id of ids) {
      sum.packs++;
      sum.bytes += sizes.get(id) ?? 0;
    }
    return sum;
  };
  const ofFate = (fate: string): readonly IndexedPackRecord[] =>
    state.packs.filter(({ id }, pack) => choice.fates[pack] === fate && sizes.has(id));
  const idsOf = (packs: readonly IndexedPackRecord[]): readonly Id[] => packs.map(({ id }) => id);
  let rewrittenBytes = 0;
  for (const [pack, fate] of choice.fates.entries()) {
    if (fate === "repack") rewrittenBytes += choice.keptBytes[pack] ?? 0;
  }
  return {
    snapshots: snapshots.size,
    trees: used.trees,
    total: sumOf(sizes.keys()),
    keep: sumOf([...idsOf(ofFate("keep")), ...kept]),
    repack: { ...sumOf(idsOf(ofFate("repack"))), keptBytes: rewrittenBytes },
    remove: sumOf(idsOf(ofFate("drop"))),
    unnamed: sumOf(unnamed),
    due: sumOf(due),
    waiting: sumOf(waiting),
    locked: hidden.locked,
    unlocked: { files: hidden.free.length, bytes: hidden.free.reduce((sum, { size }) => sum + size, 0) },
    wasteLeftBytes: choice.leftBytes,
  };
}

async function applyPrune(
  { storage, key }: PrunedParts,
  options: PruneOptions,
  found: Found,
  lock: Lock,
): Promise<PruneResult> {
  const { sizes, choice, waiting } = found;
  const signal = AbortSignal.any([options.signal, lock.lost]);
  const fates = [...choice.fates];
  const free = async (): Promise<number> => (await storage.traits.freeBytes?.(signal)) ?? Infinity;
  const goingBlobs = found.state.packs.reduce((sum, { blobs }, pack) => sum + (fates[pack] === "keep" ? 0 : blobs), 0);
  const forLackOfRoom = options.keepMarkedMs > 0 && (await free()) < spareBytes / 2 + goingBlobs * markBytes;
  const result = {
    forLackOfRoom,
    postponedPacks: 0,
    locked: found.hidden.locked,
    deletedPacks: 0,
    deletedBytes: 0,
    markedPacks: 0,
    markedBytes: 0,
    writtenBytes: 0,
  };
  const makeSure = checksOf(lock, options.now, signal);
  const remove = async (ids: readonly Id[]): Promise<void> => {
    await lock.check(signal);
    try {
      if (ids.length > 0) await regroup(storage, new Set(ids), { signal });
    } catch (error) {
      // Where there is no room for both, room comes first: whoever keeps parity makes it anew after a prune.
      if (!isHoldfastError(error, "storage-full")) throw error;
    }
    await mapBounded(ids, storage.traits.connections, async (name) => {
      // Others may have taken them up by now, who took the lock of a machine that slept for forgotten.
      await makeSure();
      await storage.remove({ kind: "data", name }, signal);
      result.deletedPacks++;
      result.deletedBytes += sizes.get(name) ?? 0;
      options.onDeleted?.(result.deletedBytes);
    });
  };

  await lock.check(signal);
  await makeSureOfSnapshots(storage, found, signal);
  const before = new Date(options.now().getTime() - leftoverAgeMs);
  result.deletedBytes += (await storage.traits.removeLeftovers?.(before, signal)) ?? 0;
  await mapBounded(found.hidden.free, storage.traits.connections, async (file) => {
    await storage.retention?.destroyHidden(file, signal);
    result.deletedBytes += file.size;
  });
  await remove([...found.unnamed, ...found.due]);

  const atOnce = options.keepMarkedMs === 0 || forLackOfRoom;
  const markTime = atOnce ? {} : { markTime: formatTime(BigInt(options.now().getTime()) * 1_000_000n) };
  const drop = async (state: IndexState, which: readonly PackFate[]): Promise<IndexState> => {
    const dropped = new Set([...fates.keys()].filter((pack) => which.some((fate) => fate === fates[pack])));
    const files = await rewriteIndex({
      storage,
      key,
      lock,
      signal,
      state,
      dropped,
      ...markTime,
      blobsAFile: (await free()) < spareBytes ? 1 : maxIndexBlobs,
      isOldMark: (id) => !waiting.has(id),
      onUnnamed: async (packs) => {
        const there = packs.map(({ id }) => id).filter((id) => sizes.has(id));
        if (atOnce) return remove(there);
        result.markedPacks += there.length;
        for (const id of there) result.markedBytes += sizes.get(id) ?? 0;
      },
    });
    return { ...state, files };
  };

  let { state } = found;
  const neededBytes = (): number =>
    fates.reduce((sum, fate, pack) => sum + (fate === "repack" ? (choice.keptBytes[pack] ?? 0) : 0), 0);
  // Room first, where the new packs may not fit beside the old.
  if (neededBytes() > 0 && (await free()) < neededBytes() + spareBytes) {
    state = await drop(state, ["drop"]);
    result.postponedPacks = postpone(found, fates, (await free()) - spareBytes);
  }
  if (neededBytes() > 0) {
    const packs = new PackTable();
    for (const { id, size } of state.packs) packs.extend(packs.number(id), size);
    await repack({
      storage,
      key,
      index: state.index,
      packs,
      entries: entriesToMove(found, fates),
      limits: options.limits,
      signal,
      saveIndex: async ({ name, bytes }) => {
        await lock.check(signal);
        await storage.save({ kind: "index", name }, bytes, signal);
      },
      onBytes: (bytes) => options.onMoved?.((result.writtenBytes += bytes)),
    });
  }
  await drop(state, ["drop", "repack"]);
  if (storage.retention !== undefined) result.locked = (await lookAtHidden(storage, options)).locked;
  return result;
}

/**
 * A share that was away for a moment, or a bucket whose list lags behind, may have told of fewer snapshots than there are.
 * What these need is deleted next.
 */
async function makeSureOfSnapshots(storage: Storage, { snapshots }: Found, signal: AbortSignal): Promise<void> {
  const missed = (await listSnapshots(storage, signal)).find((id) => !snapshots.has(id));
  if (missed === undefined) return;
  const path = storedPath({ kind: "snapshot", name: missed });
  throw new HoldfastError("storage-failed", { path, reason: "a list that was not whole" });
}

/** Anybody who still writes to a file does so more often. */
const leftoverAgeMs = 60 * 60_000;
/** Room beside what is written anew: for indexes, and for others on the disk. */
const spareBytes = 32 << 20;
/** Bytes in an index of a blob that is marked: below room for all of them, packs that go are not kept for a while. */
const markBytes = 200;

/** Of the packs to be written anew, those stay as they are for which there is no room. Gives how many. */
function postpone({ state, choice }: Found, fates: PackFate[], roomBytes: number): number {
  const wasteOf = (pack: number): number => 1 - (choice.keptBytes[pack] ?? 0) / (state.packs[pack]?.size ?? 1);
  const wanted = [...fates.keys()].filter((pack) => fates[pack] === "repack");
  let room = roomBytes;
  let postponed = 0;
  for (const pack of wanted.toSorted((a, b) => wasteOf(b) - wasteOf(a))) {
    room -= choice.keptBytes[pack] ?? 0;
    if (room >= 0) continue;
    fates[pack] = "keep";
    postponed++;
  }
  return postponed;
}

/**
 * What may go without a lock: what a cut-off save left, marked packs whose time has come, and an index file that names
 * nothing needed. Of its packs none is touched: who came at the same moment still finds them.
 */
async function removeUseless({ storage }: PrunedParts, options: PruneOptions, found: Found): Promise<boolean> {
  const { signal } = options;
  await makeSureOfSnapshots(storage, found, signal);
  const before = new Date(options.now().getTime() - leftoverAgeMs);
  if (((await storage.traits.removeLeftovers?.(before, signal)) ?? 0) > 0) return true;
  const { state, due, choice } = found;
  const index = state.files.find(
    ({ packs, marked }) => marked.length === 0 && packs.every((pack) => choice.fates[pack] === "drop"),
  );
  const packs = due.map((name) => ({ kind: "data", name }) as const);
  return makeRoom(storage, index === undefined ? packs : [...packs, { kind: "index", name: index.name }], signal);
}

function entriesToMove({ state, choice }: Found, fates: readonly PackFate[]): readonly number[] {
  const entries: number[] = [];
  for (const [pack, { first, blobs }] of state.packs.entries()) {
    if (fates[pack] !== "repack") continue;
    for (let entry = first; entry < first + blobs; entry++) if (choice.kept.has(entry)) entries.push(entry);
  }
  return entries;
}

function unsafe(problem: string, subject: string, count = 1): HoldfastError {
  return new HoldfastError("prune-unsafe", { problem, subject, ...(count > 1 && { count }) });
}
