import type { BlobType, Id, Tree, TreeNode } from "../format/tree.ts";
import type { IndexedPack } from "../format/index-file.ts";
import type { MasterKey } from "../format/crypto.ts";
import type { Snapshot } from "../format/snapshot.ts";
import type { ByteName } from "../lib/byte-name.ts";
import type { ParityShape } from "../lib/keeping.ts";
import type { Limits } from "../lib/limits.ts";
import type { ColumnSigns } from "../lib/row-signature.ts";
import type { NativeAttribute } from "../lib/posix.ts";
import type { Defect } from "./defects.ts";
import type { OpenedTree } from "./opened-tree.ts";
import type { ParityOptions, ParityReport } from "./parity.ts";
import type { ProtectOptions, ProtectResult } from "./protect.ts";
import type { PruneOptions, PrunePlan } from "./prune-plan.ts";
import type { RepairOptions, RepairPlan } from "./repair-plan.ts";
import type { StoredFile } from "../storage/storage.ts";
import type { VerifiedParity } from "./verify-parity.ts";
import type { NeededFiles } from "./stored-files.ts";
import type { SealedBlobs } from "./upload-messages.ts";

/**
 * An opened repository: restic's format, version 2, over any storage.
 *
 * Wrong order does not compile: what needs the list of snapshots only, works on a `Repository`; reading blobs needs
 * `index()`, and writing needs `upload()` of what that returns. Snapshots are listed before the index is loaded, so
 * that every snapshot seen has all its blobs in the index.
 */
export interface Repository extends AsyncDisposable {
  /** The id in the repository's config file, 64 hexadecimal digits. */
  readonly id: Id;
  readonly location: string;
  /** A secret of this repository for one named use, 32 bytes, by HKDF-SHA-256 from the master key. */
  secret(use: string): Buffer;
  /** For making another repository with the same key. */
  readonly sharedKey: SharedKey;
  hasKeyOf(other: Repository): boolean;
  /** All that are not damaged, oldest first. `withheld`: those that the storage does not give now; absent: `fail`. */
  snapshots(signal: AbortSignal, withheld?: "fail" | "leave out"): Promise<readonly StoredSnapshot[]>;
  /** Those whose files are damaged. */
  damagedSnapshots(signal: AbortSignal): Promise<readonly Id[]>;
  /** Takes restic's lock; a scope: `await using lock = await repository.lock("shared", …)`. */
  lock(mode: LockMode, options: LockOptions): Promise<Lock>;
  /** Removes locks that nobody holds any more; see `UnlockOptions`. */
  unlock(options: UnlockOptions): Promise<UnlockReport>;
  /** Its passwords. */
  readonly keys: RepositoryKeys;
  /**
   * Loads the index: the state of the repository as of now. `to-add` reserves addresses for millions of new blobs, which
   * a backup needs; else there is room for twice as many as there are, and a million at least.
   */
  index(signal: AbortSignal, purpose?: "to-read" | "to-add"): Promise<IndexedRepository>;
  /**
   * Removes snapshots; what only they needed stays until a prune. Under an exclusive lock, or under a shared one where all
   * that they name is named by another one too.
   */
  removeSnapshots(ids: readonly Id[], options: ChangeOptions): Promise<void>;
  /** Writes index files together that hold next to nothing, where there are many. */
  mergeIndexes(options: ChangeOptions): Promise<void>;
  /** The same snapshot with these tags, under a new id; the one it was made with stands in `original`. */
  retagSnapshot(stored: StoredSnapshot, tags: readonly string[], options: ChangeOptions): Promise<StoredSnapshot>;
  /** For a disk on which no lock can be written: removes a snapshot that is to go; see `make-room.ts`. */
  makeRoom(useless: { readonly snapshot: Id }, signal: AbortSignal): Promise<boolean>;
  /** What a prune would do; refuses with `prune-unsafe` where anything is not as it must be. */
  planPrune(options: PruneOptions): Promise<PrunePlan>;
  /** What a repair of index or packs would do. */
  planRepair(options: RepairOptions): Promise<RepairPlan>;
  /** Locks for longer what is needed, where the storage was opened with a lock; else `undefined`. */
  protect(options: ProtectOptions): Promise<ProtectResult | undefined>;
  /** Until when the files of these snapshots cannot be destroyed: the last of them; `undefined`: they can be. */
  lockedUntil(ids: readonly Id[], signal: AbortSignal): Promise<Date | undefined>;
  /** Makes parity for packs that have none yet. Under a lock, as for an upload. */
  updateParity(shape: ParityShape, options: ParityOptions): Promise<ParityReport>;
  /** Its files as they stand in the storage, for who carries them elsewhere. Under a shared lock. */
  storedFiles(signal: AbortSignal): Promise<NeededFiles>;
  loadStoredFile(file: StoredFile, signal: AbortSignal): Promise<Buffer>;
  /** Our own walk of everything. Needs no `index()`, which fails where an index is damaged. */
  verify(options: VerifyOptions): Promise<VerifyReport>;
}

