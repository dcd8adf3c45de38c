import { hasBlobId } from "../format/blob-id.ts";
import type { MasterKey } from "../format/crypto.ts";
import { UnsealRun } from "../format/crypto.ts";
import { ZstdDecoder } from "../format/zstd-context.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { nodeBuffer } from "./message-bytes.ts";
import { Scratch } from "./scratch.ts";
import { placeNumbers, type OpenedAnswer, type SealedParts } from "./upload-messages.ts";

/** In a worker thread: opens blobs that were read from packs, one after the other. */
export class SealedOpener {
  readonly #decoder = new ZstdDecoder();
  readonly #opened = new Scratch();

  /** `into`: memory for plaintext. `undefined`: not sealed with this key, or no whole frame of that length. */
  open(
    opener: UnsealRun,
    sealed: Buffer,
    plainLength: number,
    into: (length: number) => Uint8Array,
  ): Buffer | undefined {
    try {
      const body = opener.unseal(sealed, this.#opened.of(sealed.length));
      return plainLength === 0 ? body : this.#decoder.decompress(body, plainLength, into(plainLength));
    } catch (error) {
      if (isHoldfastError(error, "repository-damaged")) return undefined;
      throw error;
    }
  }
}

/** In a worker thread: opens blobs for somebody who reads them, each into memory of its own that is given away. */
export class SealedReader {
  readonly #opener = new SealedOpener();
  readonly #run: UnsealRun;

  constructor(key: MasterKey) {
    this.#run = new UnsealRun(key);
  }

  /** Those that are damaged are left out: they may stand whole in another pack. */
  open({ bytes, places, ids }: SealedParts): OpenedAnswer {
    const sealed = nodeBuffer(bytes);
    const blobs = Array.from({ length: ids.length / 32 }, (_, index) => {
      const [offset = 0, length = 0, plainLength = 0] = places.subarray(index * placeNumbers);
      const part = sealed.subarray(offset, offset + length);
      const plain = this.#opener.open(this.#run, part, plainLength, (bytesOf) => Buffer.allocUnsafeSlow(bytesOf));
      if (!plain || !hasBlobId(plain, ids.subarray(index * 32, index * 32 + 32))) return undefined;
      // Stored plain, it lies in memory that the next one is opened into.
      return (plainLength === 0 ? Uint8Array.from(plain) : plain) as Uint8Array<ArrayBuffer>;
    });
    return { blobs, bytes: bytes as Uint8Array<ArrayBuffer> };
  }
}
