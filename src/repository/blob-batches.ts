import type { Transferable } from "node:worker_threads";
import type { Id } from "../format/tree.ts";
import { signatureBytes } from "../lib/row-signature.ts";
import { freeMemory } from "../lib/free-memory.ts";
import { transferable } from "./message-bytes.ts";
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

/** Blobs gathered for one request to a worker thread. */
export class BlobBatch {
  readonly #kinds: BlobKind[] = [];
  readonly #blobs: Uint8Array[] = [];
  readonly #resolve: ((blob: StoredBlob) => void)[] = [];
  readonly #reject: ((error: unknown) => void)[] = [];
  #bytes = 0;

  get blobs(): number {
    return this.#blobs.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isFull(): boolean {
    return this.#blobs.length >= batchBlobs || this.#bytes >= batchBytes;
  }

  add(kind: BlobKind, bytes: Uint8Array): Promise<StoredBlob> {
    this.#kinds.push(kind);
    this.#blobs.push(bytes);
    this.#bytes += bytes.length;
    return new Promise((resolve, reject) => {
      this.#resolve.push(resolve);
      this.#reject.push(reject);
    });
  }

  request(): { readonly request: UploadRequest; readonly transfer: readonly Transferable[] } {
    const bytes = transferable(this.#blobs);
    const lengths = this.#blobs.map((blob) => blob.length);
    // They were handed over, and stand in `bytes` now.
    if (this.#blobs.length > 1) for (const blob of this.#blobs) freeMemory(blob);
    return { request: { type: "blobs", kinds: this.#kinds, lengths, bytes }, transfer: [bytes.buffer] };
  }

  settle(answer: BlobsAnswer): void {
    const stored = storedBlobs(answer);
    let signed = 0;
    for (const [index, resolve] of this.#resolve.entries()) {
      const blob = stored[index];
      if (blob === undefined) continue;
      if (this.#kinds[index]?.signs === undefined) resolve(blob);
      else {
        const start = signed++ * signatureBytes;
        resolve({ ...blob, signature: answer.signatures.subarray(start, start + signatureBytes) });
      }
    }
  }

  fail(error: unknown): void {
    for (const reject of this.#reject) reject(error);
  }
}

export function storedBlobs(answer: BlobsAnswer): StoredBlob[] {
  const ids = Buffer.from(answer.ids.buffer, answer.ids.byteOffset, answer.ids.length);
  return Array.from({ length: ids.length / 32 }, (_, index) => {
    const [added = 0, size = 0, storedBytes = 0] = answer.numbers.subarray(index * blobNumbers);
    return { id: ids.toString("hex", index * 32, (index + 1) * 32), size, added: added === 1, storedBytes };
  });
}
