import type { Id } from "../format/tree.ts";
import type { Limits } from "../lib/limits.ts";
import type { ChoiceLimits } from "./prune-choice.ts";
import type { Lock } from "./repository.ts";

export interface PruneOptions extends ChoiceLimits {
  readonly signal: AbortSignal;
  readonly now: () => Date;
  readonly limits: Limits;
  /**
   * How long packs that are no longer needed are kept outside of the index before a later prune deletes them, in
   * milliseconds. 0: they are deleted at once, and nothing bigger than an index is written before.
   */
  readonly keepMarkedMs: number;
  /** Ids of packs that stay as they are though no snapshot needs them yet; absent: none. Asked when all else is known to be whole. */
  readonly awaited?: (signal: AbortSignal) => Promise<ReadonlySet<Id>>;
  readonly onTrees?: (trees: number) => void;
  /** Bytes of old packs of which what is needed was read, so far. */
  readonly onMoved?: (bytes: number) => void;
  readonly onDeleted?: (bytes: number) => void;
}

export interface PrunePlan {
  readonly summary: PruneSummary;
  /** `lock`: exclusive, and held since before the plan was made. */
  apply(lock: Lock): Promise<PruneResult>;
  /** For a disk on which no lock can be written: see `makeRoom`. The plan is of no use afterwards. */
  makeRoom(): Promise<boolean>;
}

export interface PackSum {
  readonly packs: number;
  readonly bytes: number;
}

/** Files of any kind that are hidden, in a storage that locks. */
export interface LockedSum {
  readonly files: number;
  readonly bytes: number;
  /** RFC 3339: when the last of them can be destroyed. */
  readonly until?: string;
}

/** Each pack file counts in one of `keep` to `waiting`. */
export interface PruneSummary {
  readonly snapshots: number;
  readonly trees: number;
  readonly total: PackSum;
  readonly keep: PackSum;
  /** To be written anew; `keptBytes` of them are needed. */
  readonly repack: PackSum & { readonly keptBytes: number };
  /** Nothing in them is needed. */
  readonly remove: PackSum;
  /** No index names them: an interrupted run left them. */
  readonly unnamed: PackSum;
  /** Marked for deletion long enough ago. */
  readonly due: PackSum;
  /** Marked for deletion, and still kept for a while. */
  readonly waiting: PackSum;
  /** Hidden by an earlier removal, and locked: their bytes stay until then. */
  readonly locked: LockedSum;
  /** Hidden, and locked no longer: to be destroyed. */
  readonly unlocked: LockedSum;
  /** Not needed, in packs that stay as they are. */
  readonly wasteLeftBytes: number;
}

export interface PruneResult extends PackResult {
  /** The disk was too full for keeping packs for a while: they were deleted at once. */
  readonly forLackOfRoom: boolean;
  /** Packs that were to be written anew, for which there was no room on the disk. */
  readonly postponedPacks: number;
  /** What is hidden and locked when it is over, what this prune deleted among it. */
  readonly locked: LockedSum;
  /** Of packs that were read to write them anew. */
  readonly writtenBytes: number;
}

interface PackResult {
  readonly deletedPacks: number;
  readonly deletedBytes: number;
  /** To be deleted by a prune after `keepMarkedMs`. */
  readonly markedPacks: number;
  readonly markedBytes: number;
}