/** What two repositories have in common, between which sealed blobs can be carried as they are. */
export interface SharedKey {
  readonly masterKey: MasterKey;
  /** By which restic cuts files, in both the same. */
  readonly chunkerPolynomial: string;
}

export interface StoredSnapshot {
  readonly id: Id;
  readonly snapshot: Snapshot;
}

export interface ChangeOptions {
  readonly signal: AbortSignal;
  /** Exclusive, but for `removeSnapshots`. */
  readonly lock: Lock;
}

export type LockMode = "shared" | "exclusive";

export interface LockOptions {
  readonly signal: AbortSignal;
  readonly now: () => Date;
  /** How long to wait for somebody else's lock: 0 fails at once with `repository-locked`. */
  readonly waitMs: number;
  /** With a shared one: whether somebody who waits to be alone goes first, as if he were already. */
  readonly givesWay?: boolean;
  readonly onWait?: (holder: LockHolder) => void;
  readonly onStaleRemoved?: (holder: LockHolder) => void;
}

export interface LockHolder {
  readonly hostname: string;
  readonly username: string;
  readonly pid: number;
  readonly time: string;
  readonly exclusive: boolean;
}

/** What a repair of snapshots looks at beside those that can be read. */
export interface LostSnapshots {
  /** `snapshot`: what stands in the file all the same; it belongs to another name. */
  readonly unreadable: readonly { readonly id: Id; readonly snapshot?: Snapshot }[];
  /** Trees that nothing leads to: of a snapshot that is gone, or whose file cannot be read; or of none at all. */
  readonly roots: readonly Id[];
}

export interface UnlockOptions {
  readonly signal: AbortSignal;
  readonly now: () => Date;
  /** `dead`: only what nobody can hold any more. `all`: whatever is there. */
  readonly what: "dead" | "all";
}

export interface UnlockReport {
  readonly removed: readonly FoundLock[];
  /** What may still be held. */
  readonly kept: readonly FoundLock[];
}

export interface FoundLock {
  readonly id: Id;
  /** `dead`: its process has ended. `stale`: not renewed for 30 minutes. `unreadable`: nobody knows. */
  readonly state: "dead" | "stale" | "held" | "unreadable";
  /** Absent where it cannot be read. */
  readonly holder?: LockHolder;
}

/**
 * A repository's passwords. Each has a key file of its own, which seals the one master key. Changes are for who holds
 * a lock: `add` a shared one, `remove` an exclusive one, as restic's.
 */
export interface RepositoryKeys {
  list(signal: AbortSignal): Promise<readonly StoredKey[]>;
  /** Stores a key file and opens it again from the storage before it counts; gives its id. */
  add(password: string, options: KeyOptions): Promise<Id>;
  /** `key-current` for the one that this repository was opened with, which is never the last then. */
  remove(id: Id, options: KeyOptions): Promise<void>;
  /** Stores a key file for `password`, proves it, and only then removes the one in use; gives the new id. */
  replace(password: string, options: KeyOptions): Promise<Id>;
}

export interface StoredKey {
  readonly id: Id;
  /** As its writer had it: RFC 3339, mostly. */
  readonly created: string;
  readonly username: string;
  readonly hostname: string;
  /** The one that this repository was opened with. */
  readonly current: boolean;
  readonly damaged: boolean;
}

