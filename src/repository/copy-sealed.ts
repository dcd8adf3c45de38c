import { hasBlobId } from "../format/blob-id.ts";
import { UnsealRun } from "../format/crypto.ts";
import { nodeBuffer, receivedKey } from "./message-bytes.ts";
import { SealedOpener } from "./open-sealed.ts";
import type { PackedResult, Packer, SealedBlob } from "./packer.ts";
import { Scratch } from "./scratch.ts";
import { placeNumbers, type SealedAnswer, type SealedBlobs } from "./upload-messages.ts";

/**
 * In a worker thread: opens blobs that were read from a pack, compares each with its id, and packs it anew, as if it
 * had just been made; or moves it as it stands, where the key is the same. A damaged one is told and nothing of it is
 * kept; it may stand whole in another pack.
 *
 * That its seal fits does not make a blob the one that it should be: any other one of the same key and length would fit
 * too. So each is opened before it is moved, unless its whole pack is proven.
 */
export class SealedCopier {
  readonly #packer: Packer;
  readonly #opener = new SealedOpener();
  readonly #contents = new Scratch();

  constructor(packer: Packer) {
    this.#packer = packer;
  }

  copy(blobs: SealedBlobs): SealedAnswer {
    const { places } = blobs;
    const bytes = nodeBuffer(blobs.bytes);
    const ids = nodeBuffer(blobs.ids);
    const opener = new UnsealRun(receivedKey(blobs.key));
    const damaged: number[] = [];
    let addedBlobs = 0;
    let addedBytes = 0;
    let storedBytes = 0;
    for (let index = 0; index * 32 < ids.length; index++) {
      const [offset = 0, length = 0, uncompressedLength = 0] = places.subarray(index * placeNumbers);
      const sealed = bytes.subarray(offset, offset + length);
      const id = ids.subarray(index * 32, index * 32 + 32);
      const packed = this.#copyOne(blobs, { id, sealed, uncompressedLength }, opener);
      if (packed === undefined) damaged.push(index);
      else if (packed.added) {
        addedBlobs++;
        addedBytes += packed.size;
        storedBytes += packed.storedBytes;
      }
    }
    return { damaged: Uint32Array.from(damaged), addedBlobs, addedBytes, storedBytes };
  }

  /** `undefined`: it is damaged. */
  #copyOne({ type, stream, handling }: SealedBlobs, blob: SealedBlob, opener: UnsealRun): PackedResult | undefined {
    const { id, sealed, uncompressedLength } = blob;
    // Trees that somebody stored plain are compressed: every prune of restic would write them anew.
    const move = handling !== "reseal" && !(type === "tree" && uncompressedLength === 0);
    if (move && handling === "move-proven") return this.#packer.moveUnknown(type, stream, blob);
    const plain = this.#opener.open(opener, sealed, uncompressedLength, (bytes) => this.#contents.of(bytes));
    if (plain === undefined) return undefined;
    if (!move) return this.#packer.addExpected(type, stream, plain, id);
    return hasBlobId(plain, id) ? this.#packer.moveUnknown(type, stream, blob) : undefined;
  }
}
