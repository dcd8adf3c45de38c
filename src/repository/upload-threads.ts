import type { Id } from "../format/tree.ts";
import { minChunk } from "../format/chunker.ts";
import { HoldfastError } from "../lib/errors.ts";
import { handled, rejected } from "../lib/handled.ts";
import { BlobBatch, signedBlobs, storedBlobs, type StoredBlob } from "./blob-batches.ts";
import { batchFiles, FileBatch } from "./file-batches.ts";
import { transferable } from "./message-bytes.ts";
import { offerPackBuffer } from "./pack-buffers.ts";
import type { FileReadResult, FileToRead, PackStream } from "./repository.ts";
import type {
  BlobKind,
  BlobsAnswer,
  FilesAnswer,
  OpenedAnswer,
  PackNotice,
  SealedAnswer,
  SealedBlobs,
  SealedParts,
  UploadWorkerSetup,
} from "./upload-messages.ts";
import { WorkerPool } from "./worker-pool.ts";

/** A file from this size on gets a worker thread for itself while it is read. */
const longFile = 8 << 20;
/**
 * Files given and not yet answered, for each thread and one more: two batches. So no thread waits, and what is known of a file
 * is garbage before V8 has copied it from one heap to the next, which took a tenth of the time of a hundred thousand small ones.
 */
const filesPerThread = 2 * batchFiles;
/** Bytes of blobs given and not yet answered. */
const maxBlobBytes = 32 << 20;

export interface UploadThreadsOptions {
  readonly workers: number;
  readonly setup: UploadWorkerSetup;
  /** A pack is full. `recycle` gives its buffer back to the threads. */
  readonly onPack: (notice: PackNotice, recycle: (buffer: SharedArrayBuffer) => void) => void;
  readonly onRead: (file: Extract<FileReadResult, { state: "read" }>) => void;
  readonly onFailure: (error: unknown) => void;
}

/**
 * The worker threads of an upload: gathers what they are given into few messages, and knows what is on its way, so that
 * who gives more can wait for room, and who ends can wait until all is stored.
 */
export class UploadThreads {
  readonly #pool: WorkerPool;
  readonly #onRead: UploadThreadsOptions["onRead"];
  readonly #maxFiles: number;
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

  constructor({ workers, setup, onPack, onRead, onFailure }: UploadThreadsOptions) {
    this.#onRead = onRead;
    this.#maxFiles = (workers + 1) * filesPerThread;
    this.#pool = new WorkerPool({
      size: workers,
      setup,
      onNotice: (notice) => onPack(notice as PackNotice, (buffer) => this.#recycle(buffer)),
      onFailure,
    });
    // Whatever comes, a snapshot's tree at the least will be stored.
    this.#pool.warmUp();
  }

  #recycle(buffer: SharedArrayBuffer): void {
    offerPackBuffer(buffer, (offered) => this.#pool.recycle(offered));
  }

  /** Resolves when more can be given; `undefined`: it can be now. */
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

  blob(kind: BlobKind, bytes: Uint8Array): Promise<StoredBlob> {
    if (this.#failure !== undefined) return rejected(this.#failure);
    if (bytes.length >= minChunk) return handled(this.#sendBlob(kind, bytes));
    this.#open++;
    this.#openBlobBytes += bytes.length;
    const stored = this.#blobs.add(kind, bytes);
    if (this.#blobs.isFull) this.#sendBlobBatch();
    else this.#pumpSoon();
    return handled(stored);
  }

  /** Cuts bytes as a file is cut. */
  bytes(bytes: Uint8Array, stream: PackStream): Promise<readonly StoredBlob[]> {
    const owned = transferable([bytes]);
    const duration = bytes.length > longFile ? "long" : "short";
    return this.during(bytes.length, async () => {
      const request = { type: "bytes", stream, bytes: owned } as const;
      return storedBlobs(await this.#pool.request<BlobsAnswer>(request, [owned.buffer], duration));
    });
  }

  /** A tree that has been compressed already. */
  frame(id: Id, frame: Buffer, plainLength: number): Promise<readonly StoredBlob[]> {
    if (this.#failure !== undefined) return rejected(this.#failure);
    const bytes = transferable([frame]);
    return handled(
      this.during(bytes.length, async () => {
        const request = { type: "frame", id, frame: bytes, plainLength } as const;
        return storedBlobs(await this.#pool.request<BlobsAnswer>(request, [bytes.buffer], "long"));
      }),
    );
  }

  /** Blobs as another repository holds them. */
  sealed(blobs: SealedBlobs): Promise<SealedAnswer> {
    const bytes = transferable([blobs.bytes]);
    const duration = bytes.length > longFile ? "long" : "short";
    const request = { type: "sealed", blobs: { ...blobs, bytes } } as const;
    return this.during(bytes.length, () => this.#pool.request<SealedAnswer>(request, [bytes.buffer], duration));
  }

  /** Opens blobs of this repository. Nothing is stored by it, so nobody waits for its end. */
  open(sealed: SealedParts): Promise<OpenedAnswer> {
    const bytes = transferable([sealed.bytes]);
    return this.#pool.request<OpenedAnswer>({ type: "open", sealed: { ...sealed, bytes } }, [bytes.buffer]);
  }

  /** Something that has to be done before all is quiet. */
  async during<T>(blobBytes: number, work: () => Promise<T>): Promise<T> {
    this.throwIfFailed();
    this.#openBlobBytes += blobBytes;
    this.#open++;
    try {
      return await work();
    } finally {
      this.#openBlobBytes -= blobBytes;
      this.#closed(1);
    }
  }

  /** Sends what is gathered, waits for all answers, and has the threads give away their packs, full or not. */
  async flush(): Promise<void> {
    this.throwIfFailed();
    this.#sendFileBatch();
    this.#sendBlobBatch();
    if (this.#open > 0) await (this.#quiet ??= Promise.withResolvers<void>()).promise;
    await this.#pool.requestAll({ type: "flush" });
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Everything that is waited for, or asked for later, fails with this error; the first counts. */
  fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    clearImmediate(this.#pump);
    this.#files.fail(error);
    this.#blobs.fail(error);
    this.#pool.fail(error);
    this.#room?.promise.catch(() => undefined);
    this.#room?.reject(error);
    this.#quiet?.promise.catch(() => undefined);
    this.#quiet?.reject(error);
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  /** A large one alone: it is handed over without a copy. */
  async #sendBlob(kind: BlobKind, bytes: Uint8Array): Promise<StoredBlob> {
    const owned = transferable([bytes]);
    const size = owned.length;
    const answer = await this.during(size, () => {
      const request = { type: "blobs", kinds: [kind], lengths: [size], bytes: owned } as const;
      return this.#pool.request<BlobsAnswer>(request, [owned.buffer]);
    });
    const [blob] = signedBlobs([kind], answer);
    if (!blob) throw new HoldfastError("internal", { reason: "blob without an answer" });
    return blob;
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
        for (const result of batch.settle(answer)) this.#onRead(result);
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
    return this.#openFiles < this.#maxFiles && this.#openBlobBytes < maxBlobBytes;
  }
}