export interface KeyOptions {
  readonly signal: AbortSignal;
  readonly now: () => Date;
  readonly lock: Lock;
}

export interface Lock extends AsyncDisposable {
  /** Aborted with `lock-lost` when the lock could not be kept; nothing may be written after that. */
  readonly lost: AbortSignal;
  /**
   * Makes sure that the lock is held at this moment. To be awaited before anything is written that others rely on: an
   * index, a snapshot. `repository-locked` when somebody else came at the same moment as we, `lock-lost` when our lock
   * is gone.
   */
  check(signal: AbortSignal): Promise<void>;
}

/** Reads blobs by their id. Every plaintext is hashed and compared with its id before it is given out. */
export interface BlobReader {
  has(type: BlobType, id: Id): boolean;
  /** Plaintext length in bytes; `undefined` when the index does not know the blob. */
  size(type: BlobType, id: Id): number | undefined;
  load(type: BlobType, id: Id, signal: AbortSignal): Promise<Buffer>;
  loadTree(id: Id, signal: AbortSignal): Promise<Tree>;
  /** For folders of a CRM, which may hold a million files: no more than the compressed tree is held. */
  openTree(id: Id, signal: AbortSignal): Promise<OpenedTree>;
  /**
   * For whoever knows which data blobs he will load, and in which order: the same reader, which reads and opens them before,
   * in other threads. They may turn out to be fewer. Absent: there are no threads for it.
   */
  ahead?(ids: AsyncIterable<Id, void>, signal: AbortSignal): ReaderAhead;
}

export interface ReaderAhead extends BlobReader, AsyncDisposable {}

export interface IndexedRepository extends BlobReader {
  readonly repository: Repository;
  /** What all packs take, by the index as it was read. */
  readonly packBytes: number;
  /** Whether an index file that it was read from or wrote is gone: what was pruned since would count as stored. Under a lock. */
  isOutdated(signal: AbortSignal): Promise<boolean>;
  upload(options: UploadOptions): Promise<Upload>;
  /** Snapshots that are not in the list of those that can be read, as far as anything is left of them. */
  lostSnapshots(signal: AbortSignal): Promise<LostSnapshots>;
  /**
   * Packs of no more than `mostBlobs` data blobs that this index does not name: of a run that is under way, or that was cut off. Their
   * blobs can be read from now on. Not to be written with any more: an upload would take for stored what no index file names.
   */
  loosePacks(mostBlobs: number, signal: AbortSignal): Promise<readonly IndexedPack[]>;
  /** Data blobs that stand in a pack with this one, by the index as it was read. */
  besides(id: Id): readonly Id[];
  /** Packs in which a data blob stands, by the index. */
  packsWith(id: Id): readonly Id[];
  /** Writes the contents of many files, in the order of the packs; see `FileToWrite`. */
  writeFiles(files: AsyncIterable<FileToWrite> | Iterable<FileToWrite>, options: WriteOptions): Promise<void>;
  /** Says that files will be written soon, so that a thread is ready by then. */
  expectWrites(limits: Limits): void;
  /** Whether any pack is in a cold class. */
  hasColdPacks(signal: AbortSignal): Promise<boolean>;
  /** Packs without which these data blobs cannot be had, and that have to be thawed first. */
  coldPacks(blobs: Iterable<Id>, signal: AbortSignal): Promise<readonly ColdPack[]>;
  requestThaw(pack: Id, days: number, signal: AbortSignal): Promise<void>;
  thawState(pack: Id, signal: AbortSignal): Promise<"ready" | "thawing" | "cold">;
  /** Copies what trees need into another repository, whose upload is given. */
  copier(into: Upload, options: CopyOptions): TreeCopier;
}

export interface ColdPack {
  readonly id: Id;
  readonly size: number;
}

export interface CopyOptions {
  readonly signal: AbortSignal;
  readonly limits: Limits;
  /** Bytes of blobs, as stored, that are through, and in all as far as is known. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
}

export interface TreeCopier {
  /**
   * Copies the tree and all that it needs and `into` has not. Gives what could not be copied because it is missing or
   * damaged here in every pack: ids of blobs; empty: all is there. What was copied is not looked at again.
   */
  copy(tree: Id, streams: StreamsOfFolder): Promise<readonly Id[]>;
}

