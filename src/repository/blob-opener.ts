import { hasBlobId } from "../format/blob-id.ts";
import { alignedLength, sealOverhead, type UnsealRun } from "../format/crypto.ts";
import { ZstdDecoder } from "../format/zstd-context.ts";
import { freeMemory } from "../lib/memory-pool.ts";
import { nodeBuffer } from "./message-bytes.ts";
import { Scratch } from "./scratch.ts";
import { blobNumbers, type WriteRequest } from "./write-messages.ts";

/** Opens the blobs of requests to write files, one request after the other. */
export class BlobOpener {
  readonly #opener: UnsealRun;
  readonly #decoder = new ZstdDecoder();
  readonly #plain = new Scratch();
  readonly #decompressed = new Scratch();
  #group: OpenedGroup | undefined;
  /** One whose small blobs do not open together: they are damaged, or restic wrote them. */
  #oneByOne: WriteRequest | undefined;

  constructor(opener: UnsealRun) {
    this.#opener = opener;
  }

  /** The plaintext, good until the next call; `undefined` when the blob is not what its id says. */
  open(request: WriteRequest, blob: number): Buffer | undefined {
    const plainLength = request.blobs[blob * blobNumbers + 2] ?? 0;
    const id = request.ids.subarray(blob * 32, (blob + 1) * 32);
    try {
      const body = this.#together(request, blob) ?? this.#alone(request, blob);
      const plain =
        plainLength === 0 ? body : this.#decoder.decompress(body, plainLength, this.#decompressed.of(plainLength));
      return hasBlobId(plain, id) ? plain : undefined;
    } catch {
      return undefined;
    }
  }

  #alone({ sealed, blobs }: WriteRequest, blob: number): Buffer {
    const [offset = 0, length = 0] = blobs.subarray(blob * blobNumbers);
    const target = length > smallBlob ? this.#plain.of(length - sealOverhead) : undefined;
    return this.#opener.unseal(sealed.subarray(offset, offset + length), target);
  }

  /** Of a small blob beside others, which are opened at once in half the time. */
  #together(request: WriteRequest, blob: number): Buffer | undefined {
    if (this.#oneByOne === request) return undefined;
    let group = this.#group;
    if (group?.request !== request || blob < group.first || blob >= group.first + group.lengths.length) {
      if (group !== undefined) freeMemory(group.opened);
      group = this.#group = this.#openFrom(request, blob);
      if (group === undefined) return undefined;
    }
    while (group.first < blob) {
      group.at += alignedLength(group.lengths.shift() ?? 0);
      group.first++;
    }
    return group.opened.subarray(group.at, group.at + (group.lengths[0] ?? 0));
  }

  #openFrom(request: WriteRequest, first: number): OpenedGroup | undefined {
    const { sealed, blobs } = request;
    const start = blobs[first * blobNumbers] ?? 0;
    const lengths: number[] = [];
    let end = start;
    for (let at = first * blobNumbers; at < blobs.length; at += blobNumbers) {
      const [offset = 0, length = 0] = blobs.subarray(at);
      if (offset !== end || offset + length - start > smallBlob) break;
      lengths.push(length - sealOverhead);
      end += length;
    }
    if (lengths.length < 2) return undefined;
    try {
      const opened = this.#opener.unsealAll(nodeBuffer(sealed).subarray(start, end), lengths);
      return { request, first, lengths, opened, at: 0 };
    } catch {
      this.#oneByOne = request;
      return undefined;
    }
  }
}

/** Small blobs that were opened at once, from `first` on, whose plaintext begins at `at`. */
interface OpenedGroup {
  readonly request: WriteRequest;
  first: number;
  readonly lengths: number[];
  readonly opened: Buffer;
  at: number;
}

/** Smaller ones come faster in memory of their own, and as many together as are no larger. */
const smallBlob = 64 << 10;
