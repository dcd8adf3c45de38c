import { UnsealRun } from "../format/crypto.ts";
import { ZstdDecoder } from "../format/zstd-context.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { nodeBuffer } from "./message-bytes.ts";
import type { Packer } from "./packer.ts";
import { placeNumbers, type SealedAnswer, type SealedBlobs } from "./upload-messages.ts";

/**
 * In a worker thread: opens blobs that were read from a pack, compares each with its id, and packs it anew, as if it
 * had just been made. A damaged one is told and nothing of it is kept; it may stand whole in another pack.
 */
export function copySealed(packer: Packer, blobs: SealedBlobs): SealedAnswer {
  const { type, stream, places } = blobs;
  const bytes = nodeBuffer(blobs.bytes);
  const ids = nodeBuffer(blobs.ids);
  const key = {
    encrypt: nodeBuffer(blobs.key.encrypt),
    macK: nodeBuffer(blobs.key.macK),
    macR: nodeBuffer(blobs.key.macR),
  };
  const opener = new UnsealRun(key);
  const decoder = new ZstdDecoder();
  const damaged: number[] = [];
  let addedBlobs = 0;
  let addedBytes = 0;
  let storedBytes = 0;
  for (let index = 0; index * 32 < ids.length; index++) {
    const [offset = 0, length = 0, plainLength = 0] = places.subarray(index * placeNumbers);
    const plain = openBlob(opener, decoder, bytes.subarray(offset, offset + length), plainLength);
    const packed = plain && packer.addExpected(type, stream, plain, ids.subarray(index * 32, index * 32 + 32));
    if (packed === undefined) damaged.push(index);
    else if (packed.added) {
      addedBlobs++;
      addedBytes += packed.size;
      storedBytes += packed.storedBytes;
    }
  }
  return { damaged: Uint32Array.from(damaged), addedBlobs, addedBytes, storedBytes };
}

/** `undefined`: it was not sealed with this key, or is no whole frame of that length. */
function openBlob(opener: UnsealRun, decoder: ZstdDecoder, sealed: Buffer, plainLength: number): Buffer | undefined {
  try {
    const body = opener.unseal(sealed);
    return plainLength === 0 ? body : decoder.decompress(body, plainLength);
  } catch (error) {
    if (isHoldfastError(error, "repository-damaged")) return undefined;
    throw error;
  }
}
