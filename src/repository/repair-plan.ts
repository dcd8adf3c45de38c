import type { Id } from "../format/tree.ts";
import type { Limits } from "../lib/limits.ts";
import type { Lock } from "./repository.ts";

export interface RepairOptions {
  /**
   * `index`: the index as it must be, from the packs' own lists; reads none that an index names. `packs`: besides, reads
   * every pack, and saves what is good in damaged ones.
   */
  readonly what: "index" | "packs";
  /** Packs that `index` reads all the same: somebody saw that they are damaged. */
  readonly suspects?: ReadonlySet<Id>;
  readonly signal: AbortSignal;
  readonly limits: Limits;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
}

export interface RepairPlan {
  readonly summary: RepairSummary;
  readonly read: ReadPacks;
  /** Writes what is new, then removes what it replaces. `lock`: exclusive, and held since before the plan was made. */
  apply(lock: Lock): Promise<void>;
}

/** Packs that were read whole for a plan. What the storage does not give, and what an index says otherwise, is neither. */
export interface ReadPacks {
  readonly sound: readonly Id[];
  readonly damaged: readonly Id[];
}

/** Ids of packs, but for `rewritten` and `indexes`. */
export interface RepairSummary {
  /** `config` and key files (`keys/…`) that are written anew: what they must hold is known. */
  readonly rewritten: readonly string[];
  /** Key files that nobody can open any more. */
  readonly removedKeys: readonly Id[];
  /** Index files that cannot be read, and go. */
  readonly indexes: readonly Id[];
  /** No index names them, or only one that goes: they are named again. */
  readonly adopted: readonly Id[];
  /** The index says something else of them than they do themselves. */
  readonly corrected: readonly Id[];
  /** Missing or damaged, and made anew from parity. */
  readonly rebuilt: readonly Id[];
  /** Parity files that are damaged, and go; the next backup makes new ones. */
  readonly removedParity: readonly Id[];
  /** The index names them, and they are not there. */
  readonly missing: readonly Id[];
  /** Damaged: what is good in them is written into new packs, and they go. */
  readonly salvaged: readonly SalvagedPack[];
  /** The storage does not give all of them: as damaged ones, but they stay where they are. */
  readonly withheld: readonly SalvagedPack[];
  /** Damaged, and only `packs` can save what is in them. */
  readonly left: readonly Id[];
  /** Blobs that are good nowhere. */
  readonly lostBlobs: number;
}

export interface SalvagedPack {
  readonly id: Id;
  /** Blobs that are good, and those that are not. */
  readonly good: number;
  readonly lost: number;
}

export function needsRepair(summary: RepairSummary): boolean {
  const { rewritten, removedKeys, indexes, adopted, corrected, rebuilt, removedParity, missing } = summary;
  const { salvaged, withheld } = summary;
  const lists = [
    rewritten,
    removedKeys,
    indexes,
    adopted,
    corrected,
    rebuilt,
    removedParity,
    missing,
    salvaged,
    withheld,
  ];
  return lists.some((list) => list.length > 0);
}
