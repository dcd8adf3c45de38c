import { UnsealRun } from "../format/crypto.ts";
import { ZstdDecoder } from "../format/zstd-context.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { nodeBuffer } from "./message-bytes.ts";
import type { Packer } from "./packer.ts";
import { Scratch } from "./scratch.ts";
import { placeNumbers, type SealedAnswer, type SealedBlobs } from "./upload-messages.ts";

/**
 * In a worker thread: opens blobs that were read from a pack, compares each with its id, and packs it anew, as if it
 * had just been made. A damaged one is told and nothing of it is kept; it may stand whole in another pack.
 */
export class SealedCopier {
  readonly #packer: Packer;
  readonly #decoder = new ZstdDecoder();
  readonly #opened = new Scratch();
  readonly #contents = new Scratch();

  constructor(packer: Packer) {
    this.#packer = packer;
  }

  copy(blobs: SealedBlobs): SealedAnswer {
    const { type, stream, places } = blobs;
    const bytes = nodeBuffer(blobs.bytes);
    const ids = nodeBuffer(blobs.ids);
    const key = {
      encrypt: nodeBuffer(blobs.key.encrypt),
      macK: nodeBuffer(blobs.key.macK),
      macR: nodeBuffer(blobs.key.macR),
    };
    const opener = new UnsealRun(key);
    const damaged: number[] = [];
    let addedBlobs = 0;
    let addedBytes = 0;
    let storedBytes = 0;
    for (let index = 0; index * 32 < ids.length; index++) {
      const [offset = 0, length = 0, plainLength = 0] = places.subarray(index * placeNumbers);
      const plain = this.#open(opener, bytes.subarray(offset, offset + length), plainLength);
      const id = ids.subarray(index * 32, index * 32 + 32);
      const packed = plain && this.#packer.addExpected(type, stream, plain, id);
      if (packed === undefined) damaged.push(index);
      else if (packed.added) {
        addedBlobs++;
        addedBytes += packed.size;
        storedBytes += packed.storedBytes;
      }
    }
    return { damaged: Uint32Array.from(damaged), addedBlobs, addedBytes, storedBytes };
  }

  /** Valid until the next call; `undefined`: not sealed with this key, or no whole frame of that length. */
  #open(opener: UnsealRun, sealed: Buffer, plainLength: number): Buffer | undefined {
    try {
      const body = opener.unseal(sealed, this.#opened.of(sealed.length));
      return plainLength === 0 ? body : this.#decoder.decompress(body, plainLength, this.#contents.of(plainLength));
    } catch (error) {
      if (isHoldfastError(error, "repository-damaged")) return undefined;
      throw error;
    }
  }
}
