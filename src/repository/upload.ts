import { hash } from "node:crypto";
import { gearTable, maxChunk, minChunk } from "../format/chunker.ts";
import type { IndexedPack } from "../format/index-file.ts";
import type { Snapshot } from "../format/snapshot.ts";
import type { BlobType, Id, Tree } from "../format/tree.ts";
import type { SealedFile } from "../format/unpacked.ts";
import { sameKey, sealOverhead, type MasterKey } from "../format/crypto.ts";
import { HoldfastError } from "../lib/errors.ts";
import { handled, rejected } from "../lib/handled.ts";
import { lowerPriority } from "../lib/posix.ts";
import type { ColumnSigns } from "../lib/row-signature.ts";
import type { ByteRange, Storage } from "../storage/storage.ts";
import type { StoredBlob } from "./blob-batches.ts";
import type { BlobIndex } from "./blob-index.ts";
import { PackSaver } from "./pack-saver.ts";
import { PackSlots } from "./pack-slots.ts";
import type { PackTable } from "./pack-table.ts";
import { blobLevel } from "./packer.ts";
import type { OpenedTree } from "./opened-tree.ts";
import type {
  BlobReader,
  FileReadResult,
  FileToRead,
  PackStream,
  ReaderAhead,
  SavedBlob,
  StoredSnapshot,
  TreeWriter,
  Upload,
  UploadOptions,
  UploadStats,
} from "./repository.ts";
import { ReadAhead } from "./read-ahead.ts";
import { Throttle, throttleBytes } from "./throttle.ts";
import { EncodingTreeWriter } from "./tree-writer.ts";
import type { BlobKind, SealedBlobs, UploadWorkerSetup } from "./upload-messages.ts";
import { UploadThreads } from "./upload-threads.ts";

export interface UploadParts {
  readonly storage: Storage;
  readonly key: MasterKey;
  /** 32 bytes that choose where files are cut. */
  readonly chunkerSecret: Buffer;
  readonly index: BlobIndex;
  readonly packs: PackTable;
  /** Reads what the storage holds, in terms of `index` and `packs`. */
  readonly reader: BlobReader;
  readonly saveIndex: (index: SealedFile, signal: AbortSignal) => Promise<void>;
  readonly saveSnapshot: (snapshot: Snapshot, signal: AbortSignal) => Promise<Id>;
}

/** New to the repository. */
interface Added {
  readonly addedBlobs: number;
  readonly addedBytes: number;
  readonly storedBytes: number;
}

