import type { Id } from "../format/tree.ts";
import { SharedBits } from "./shared-bits.ts";
import type { UsedBlobs } from "./used-blobs.ts";
import type { IndexState } from "./verify-index.ts";

/**
 * What becomes of each pack; pure numbers, so that it can be tried on any repository that can be thought of.
 *
 * A blob may stand in several packs, and one copy is enough: that in the pack which stays anyway. A pack without a
 * needed copy goes. One with some waste is written anew without it, the most wasteful first, until what waste is left is
 * as little as was asked for. Many small packs are written together.
 */
export interface PruneChoice {
  /** The copies that are kept: one entry for each needed blob. */
  readonly kept: SharedBits;
  /** What becomes of each pack, by its number. */
  readonly fates: readonly PackFate[];
  /** For each pack: how many kept copies it has, and their bytes. */
  readonly keptBlobs: Int32Array;
  readonly keptBytes: Float64Array;
  /** Bytes of unneeded blobs in packs that stay as they are. */
  readonly leftBytes: number;
  /** Packs that have the only copy of a needed blob, and are not there or not as long as they must be. */
  readonly lost: readonly Id[];
}

export type PackFate = "keep" | "repack" | "drop";

export interface ChoiceLimits {
  /** How much of the repository may be waste, as a share of all (0.05) or in bytes; beyond that, packs are written anew. */
  readonly maxUnused: { readonly share: number } | { readonly bytes: number };
  /** Bytes of packs that may be written anew. */
  readonly maxRepackBytes: number;
}

/** A quarter of what our packs come to. So many of one type are written together, not each time anew. */
const smallPackBytes = 4 << 20;
const manySmallPacks = 10;

/** Packs of which more is known than what is needed of them. */
export interface SpecialPacks {
  /** They cannot be read now, and so not be written anew. */
  readonly cold: ReadonlySet<Id>;
  /** They stay as they are, needed or not. */
  readonly awaited: ReadonlySet<Id>;
}

/** `sizes`: the pack files that are there. */
export function choosePacks(
  state: IndexState,
  { used }: UsedBlobs,
  sizes: ReadonlyMap<Id, number>,
  limits: ChoiceLimits,
  { cold, awaited }: SpecialPacks = { cold: new Set(), awaited: new Set() },
): PruneChoice {
  const copies = chooseCopies(state, used, sizes);
  const { kept, keptBlobs, keptBytes } = copies;
  const fates = state.packs.map(({ id }, pack): PackFate =>
    keptBlobs[pack] === 0 && !awaited.has(id) ? "drop" : "keep",
  );
  let usedTotal = 0;
  let left = 0;
  const candidates: { pack: number; waste: number; must: boolean }[] = [];
  for (const [pack, { id, size }] of state.packs.entries()) {
    if (fates[pack] === "drop" || awaited.has(id)) continue;
    const keptHere = keptBytes[pack] ?? 0;
    usedTotal += keptHere;
    const must = mustBeWrittenAnew(state, pack);
    const waste = (keptBlobs[pack] ?? 0) === state.packs[pack]?.blobs ? 0 : size - keptHere;
    left += waste;
    if (must || waste > 0) candidates.push({ pack, waste, must });
  }
  const { maxUnused } = limits;
  const allowed = "bytes" in maxUnused ? maxUnused.bytes : (maxUnused.share / (1 - maxUnused.share)) * usedTotal;
  let room = limits.maxRepackBytes;
  const repack = (pack: number): boolean => {
    const { size = 0, id = "" } = state.packs[pack] ?? {};
    if (size > room || cold.has(id) || awaited.has(id)) return false;
    room -= size;
    fates[pack] = "repack";
    return true;
  };
  const share = ({ pack, waste }: { pack: number; waste: number }): number => waste / (state.packs[pack]?.size ?? 1);
  for (const one of candidates.toSorted((a, b) => Number(b.must) - Number(a.must) || share(b) - share(a))) {
    if (!one.must && left <= allowed) break;
    if (repack(one.pack)) left -= one.waste;
  }
  for (const small of smallPacks(state, fates)) repack(small);
  return { kept, fates, keptBlobs, keptBytes, leftBytes: left, lost: copies.lost };
}

/** As the format wants it: one type of blob a pack, and trees compressed. */
function mustBeWrittenAnew({ index, packs }: IndexState, pack: number): boolean {
  const { first = 0, blobs = 0 } = packs[pack] ?? {};
  const type = index.type(first);
  for (let entry = first; entry < first + blobs; entry++) {
    if (index.type(entry) !== type) return true;
    if (type === "tree" && index.location(entry)?.uncompressedLength === 0) return true;
  }
  return false;
}

function smallPacks({ index, packs }: IndexState, fates: readonly PackFate[]): readonly number[] {
  return (["data", "tree"] as const).flatMap((type) => {
    const small = [...packs.keys()].filter((pack) => {
      const { first = 0, size = 0 } = packs[pack] ?? {};
      return fates[pack] !== "drop" && size < smallPackBytes && index.type(first) === type;
    });
    return small.length < manySmallPacks ? [] : small.filter((pack) => fates[pack] === "keep");
  });
}

interface Copies {
  readonly kept: SharedBits;
  readonly keptBlobs: Int32Array;
  readonly keptBytes: Float64Array;
  readonly lost: readonly Id[];
}

function chooseCopies({ index, packs }: IndexState, used: SharedBits, sizes: ReadonlyMap<Id, number>): Copies {
  const kept = new SharedBits(index.count);
  const keptBlobs = new Int32Array(packs.length);
  const keptBytes = new Float64Array(packs.length);
  const lost = new Set<Id>();
  const isWhole = packs.map(({ id, size }) => sizes.get(id) === size);
  const keep = (entry: number, pack: number): void => {
    kept.add(entry);
    keptBlobs[pack] = (keptBlobs[pack] ?? 0) + 1;
    keptBytes[pack] = (keptBytes[pack] ?? 0) + (index.location(entry)?.length ?? 0);
  };
  const packOf = (entry: number): number => index.location(entry)?.pack ?? 0;

  // Needed blobs with several copies, by the first of them.
  const several = new Map<number, number[]>();
  const needed = new SharedBits(index.count);
  for (let entry = 0; entry < index.count; entry++) {
    const first = index.first(entry);
    if (!used.has(first)) continue;
    needed.add(entry);
    if (first === entry) continue;
    const known = several.get(first);
    if (known === undefined) several.set(first, [first, entry]);
    else known.push(entry);
  }
  const isCopy = new SharedBits(index.count);
  for (const copies of several.values()) for (const entry of copies) isCopy.add(entry);
  for (let entry = 0; entry < index.count; entry++) {
    if (!needed.has(entry) || isCopy.has(entry)) continue;
    const pack = packOf(entry);
    if (isWhole[pack] !== true) lost.add(packs[pack]?.id ?? "");
    keep(entry, pack);
  }
  for (const copies of several.values()) {
    let best: { entry: number; pack: number } | undefined;
    for (const entry of copies) {
      const pack = packOf(entry);
      if (isWhole[pack] !== true) continue;
      if (best === undefined || (keptBytes[pack] ?? 0) > (keptBytes[best.pack] ?? 0)) best = { entry, pack };
    }
    if (best === undefined) lost.add(packs[packOf(copies[0] ?? 0)]?.id ?? "");
    else keep(best.entry, best.pack);
  }
  return { kept, keptBlobs, keptBytes, lost: [...lost] };
}