/**
 * Where the contents of the files in a folder go, by its path from the root, such as `/acme/files`: by their names, or
 * `bulk` for all of them and whatever lies below.
 */
export type StreamsOfFolder = (folder: string) => "bulk" | ((name: ByteName) => PackStream);

export interface UploadOptions {
  readonly signal: AbortSignal;
  readonly lock: Lock;
  readonly limits: Limits;
  /** Packs that an interrupted run stored and no index names: absent: they become this upload's. */
  readonly leftovers?: "adopt" | "leave";
}

/** Which pack a data blob goes to: `hot` is what is read often (manifests, runs, keys), `bulk` the rest. */
export type PackStream = "hot" | "bulk";

export interface SavedBlob {
  readonly id: Id;
  /** Whether this upload stored it; false when the repository, or this upload, had it already. */
  readonly added: boolean;
  /** Bytes in the pack (compressed and sealed) when `added`, else 0. */
  readonly storedBytes: number;
  /** Of a blob of rows for which it was asked: see `lib/row-signature.ts`. */
  readonly signature?: Uint8Array;
}

/** A regular file to be read, chunked, hashed and stored by a worker thread. */
export interface FileToRead {
  /** Absolute path. Opened without following a link at its end. */
  readonly path: ByteName;
  /** As `lstat` saw it: another inode or type at opening time is `vanished`. */
  readonly inode: bigint | number;
  readonly deviceId: bigint | number;
  readonly size: number;
}

export type FileReadResult =
  | {
      readonly state: "read";
      readonly content: readonly Id[];
      /** Bytes read: the sum of the plaintext lengths of `content`. */
      readonly size: number;
      /** Size, mtime or ctime moved while it was read: what was read may be torn. */
      readonly changed: boolean;
      readonly extendedAttributes: readonly NativeAttribute[];
      /** Blobs and bytes that this file added to the repository. */
      readonly addedBlobs: number;
      readonly addedBytes: number;
      readonly storedBytes: number;
    }
  | { readonly state: "vanished" }
  | { readonly state: "unreadable"; readonly reason: string };

export interface TreeWriter {
  /** Nodes must come in the order of their names. */
  add(node: TreeNode): void;
  /** Its id; its storing is awaited by the upload's `finish`. */
  finish(): Id;
}

export interface UploadStats {
  readonly dataBlobs: number;
  readonly treeBlobs: number;
  /** Plaintext bytes that were new. */
  readonly addedBytes: number;
  /** The same, as stored. */
  readonly storedBytes: number;
}

/**
 * Everything that one backup writes. Blobs go to worker threads, which compress, seal and verify them (open again,
 * decompress, compare with what was hashed) and gather packs; a pack is durable before an index names it, all indexes before the
 * snapshot is written. Any failure to store ends the upload: there is then no snapshot, and the next run reuses what
 * an index already names.
 */