export class RepositoryUpload implements Upload {
  readonly #parts: UploadParts;
  readonly #signal: AbortSignal;
  readonly #stop = new AbortController();
  readonly #slots: PackSlots;
  readonly #threads: UploadThreads;
  readonly #saver: PackSaver;
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
    this.#threads = new UploadThreads({
      workers: options.limits.workers,
      setup,
      onPack: (notice, recycle) => this.#saver.save(notice, recycle),
      onRead: (file) => this.#count("data", file),
      onFailure: (error) => this.#fail(error),
    });
    this.#saver = new PackSaver({
      storage: parts.storage,
      key: parts.key,
      index: parts.index,
      packs: parts.packs,
      slots: this.#slots,
      throttle: new Throttle(new SharedArrayBuffer(throttleBytes), options.limits.writeBytesPerSecond),
      signal: this.#signal,
      saveIndex: (index) => parts.saveIndex(index, this.#signal),
      onFailure: (error) => this.#fail(error),
    });
    this.#signal.addEventListener("abort", () => this.#fail(this.#signal.reason), { once: true });
    if (this.#signal.aborted) this.#fail(this.#signal.reason);
  }

  /** Packs that an interrupted run stored and did not name: they become this run's. */
  adopt(packs: readonly IndexedPack[]): void {
    for (const pack of packs) this.#saver.adopt(pack);
  }

  ready(): Promise<void> | undefined {
    return this.#threads.ready();
  }

  file(file: FileToRead): Promise<FileReadResult> {
    return this.#threads.file(file);
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
    const blobs = await this.#threads.bytes(bytes, this.#atHand(stream));
    for (const blob of blobs) this.#countBlob("data", blob);
    return blobs.map((blob) => blob.id);
  }

  /** What is not read from files, rows above all, is read again by the next backup: it must not go cold. */
  #atHand(stream: PackStream): PackStream {
    return this.#parts.storage.traits.coldClass === undefined ? stream : "hot";
  }

  async sealed(blobs: SealedBlobs): Promise<readonly number[]> {
    const answer = await this.#threads.sealed(blobs);
    this.#count(blobs.type, answer);
    return [...answer.damaged];
  }

  sealsWith(key: MasterKey): boolean {
    return sameKey(this.#parts.key, key);
  }

  async carry(pack: IndexedPack, bytes: Uint8Array, stream: PackStream): Promise<"stored" | "taken"> {
    const isStored = await this.#threads.during(0, async () => {
      const names = await (this.#storedNames ??= this.#listPacks());
      if (names.has(pack.id)) return false;
      await this.#saver.carry(pack, bytes, stream);
      return true;
    });
    if (!isStored) return "taken";
    for (const { type, length, uncompressedLength } of pack.blobs) {
      this.#count(type, {
        addedBlobs: 1,
        addedBytes: uncompressedLength || length - sealOverhead,
        storedBytes: length,
      });
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
      this.#threads.throwIfFailed();
      const id = tree.kind === "frame" ? tree.id : hash("sha256", tree.bytes, "hex");
      const length = tree.kind === "frame" ? tree.length : tree.bytes.length;
      if (this.#parts.index.claim("tree", id, length) >= 0) {
        // Its failure is the run's failure, which `finish` throws.
        if (tree.kind === "frame") void handled(this.#addFrame(tree.id, tree.frame, tree.length));
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

  ahead(ids: AsyncIterable<Id, void>, signal: AbortSignal): ReaderAhead {
    const { index, packs, storage } = this.#parts;
    const locate = (id: Id) => {
      const entry = index.find("data", id);
      return entry < 0 ? undefined : index.location(entry);
    };
    const read = (pack: number, range: ByteRange, during: AbortSignal) =>
      storage.load({ kind: "data", name: packs.id(pack) }, range, during);
    return new ReadAhead({ reader: this, locate, read, open: (sealed) => this.#threads.open(sealed) }, ids, signal);
  }

  async index(): Promise<void> {
    await this.store();
    await this.#saver.finish();
    this.#threads.throwIfFailed();
  }

  async finish(snapshot: Snapshot): Promise<StoredSnapshot> {
    await this.index();
    const id = await this.#parts.saveSnapshot(snapshot, this.#signal);
    return { id, snapshot };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#fail(new HoldfastError("cancelled"));
    await this.#threads.close();
    // Nothing of this upload may be written once it is over: a prune that comes next would not know of it.
    await this.#saver.settled();
  }

  async store(): Promise<void> {
    await this.#threads.flush();
    await this.#saver.idle;
    this.#threads.throwIfFailed();
  }

  /** Makes a blob of this upload readable: all that is on its way is stored first. */
  async #store(type: BlobType, id: Id): Promise<void> {
    const { index } = this.#parts;
    const entry = index.find(type, id);
    if (entry >= 0 && index.location(entry) === undefined) await this.store();
  }

  #addBlob(kind: BlobKind, bytes: Uint8Array): Promise<StoredBlob> {
    return handled(
      this.#threads.blob(kind, bytes).then((blob) => {
        this.#countBlob(kind.type, blob);
        return blob;
      }),
    );
  }

  /** A tree that has been compressed already. */
  async #addFrame(id: Id, frame: Buffer, plainLength: number): Promise<void> {
    for (const blob of await this.#threads.frame(id, frame, plainLength)) this.#countBlob("tree", blob);
  }

  #countBlob(type: BlobType, { added, size, storedBytes }: StoredBlob): void {
    if (added) this.#count(type, { addedBlobs: 1, addedBytes: size, storedBytes });
  }

  #count(type: BlobType, { addedBlobs, addedBytes, storedBytes }: Added): void {
    this.#stats[type === "tree" ? "treeBlobs" : "dataBlobs"] += addedBlobs;
    this.#stats.addedBytes += addedBytes;
    this.#stats.storedBytes += storedBytes;
  }

  /** Ends the run: nothing is stored any more, and everything that is waited for fails with the same error. */
  #fail(error: unknown): void {
    if (this.#stop.signal.aborted) return;
    const failure = error ?? new HoldfastError("cancelled");
    this.#threads.fail(failure);
    this.#slots.stop();
    this.#stop.abort(failure);
  }
}
