import { blobId } from "../format/blob-id.ts";
import { UnsealRun, type MasterKey } from "../format/crypto.ts";
import { ZstdDecoder } from "../format/zstd-context.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { BlobIndex, type SharedBlobIndex } from "./blob-index.ts";
import { receivedKey } from "./message-bytes.ts";
import { takePackBuffer } from "./pack-buffers.ts";
import { PackSlots } from "./pack-slots.ts";
import { Packer } from "./packer.ts";
import { Scratch } from "./scratch.ts";
import type { PackNotice } from "./upload-messages.ts";
import type { RoleAnswer, WorkerDoor } from "./worker.ts";

export interface RepackWorkerSetup {
  readonly role: "repack";
  readonly key: MasterKey;
  readonly index: SharedBlobIndex;
  readonly packSlots: SharedArrayBuffer;
}

export type RepackRequest =
  | {
      readonly type: "move";
      readonly bytes: Uint8Array;
      /** Where `bytes` begins in its pack. */
      readonly start: number;
      /** Entries of the index: what is to be moved. */
      readonly entries: Int32Array;
    }
  | { readonly type: "flush" };
/** Entries that are not what they should be. */
export type RepackAnswer = readonly number[];

/**
 * The part of a prune that runs in a worker thread: takes blobs out of old packs and fills new ones.
 *
 * A blob is opened, unpacked and compared with its id, and then moved as it stands, sealed and compressed: the same
 * plaintext under the same counter is what an attacker had before. Trees that somebody stored plain are compressed.
 */
export function repackWorker(setup: RepackWorkerSetup, door: WorkerDoor): (request: unknown) => RoleAnswer {
  const key = receivedKey(setup.key);
  const slots = new PackSlots(setup.packSlots);
  const index = new BlobIndex(setup.index);
  const opener = new UnsealRun(key);
  const decoder = new ZstdDecoder();
  const opened = new Scratch();
  const contents = new Scratch();
  const packer = new Packer({
    key,
    index,
    onPack: (pack) => {
      slots.take();
      const notice: PackNotice = { type: "pack", ...pack };
      door.notify(notice);
    },
    reuse: () => takePackBuffer(() => door.recycled()),
  });

  /** False: it is damaged, and nothing was moved. */
  function move(entry: number, bytes: Uint8Array, start: number): boolean {
    const location = index.location(entry);
    if (location === undefined) throw new HoldfastError("internal", { reason: "blob in flight" });
    const { offset, length, uncompressedLength: plainLength } = location;
    const type = index.type(entry);
    const sealed = bytes.subarray(offset - start, offset - start + length);
    const plain = open(sealed, plainLength);
    if (plain === undefined) return false;
    const id = blobId(plain);
    if (!id.equals(index.idBytes([entry]))) return false;
    if (type === "tree" && plainLength === 0) packer.addClaimed("tree", "hot", plain);
    // Nobody knows any more what it is for, so it goes where it stays at hand.
    else packer.move(type, "hot", id, sealed, plainLength);
    return true;
  }

  function open(sealed: Uint8Array, plainLength: number): Buffer | undefined {
    try {
      const body = opener.unseal(sealed, opened.of(sealed.length));
      return plainLength === 0 ? body : decoder.decompress(body, plainLength, contents.of(plainLength));
    } catch (error) {
      if (isHoldfastError(error, "repository-damaged")) return undefined;
      throw error;
    }
  }

  return (message) => {
    const request = message as RepackRequest;
    slots.throwIfStopped();
    const damaged: number[] = [];
    if (request.type === "flush") packer.flush();
    else for (const entry of request.entries) if (!move(entry, request.bytes, request.start)) damaged.push(entry);
    return { answer: damaged };
  };
}