export interface Upload extends AsyncDisposable, BlobReader {
  ahead(ids: AsyncIterable<Id, void>, signal: AbortSignal): ReaderAhead;
  /**
   * Resolves when the queue has room, `undefined` when there is some now: await it before or after each `file` or
   * `blob`, so that memory stays bounded whatever the size of the source.
   */
  ready(): Promise<void> | undefined;
  file(file: FileToRead): Promise<FileReadResult>;
  /** Stores `bytes` as one blob; at most 8 MiB. The buffer is transferred: the caller must not use it any more. */
  blob(type: BlobType, bytes: Uint8Array, stream: PackStream, signs?: ColumnSigns): Promise<SavedBlob>;
  /** Chunks bytes of any length (gear hash) into data blobs. */
  bytes(bytes: Uint8Array, stream: PackStream): Promise<readonly Id[]>;
  /**
   * Stores blobs as a pack of this or another repository has them: opened, compared with their ids, sealed anew unless
   * the key is the same. Gives the positions of the damaged ones, of which nothing is stored. The memory is transferred.
   */
  sealed(blobs: SealedBlobs): Promise<readonly number[]>;
  /** Whether what is sealed with this key can be stored as it is. */
  sealsWith(key: MasterKey): boolean;
  /**
   * Stores a whole pack of a repository with the same key, byte for byte. The caller has seen that its SHA-256 is its
   * name, and that it holds these blobs. `taken`: something of that name is stored already that no index names; nobody
   * has looked what it is, so nothing was stored.
   */
  carry(pack: IndexedPack, bytes: Uint8Array, stream: PackStream): Promise<"stored" | "taken">;
  /** Serialises and stores a tree; its id is known at once, its storing is awaited by `finish`. */
  tree(tree: Tree): Promise<Id>;
  /** The same node by node, for folders that may hold a million files: nothing is stored before `finish`. */
  treeWriter(): TreeWriter;
  stats(): UploadStats;
  /** Resolves when all that was given so far is durable, in packs that no index names yet. */
  store(): Promise<void>;
  /** Packs that are stored and that no index names, and whose contents the caller has seen: they become this upload's. */
  adopt(packs: readonly IndexedPack[]): void;
  /** Resolves when all that was given so far is durable, and an index names it: what a snapshot of another upload may name. */
  index(): Promise<void>;
  /** Flushes packs, then indexes, then writes the snapshot. May be called again, for another snapshot. */
  finish(snapshot: Snapshot): Promise<StoredSnapshot>;
}

/**
 * One file to be written by `writeFiles`. The caller has made its folder and holds it open; the worker makes a
 * temporary file there, writes and checks every blob, calls for metadata, and renames it into place: whole or not
 * there at all.
 */
export interface FileToWrite {
  /** Descriptor of the open folder, kept open by the caller until `done` was called. */
  readonly folder: number;
  readonly name: ByteName;
  readonly content: readonly Id[];
  readonly size: number;
  readonly metadata: FileMetadata;
  /** `undefined`: written. Never called twice. Blobs that are missing or damaged end here, not as an exception. */
  readonly done: (error: Error | undefined) => void;
}

/** What is set on a file once its content is there. Failures are told by `onMetadataLost`, not thrown. */
export interface FileMetadata {
  /** Permission bits with setuid, setgid and sticky as in `st_mode & 0o7777`. */
  readonly mode: number;
  /** `undefined`: leave as created. */
  readonly uid?: number;
  readonly gid?: number;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly extendedAttributes: readonly { readonly name: string; readonly value: Buffer }[];
}

/**
 * `rename`: each file appears under its name when it is whole. `direct`: it is written under its name, where nothing
 * may be; for folders that nobody uses before the whole restore is done. Half the system's work for a small file.
 */
export type Placing = "rename" | "direct";

export interface WriteOptions {
  readonly signal: AbortSignal;
  readonly placing: Placing;
  readonly limits: Limits;
  readonly onBytes?: (bytes: number) => void;
  readonly onMetadataLost?: (name: ByteName, what: string) => void;
}

export interface VerifyOptions {
  readonly signal: AbortSignal;
  readonly limits: Limits;
  /** `structure`: everything but the contents of data packs; `data`: reads every byte of every pack as well. */
  readonly depth: "structure" | "data";
  /** Told the packs that are there, with their sizes; with `data` it chooses those to be read. Absent: all. */
  readonly choosePacks?: (sizes: ReadonlyMap<Id, number>) => ReadonlySet<Id>;
  /** Only these snapshots' trees are walked; absent: all. */
  readonly snapshots?: readonly Id[];
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
}

export interface VerifyReport {
  readonly snapshots: number;
  readonly trees: number;
  readonly blobs: number;
  readonly packs: number;
  readonly readBytes: number;
  readonly defects: readonly Defect[];
  /** Packs that were read and are as they must be. */
  readonly soundPacks: readonly Id[];
  /** Trees that look like the root of a snapshot, and none names them: a forgotten one's, or one that was lost. */
  readonly unnamedRoots: number;
  /** Harmless: packs or blobs that no snapshot needs (an interrupted backup leaves them). */
  readonly unusedBlobs: number;
  readonly unindexedPacks: number;
  /** Of which only the size could be looked at. */
  readonly coldPacks: number;
  /** Absent: there is none. */
  readonly parity?: VerifiedParity;
}
