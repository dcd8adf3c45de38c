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
export type FileKind = (typeof fileKinds)[number];

export interface StoredFile {
  readonly kind: FileKind;
  /** 64 lower-case hexadecimal digits; the empty string for `config`, of which there is one. */
  readonly name: string;
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
}

export interface Storage extends AsyncDisposable {
  /** As the operator wrote it, without secrets: for messages. */
  readonly location: string;
  readonly traits: StorageTraits;
  /** Makes the place ready for a new repository (folders, bucket). Succeeds when it is there already. */
  create(signal: AbortSignal): Promise<void>;
  save(file: StoredFile, bytes: Uint8Array, signal: AbortSignal): Promise<void>;
  load(file: StoredFile, range: ByteRange | undefined, signal: AbortSignal): Promise<Buffer>;
  /** Size in bytes, or `undefined` when there is no such file. */
  stat(file: StoredFile, signal: AbortSignal): Promise<number | undefined>;
  list(kind: FileKind, signal: AbortSignal): AsyncIterable<{ readonly name: string; readonly size: number }>;
  remove(file: StoredFile, signal: AbortSignal): Promise<void>;
}
