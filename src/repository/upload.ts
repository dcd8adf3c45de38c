import { hash } from "node:crypto";
import { gearTable, maxChunk, minChunk } from "../format/chunker.ts";
import type { IndexedPack } from "../format/index-file.ts";
import type { Snapshot } from "../format/snapshot.ts";
import type { BlobType, Id, Tree } from "../format/tree.ts";
import { sameKey, sealOverhead, type MasterKey } from "../format/crypto.ts";
import type { ColumnSigns } from "../lib/row-signature.ts";
import { HoldfastError } from "../lib/errors.ts";
import { lowerPriority } from "../lib/posix.ts";
import type { Storage } from "../storage/storage.ts";
import { BlobBatch, signedBlobs, storedBlobs, type StoredBlob } from "./blob-batches.ts";
import type { BlobIndex } from "./blob-index.ts";
import { FileBatch } from "./file-batches.ts";
import { transferable } from "./message-bytes.ts";
import { PackSaver } from "./pack-saver.ts";
import { PackSlots } from "./pack-slots.ts";
import type { PackTable } from "./pack-table.ts";
import { blobLevel, packBufferBytes } from "./packer.ts";
import type { OpenedTree } from "./opened-tree.ts";
import type {
  BlobReader,
  FileReadResult,
  FileToRead,
  PackStream,
  SavedBlob,
  StoredSnapshot,
  TreeWriter,
  Upload,
  UploadOptions,
  UploadStats,
} from "./repository.ts";
import { Throttle, throttleBytes } from "./throttle.ts";
import { EncodingTreeWriter } from "./tree-writer.ts";
import type {
  BlobKind,
  BlobsAnswer,
  FilesAnswer,
  PackNotice,
  SealedAnswer,
  SealedBlobs,
  UploadWorkerSetup,
} from "./upload-messages.ts";
import { WorkerPool } from "./worker-pool.ts";

export interface UploadParts {
  readonly storage: Storage;
  readonly key: MasterKey;
  /** 32 bytes that choose where files are cut. */
  readonly chunkerSecret: Buffer;
  readonly index: BlobIndex;
  readonly packs: PackTable;
  /** Reads what the storage holds, in terms of `index` and `packs`. */
  readonly reader: BlobReader;
  readonly saveIndex: (packs: readonly IndexedPack[], signal: AbortSignal) => Promise<void>;
  readonly saveSnapshot: (snapshot: Snapshot, signal: AbortSignal) => Promise<Id>;
}

/** A file from this size on gets a worker thread for itself while it is read. */
const longFile = 8 << 20;
/** Files given and not yet answered: enough that no thread waits, few enough that nobody remembers millions. */
const maxFiles = 1024;
/** Bytes of blobs given and not yet answered. */
const maxBlobBytes = 32 << 20;

export class RepositoryUpload implements Upload {
  readonly #parts: UploadParts;
  readonly #signal: AbortSignal;
  readonly #stop = new AbortController();
  readonly #slots: PackSlots;
  readonly #pool: WorkerPool;
  readonly #saver: PackSaver;
  #files = new FileBatch();
  #blobs = new BlobBatch();
  /** Of batches that are settled. */
  readonly #spare: SharedArrayBuffer[] = [];
  #pump: NodeJS.Immediate | undefined;
  #openFiles = 0;
  #openBlobBytes = 0;
  #open = 0;
  #room: PromiseWithResolvers<void> | undefined;
  #quiet: PromiseWithResolvers<void> | undefined;
  #failure: unknown;
  /** Packs that were there before the first one was carried, named or not. */
  #storedNames: Promise<ReadonlySet<Id>> | undefined;
  #stats = { dataBlobs: 0, treeBlobs: 0, addedBytes: 0, storedBytes: 0 };

