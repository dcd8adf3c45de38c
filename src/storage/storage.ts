import type { RetentionLock } from "../lib/keeping.ts";
import type { RenewLogin } from "./renewed-login.ts";

/**
 * Where a repository's bytes are kept.
 *
 * A storage holds named, immutable byte strings in the layout of a restic repository. It knows nothing of encryption,
 * packs or snapshots. Every storage MUST keep this contract, which `storage/contract.ts` tests for each:
 *
 * - `save` is all-or-nothing and durable when it resolves: a crash, a full disk or an abort leaves either the whole
 *   file or nothing that `list` shows. Saving a name that exists MUST fail with `storage-exists`, unless the stored
 *   file has the same size and the kind is not `config`: names are hashes of contents, so that is success (a retry
 *   after a lost answer).
 * - The bytes given to `save` may be on shared memory, which nobody writes to meanwhile.
 * - `load` gives exactly the bytes asked for, or fails: never a short read. Reading past the end is `storage-failed`.
 * - `list` gives each name once, in no order, with sizes; names that are not 64 hexadecimal digits are left out.
 *   A kind with no files lists as empty.
 * - `remove` of what is not there succeeds.
 * - Errors are `HoldfastError`s with a `storage-*` code. A storage only classifies; who retries is `storage/retry.ts`.
 */
export const fileKinds = ["config", "key", "snapshot", "index", "lock", "data"] as const;
/** `parity`: ours, beside what restic knows; only for storages whose `traits.parity` is `kept`. */
export type FileKind = (typeof fileKinds)[number] | "parity";

export interface StoredFile {
  readonly kind: FileKind;
  /** 64 lower-case hexadecimal digits; the empty string for `config`, of which there is one. */
  readonly name: string;
  /** Of a pack that is saved: what is in it. Only `bulk` may go to a cold class; absent: it must stay at hand. */
  readonly stream?: "bulk";
  /** Of a pack that is saved: its name was computed from these bytes, so whoever needs their SHA-256 has it. */
  readonly named?: "by-contents";
}

export interface ListedFile {
  readonly name: string;
  readonly size: number;
  /** `cold`: it has to be thawed before it can be read. */
  readonly access?: "cold";
}

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
  /** Trees and other small blobs that readers come back to: a cache may keep them. */
  readonly again?: "likely";
}

export interface StorageTraits {
  /** How many requests at once make sense. */
  readonly connections: number;
  /** Bytes that are still free, where that can be known. */
  readonly freeBytes?: (signal: AbortSignal) => Promise<number | undefined>;
  /**
   * Removes what saves left behind that were cut off, where a storage has such things: files that no listing shows and
   * that nobody wrote to since `before`. Gives their bytes.
   */
  readonly removeLeftovers?: (before: Date, signal: AbortSignal) => Promise<number>;
  /** The folder that is empty where files should be, as the place of a share is that is not mounted; `undefined`: none is. */
  readonly emptyFolder?: () => Promise<string | undefined>;
  /** Where packs of bulk data go, if it was opened so. */
  readonly coldClass?: string;
  /** Absent: files of the kind `parity` have no place here (a protocol that knows restic's kinds only). */
  readonly parity?: "kept";
}

export interface Storage extends AsyncDisposable {
  /** As the operator wrote it, without secrets: for messages. */
  readonly location: string;
  readonly traits: StorageTraits;
  /** Makes the place ready for a new repository (folders, bucket). Succeeds when it is there already. */
  create(signal: AbortSignal): Promise<void>;
  save(file: StoredFile, bytes: Uint8Array, signal: AbortSignal): Promise<void>;
  /** In memory that is the caller's alone from now on. */
  load(file: StoredFile, range: ByteRange | undefined, signal: AbortSignal): Promise<Buffer>;
  /** Size in bytes, or `undefined` when there is no such file. */
  stat(file: StoredFile, signal: AbortSignal): Promise<number | undefined>;
  list(kind: FileKind, signal: AbortSignal): AsyncIterable<ListedFile>;
  remove(file: StoredFile, signal: AbortSignal): Promise<void>;
  /** Present where the storage was opened with a lock: see `StorageRetention`. */
  readonly retention?: StorageRetention;
  /** Present where files may be cold. */
  readonly thaw?: StorageThaw;
  /**
   * The same place as it was at that moment, to read from: what was hidden or replaced since is there again. Absent: the
   * storage keeps no versions. Locks can be taken, and are nobody's business; any other change is `storage-read-only`.
   */
  readonly asOf?: (moment: Date) => Storage;
}

/**
 * `unproved`: refused as well, by a server that says for what reason, and it is not the lock. `powerless`: refused to a login that may
 * destroy nothing, whatever is locked.
 */
export type DestroyResult = "refused" | "destroyed" | "unproved" | "powerless";

/**
 * Files that nobody can destroy for a while, whatever rights he has: kept by the storage, not by us.
 *
 * - `save` locks each file as it stores it, for `lockedUntil`; files of the kind `lock` are not locked.
 * - `remove` of a locked file hides it: no listing shows it, nothing loads it, and its bytes stay until the time is over.
 *   `asOf` finds it; `destroyHidden` frees the bytes then.
 */
export interface StorageRetention {
  readonly lock: RetentionLock;
  /** Until when the file cannot be destroyed; `undefined`: it can be. */
  until(file: StoredFile, signal: AbortSignal): Promise<Date | undefined>;
  /** Locks the file at least until then; never for a shorter time than it is. */
  extend(file: StoredFile, until: Date, signal: AbortSignal): Promise<void>;
  /** Really tries: what is destroyed by it was not locked. */
  tryToDestroy(file: StoredFile, signal: AbortSignal): Promise<DestroyResult>;
  /**
   * What `remove` has hidden, or something else was put over; nothing of what others keep below the same place. `only`: the paths that are
   * asked for.
   */
  hidden(signal: AbortSignal, only?: ReadonlySet<string>): AsyncIterable<HiddenFile>;
  /** Its bytes, as `load`. */
  loadHidden(file: HiddenFile, signal: AbortSignal): Promise<Buffer>;
  /** As `extend`. */
  extendHidden(file: HiddenFile, until: Date, signal: AbortSignal): Promise<void>;
  /** Frees a hidden file's bytes; to be asked for only when its time is over. */
  destroyHidden(file: HiddenFile, signal: AbortSignal): Promise<void>;
}

export interface HiddenFile {
  /** Where it was: `data/ab/…`. */
  readonly path: string;
  /** What the storage calls this version of it. */
  readonly version: string;
  readonly size: number;
  /** Absent: it can be destroyed. */
  readonly until?: Date;
}

/** Files in a class that is cheap to keep and slow to read: `load` fails with `storage-cold` until they are thawed. */
export interface StorageThaw {
  state(file: StoredFile, signal: AbortSignal): Promise<"ready" | "thawing" | "cold">;
  /** Asks for it, to be readable for so many days. Success when somebody has asked already. */
  request(file: StoredFile, days: number, signal: AbortSignal): Promise<void>;
}

/** What a storage that keeps versions, locks or classes is told when it is opened. */
export interface StorageOpening {
  readonly lock?: RetentionLock;
  readonly coldClass?: string;
  readonly now: () => Date;
  readonly renewLogin?: RenewLogin;
}
