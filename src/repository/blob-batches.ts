import { minChunk } from "../format/chunker.ts";
import type { Id } from "../format/tree.ts";
import { signatureBytes } from "../lib/row-signature.ts";
import { freeMemory } from "../lib/memory-pool.ts";
import { nodeBuffer } from "./message-bytes.ts";
import { blobNumbers, type BlobKind, type BlobsAnswer, type UploadRequest } from "./upload-messages.ts";

const batchBlobs = 64;
const batchBytes = 1 << 20;

export interface StoredBlob {
  readonly id: Id;
  readonly size: number;
  readonly added: boolean;
  readonly storedBytes: number;
  readonly signature?: Uint8Array;
}

/** Room for what makes a batch full, and for the blob that does. */
const sharedBytes = batchBytes + minChunk;

/**
 * Blobs gathered for one request to a worker thread, in memory that both see and that is used again: made anew for each
 * request, it costs more in page faults and garbage collection than all that is done for the rows in it.
 */
export class BlobBatch {
  readonly #kinds: BlobKind[] = [];
  readonly #lengths: number[] = [];
  readonly #memory: Buffer;
  readonly #resolve: ((blob: StoredBlob) => void)[] = [];
  readonly #reject: ((error: unknown) => void)[] = [];
  #bytes = 0;

  constructor(shared: SharedArrayBuffer = new SharedArrayBuffer(sharedBytes)) {
    this.#memory = Buffer.from(shared);
  }

  get blobs(): number {
    return this.#lengths.length;
  }

  /** For another batch, once this one is settled. */
  get shared(): SharedArrayBuffer {
    return this.#memory.buffer as unknown as SharedArrayBuffer;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isFull(): boolean {
    return this.#lengths.length >= batchBlobs || this.#bytes >= batchBytes;
  }

  /** Takes a blob below `minChunk`, whose memory is handed over. */
  add(kind: BlobKind, bytes: Uint8Array): Promise<StoredBlob> {
    this.#kinds.push(kind);
    this.#lengths.push(bytes.length);
    // `copy`, not `set`: V8 moves shared memory word by word.
    nodeBuffer(bytes).copy(this.#memory, this.#bytes);
    this.#bytes += bytes.length;
    freeMemory(bytes);
    return new Promise((resolve, reject) => {
      this.#resolve.push(resolve);
      this.#reject.push(reject);
    });
  }

  request(): UploadRequest {
    const bytes = this.#memory.subarray(0, this.#bytes);
    return { type: "blobs", kinds: this.#kinds, lengths: this.#lengths, bytes };
  }

  settle(answer: BlobsAnswer): void {
    for (const [index, blob] of signedBlobs(this.#kinds, answer).entries()) this.#resolve[index]?.(blob);
  }

  fail(error: unknown): void {
    for (const reject of this.#reject) reject(error);
  }
}

/** What became of blobs, with their signatures where they were to be signed. */
export function signedBlobs(kinds: readonly BlobKind[], answer: BlobsAnswer): readonly StoredBlob[] {
  let start = 0;
  return storedBlobs(answer).map((blob, index) => {
    if (kinds[index]?.signs === undefined) return blob;
    return { ...blob, signature: answer.signatures.subarray(start, (start += signatureBytes)) };
  });
}

export function storedBlobs(answer: BlobsAnswer): StoredBlob[] {
  const ids = Buffer.from(answer.ids.buffer, answer.ids.byteOffset, answer.ids.length);
  return Array.from({ length: ids.length / 32 }, (_, index) => {
    const [added = 0, size = 0, storedBytes = 0] = answer.numbers.subarray(index * blobNumbers);
    return { id: ids.toString("hex", index * 32, (index + 1) * 32), size, added: added === 1, storedBytes };
  });
}