  constructor(parts: UploadParts, options: UploadOptions) {
    this.#parts = parts;
    this.#signal = AbortSignal.any([options.signal, options.lock.lost, this.#stop.signal]);
    this.#slots = PackSlots.create(parts.storage.traits.connections);
    // Inherited by the threads that the pool starts.
    if (options.limits.priority === "low") lowerPriority();
    const throttle = new SharedArrayBuffer(throttleBytes);
    const setup: UploadWorkerSetup = {
      role: "upload",
      key: parts.key,
      gearTable: gearTable(parts.chunkerSecret),
      index: parts.index.shared,
      packSlots: this.#slots.memory,
      throttle,
      readBytesPerSecond: options.limits.readBytesPerSecond,
    };
    this.#pool = new WorkerPool({
      size: options.limits.workers,
      setup,
      onNotice: (notice, from) =>
        this.#saver.save(notice as PackNotice, (buffer) => {
          // Others, made for one huge tree, are left to the garbage collector.
          if (buffer.byteLength === packBufferBytes) from.recycle.postMessage(buffer);
        }),
      onFailure: (error) => this.#fail(error),
    });
    this.#saver = new PackSaver({
      storage: parts.storage,
      index: parts.index,
      packs: parts.packs,
      slots: this.#slots,
      throttle: new Throttle(new SharedArrayBuffer(throttleBytes), options.limits.writeBytesPerSecond),
      signal: this.#signal,
      saveIndex: (packs) => parts.saveIndex(packs, this.#signal),
      onFailure: (error) => this.#fail(error),
    });
    // Whatever comes, a snapshot's tree at the least will be stored.
    this.#pool.warmUp();
    this.#signal.addEventListener("abort", () => this.#fail(this.#signal.reason), { once: true });
    if (this.#signal.aborted) this.#fail(this.#signal.reason);
  }

  /** Packs that an interrupted run stored and did not name: they become this run's. */
  adopt(packs: readonly IndexedPack[]): void {
    for (const pack of packs) this.#saver.adopt(pack);
  }

  ready(): Promise<void> | undefined {
    if (this.#failure !== undefined) return rejected(this.#failure);
    if (this.#hasRoom()) return undefined;
    this.#room ??= Promise.withResolvers<void>();
    return this.#room.promise;
  }

  file(file: FileToRead): Promise<FileReadResult> {
    if (this.#failure !== undefined) return rejected(this.#failure);
    this.#openFiles++;
    this.#open++;
    const batch = file.size > longFile ? new FileBatch() : this.#files;
    const result = batch.add(file);
    if (batch !== this.#files) this.#sendFiles(batch, "long");
    else if (batch.isFull) this.#sendFileBatch();
    else this.#pumpSoon();
    return handled(result);
  }

  blob(type: BlobType, bytes: Uint8Array, stream: PackStream, signs?: ColumnSigns): Promise<SavedBlob> {
    if (bytes.length === 0 || bytes.length > maxChunk) {
      return rejected(new HoldfastError("internal", { reason: "blob size", bytes: bytes.length }));
    }
    return this.#addBlob({ type, stream: this.#atHand(stream), claim: "unclaimed", ...(signs && { signs }) }, bytes);
  }

  async bytes(bytes: Uint8Array, stream: PackStream): Promise<readonly Id[]> {
    if (bytes.length === 0) return [];
    if (bytes.length <= minChunk) return [(await this.blob("data", bytes, stream)).id];
    this.#throwIfFailed();
    this.#openBlobBytes += bytes.length;
    this.#open++;
    try {
      const owned = transferable([bytes]);
      const duration = bytes.length > longFile ? "long" : "short";
      const request = { type: "bytes", stream: this.#atHand(stream), bytes: owned } as const;
      const answer = await this.#pool.request<BlobsAnswer>(request, [owned.buffer], duration);
      const blobs = storedBlobs(answer);
      for (const blob of blobs) this.#count("data", blob);
      return blobs.map((blob) => blob.id);
    } finally {
      this.#openBlobBytes -= bytes.length;
      this.#closed(1);
    }
  }

  /** What is not read from files, rows above all, is read again by the next backup: it must not go cold. */
  #atHand(stream: PackStream): PackStream {
    return this.#parts.storage.traits.coldClass === undefined ? stream : "hot";
  }

  async sealed(blobs: SealedBlobs): Promise<readonly number[]> {
    this.#throwIfFailed();
    const bytes = transferable([blobs.bytes]);
    const size = bytes.length;
    this.#openBlobBytes += size;
    this.#open++;
    try {
      const request = { type: "sealed", blobs: { ...blobs, bytes } } as const;
      const duration = size > longFile ? "long" : "short";
      const answer = await this.#pool.request<SealedAnswer>(request, [bytes.buffer], duration);
      this.#stats[blobs.type === "tree" ? "treeBlobs" : "dataBlobs"] += answer.addedBlobs;
      this.#stats.addedBytes += answer.addedBytes;
      this.#stats.storedBytes += answer.storedBytes;
      return [...answer.damaged];
    } finally {
      this.#openBlobBytes -= size;
      this.#closed(1);
    }
  }

  sealsWith(key: MasterKey): boolean {
    return sameKey(this.#parts.key, key);
  }

  async carry(pack: IndexedPack, bytes: Uint8Array, stream: PackStream): Promise<"stored" | "taken"> {
    this.#throwIfFailed();
    this.#open++;
    try {
      const names = await (this.#storedNames ??= this.#listPacks());
      if (names.has(pack.id)) return "taken";
      await this.#saver.carry(pack, bytes, stream);
    } finally {
      this.#closed(1);
    }
    for (const blob of pack.blobs) {
      this.#stats[blob.type === "tree" ? "treeBlobs" : "dataBlobs"]++;
      this.#stats.addedBytes += blob.uncompressedLength || blob.length - sealOverhead;
      this.#stats.storedBytes += blob.length;
    }
    return "stored";
  }

  async #listPacks(): Promise<ReadonlySet<Id>> {
    const names = new Set<Id>();
    for await (const { name } of this.#parts.storage.list("data", this.#signal)) names.add(name);
    return names;
  }

  async tree(tree: Tree): Promise<Id> {
    const writer = this.treeWriter();
    for (const node of tree.nodes) writer.add(node);
    return writer.finish();
  }

  treeWriter(): TreeWriter {
    return new EncodingTreeWriter(blobLevel, (tree) => {
      this.#throwIfFailed();
      const id = tree.kind === "frame" ? tree.id : hash("sha256", tree.bytes, "hex");
      const length = tree.kind === "frame" ? tree.length : tree.bytes.length;
      if (this.#parts.index.claim("tree", id, length) >= 0) {
        // Its failure is the run's failure, which `finish` throws.
        if (tree.kind === "frame") void this.#addFrame(tree.id, tree.frame, tree.length);
        else void this.#addBlob({ type: "tree", stream: "hot", claim: "claimed" }, tree.bytes);
      }
      return id;
    });
  }

  stats(): UploadStats {
    return { ...this.#stats };
  }

  has(type: BlobType, id: Id): boolean {
    return this.#parts.index.find(type, id) >= 0;
  }

  size(type: BlobType, id: Id): number | undefined {
    return this.#parts.reader.size(type, id);
  }

  async load(type: BlobType, id: Id, signal: AbortSignal): Promise<Buffer> {
    await this.#store(type, id);
    return this.#parts.reader.load(type, id, signal);
  }

  async loadTree(id: Id, signal: AbortSignal): Promise<Tree> {
    await this.#store("tree", id);
    return this.#parts.reader.loadTree(id, signal);
  }

  async openTree(id: Id, signal: AbortSignal): Promise<OpenedTree> {
    await this.#store("tree", id);
    return this.#parts.reader.openTree(id, signal);
  }

  async index(): Promise<void> {
    await this.#storeAll();
    await this.#saver.finish();
    this.#throwIfFailed();
  }

  async finish(snapshot: Snapshot): Promise<StoredSnapshot> {
    await this.index();
    const id = await this.#parts.saveSnapshot(snapshot, this.#signal);
    return { id, snapshot };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#fail(new HoldfastError("cancelled"));
    await this.#pool.close();
    // Nothing of this upload may be written once it is over.
    await this.#saver.idle;
  }

  /** Makes a blob of this upload readable: all that is on its way is stored first. */
  async #store(type: BlobType, id: Id): Promise<void> {
    const { index } = this.#parts;
    const entry = index.find(type, id);
    if (entry >= 0 && index.location(entry) === undefined) await this.#storeAll();
  }

  store(): Promise<void> {
    return this.#storeAll();
  }

  async #storeAll(): Promise<void> {
    this.#throwIfFailed();
    this.#sendFileBatch();
    this.#sendBlobBatch();
    if (this.#open > 0) await (this.#quiet ??= Promise.withResolvers<void>()).promise;
    await this.#pool.requestAll({ type: "flush" });
    await this.#saver.idle;
    this.#throwIfFailed();
  }

  #addBlob(kind: BlobKind, bytes: Uint8Array): Promise<StoredBlob> {
    if (this.#failure !== undefined) return rejected(this.#failure);
    this.#open++;
    this.#openBlobBytes += bytes.length;
    const stored = bytes.length >= minChunk ? this.#sendBlob(kind, bytes) : this.#gatherBlob(kind, bytes);
    return handled(
      stored.then((blob) => {
        this.#count(kind.type, blob);
        return blob;
      }),
    );
  }

  #gatherBlob(kind: BlobKind, bytes: Uint8Array): Promise<StoredBlob> {
    const batch = this.#blobs;
    const stored = batch.add(kind, bytes);
    if (batch.isFull) this.#sendBlobBatch();
    else this.#pumpSoon();
    return stored;
  }

  /** A large one alone: it is handed over without a copy. */
  async #sendBlob(kind: BlobKind, bytes: Uint8Array): Promise<StoredBlob> {
    const owned = transferable([bytes]);
    const size = owned.length;
    const request = { type: "blobs", kinds: [kind], lengths: [size], bytes: owned } as const;
    const answer = await this.#pool.request<BlobsAnswer>(request, [owned.buffer]);
    const [blob] = signedBlobs([kind], answer);
    this.#openBlobBytes -= size;
    this.#closed(1);
    if (!blob) throw new HoldfastError("internal", { reason: "blob without an answer" });
    return blob;
  }

  /** A tree that has been compressed already. */
  #addFrame(id: Id, frame: Buffer, plainLength: number): Promise<void> {
    const bytes = transferable([frame]);
    const size = bytes.length;
    this.#openBlobBytes += size;
    this.#open++;
    const request = { type: "frame", id, frame: bytes, plainLength } as const;
    const stored = this.#pool.request<BlobsAnswer>(request, [bytes.buffer], "long").then((answer) => {
      for (const blob of storedBlobs(answer)) this.#count("tree", blob);
      this.#openBlobBytes -= size;
      this.#closed(1);
    });
    return handled(stored);
  }

  #count(type: BlobType, blob: StoredBlob): void {
    if (!blob.added) return;
    this.#stats[type === "tree" ? "treeBlobs" : "dataBlobs"]++;
    this.#stats.addedBytes += blob.size;
    this.#stats.storedBytes += blob.storedBytes;
  }

  /** Sends what is gathered as soon as a thread has nothing to do, but lets the caller add more in this turn. */
  #pumpSoon(): void {
    this.#pump ??= setImmediate(() => {
      this.#pump = undefined;
      if (this.#pool.hasRoom) this.#sendFileBatch();
      if (this.#pool.hasRoom) this.#sendBlobBatch();
    });
  }

  #sendFileBatch(): void {
    const batch = this.#files;
    if (batch.files === 0) return;
    this.#files = new FileBatch();
    this.#sendFiles(batch, "short");
  }

  #sendFiles(batch: FileBatch, duration: "short" | "long"): void {
    this.#pool.request<FilesAnswer>(batch.request(), [], duration).then(
      (answer) => {
        for (const result of batch.settle(answer)) {
          this.#stats.dataBlobs += result.addedBlobs;
          this.#stats.addedBytes += result.addedBytes;
          this.#stats.storedBytes += result.storedBytes;
        }
        this.#openFiles -= batch.files;
        this.#closed(batch.files);
      },
      (error: unknown) => batch.fail(error),
    );
  }

  #sendBlobBatch(): void {
    const batch = this.#blobs;
    if (batch.blobs === 0) return;
    this.#blobs = new BlobBatch(this.#spare.pop());
    this.#pool.request<BlobsAnswer>(batch.request()).then(
      (answer) => {
        batch.settle(answer);
        this.#spare.push(batch.shared);
        this.#openBlobBytes -= batch.bytes;
        this.#closed(batch.blobs);
      },
      (error: unknown) => batch.fail(error),
    );
  }

  #closed(count: number): void {
    this.#open -= count;
    if (this.#room !== undefined && this.#hasRoom()) {
      this.#room.resolve();
      this.#room = undefined;
    }
    if (this.#open === 0) {
      this.#quiet?.resolve();
      this.#quiet = undefined;
    } else if (this.#files.files > 0 || this.#blobs.blobs > 0) this.#pumpSoon();
  }

  #hasRoom(): boolean {
    return this.#openFiles < maxFiles && this.#openBlobBytes < maxBlobBytes;
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Ends the run: nothing is stored any more, and everything that is waited for fails with the same error. */
  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = error ?? new HoldfastError("cancelled");
    clearImmediate(this.#pump);
    this.#slots.stop();
    this.#stop.abort(this.#failure);
    this.#files.fail(this.#failure);
    this.#blobs.fail(this.#failure);
    this.#pool.fail(this.#failure);
    this.#room?.promise.catch(() => undefined);
    this.#room?.reject(this.#failure);
    this.#quiet?.promise.catch(() => undefined);
    this.#quiet?.reject(this.#failure);
  }
}

/** Callers gather many of these before they look at the first: a failure of the run must not end the process. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore);
  return promise;
}

function ignore(): void {}

function rejected(error: unknown): Promise<never> {
  return handled(Promise.reject(error));
}
