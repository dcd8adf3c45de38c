import { hash } from "node:crypto";
import { decompress } from "../format/compress.ts";
import { sealOverhead, UnsealRun, type MasterKey } from "../format/crypto.ts";
import { decodePackHeader, headerLengthField, sealedHeaderLength, type PackedBlob } from "../format/pack.ts";
import type { Id } from "../format/tree.ts";
import { isHoldfastError } from "../lib/errors.ts";
import type { Storage } from "../storage/storage.ts";
import type { BlobIndex } from "./blob-index.ts";

/** What a pack file holds in truth. */
export interface ExaminedPack {
  readonly id: Id;
  /**
   * `whole`: as it was written, whatever an index says of it. `damaged`: not so. `withheld`: the storage does not give
   * all of it, now; another day it may.
   */
  readonly state: "whole" | "damaged" | "withheld";
  /** Blobs that are what their ids say: of a whole pack all of them. */
  readonly good: readonly PackedBlob[];
  /** Blobs that should be there and are not, or are damaged. */
  readonly lost: readonly PackedBlob[];
}

/**
 * Reads a pack and opens every blob that it may hold: by its own list, and by what an index says of it. A pack that was
 * swapped with another is found by its own list, one that was cut off by the index.
 */
export async function examinePack(
  storage: Storage,
  key: MasterKey,
  id: Id,
  indexed: readonly PackedBlob[],
  signal: AbortSignal,
): Promise<ExaminedPack> {
  const bytes = await loadTwice(storage, id, signal);
  if (bytes === undefined) return examineByRanges(storage, key, id, indexed, signal);
  return examineBytes(key, id, bytes, indexed);
}

/** The same of bytes that are here already. */
export function examineBytes(key: MasterKey, id: Id, bytes: Buffer, indexed: readonly PackedBlob[]): ExaminedPack {
  const opener = new UnsealRun(key);
  const listed = ownList(opener, bytes);
  const isGood = (blob: PackedBlob): boolean => isBlob(opener, blob, part(bytes, blob));
  if (listed !== undefined && hash("sha256", bytes, "hex") === id && listed.every(isGood)) {
    return { id, state: "whole", good: listed, lost: [] };
  }
  const { good, lost } = sort([...(listed ?? []), ...indexed], isGood);
  return { id, state: "damaged", good, lost };
}

async function examineByRanges(
  storage: Storage,
  key: MasterKey,
  id: Id,
  indexed: readonly PackedBlob[],
  signal: AbortSignal,
): Promise<ExaminedPack> {
  const opener = new UnsealRun(key);
  const found = new Set<PackedBlob>();
  for (const blob of indexed) {
    try {
      const bytes = await storage.load({ kind: "data", name: id }, blob, signal);
      if (isBlob(opener, blob, bytes)) found.add(blob);
    } catch (error) {
      signal.throwIfAborted();
      if (!isHoldfastError(error, "storage-failed")) throw error;
    }
  }
  const { good, lost } = sort(indexed, (blob) => found.has(blob));
  return { id, state: "withheld", good, lost };
}

/** A mistake on the way is not a damaged pack: what does not fit its name is fetched once more. */
async function loadTwice(storage: Storage, id: Id, signal: AbortSignal): Promise<Buffer | undefined> {
  let bytes: Buffer | undefined;
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      bytes = await storage.load({ kind: "data", name: id }, undefined, signal);
      if (hash("sha256", bytes, "hex") === id) return bytes;
    } catch (error) {
      signal.throwIfAborted();
      if (!isHoldfastError(error, "storage-failed")) throw error;
    }
  }
  return bytes;
}

/** What a whole pack says of itself. */
export function ownList(opener: UnsealRun, bytes: Uint8Array): readonly PackedBlob[] | undefined {
  try {
    const length = sealedHeaderLength(bytes, bytes.length);
    const end = bytes.length - headerLengthField;
    const header = opener.unseal(bytes.subarray(end - length, end));
    return decodePackHeader(header, end - header.length - sealOverhead);
  } catch (error) {
    if (isHoldfastError(error, "repository-damaged")) return undefined;
    throw error;
  }
}

/** Whether a pack's own list says the same of these entries as the index. Gives the id of the first of which it does not. */
export function otherThanIndexed(
  listed: readonly PackedBlob[],
  index: BlobIndex,
  entries: Iterable<number>,
): Id | undefined {
  const byOffset = new Map(listed.map((blob) => [blob.offset, blob]));
  for (const entry of entries) {
    const location = index.location(entry);
    const blob = byOffset.get(location?.offset ?? -1);
    const agrees =
      blob?.id === index.id(entry) &&
      blob.type === index.type(entry) &&
      blob.length === location?.length &&
      blob.uncompressedLength === location.uncompressedLength;
    if (!agrees) return index.id(entry);
  }
  return undefined;
}

function part(bytes: Buffer, { offset, length }: PackedBlob): Buffer {
  return bytes.subarray(offset, offset + length);
}

/** Whether sealed bytes are the blob that they should be. */
export function isBlob(opener: UnsealRun, { id, length, uncompressedLength }: PackedBlob, sealed: Buffer): boolean {
  if (sealed.length !== length) return false;
  try {
    const body = opener.unseal(sealed);
    const plain = uncompressedLength === 0 ? body : decompress(body, uncompressedLength);
    return hash("sha256", plain, "hex") === id && (uncompressedLength === 0 || plain.length === uncompressedLength);
  } catch (error) {
    if (isHoldfastError(error, "repository-damaged")) return false;
    throw error;
  }
}

/** Each blob once: good if any of the places where it may stand is. */
function sort(
  blobs: readonly PackedBlob[],
  isGood: (blob: PackedBlob) => boolean,
): { readonly good: readonly PackedBlob[]; readonly lost: readonly PackedBlob[] } {
  const good = new Map<string, PackedBlob>();
  const lost = new Map<string, PackedBlob>();
  for (const blob of blobs) {
    const name = blobName(blob);
    if (!good.has(name)) (isGood(blob) ? good : lost).set(name, blob);
  }
  for (const name of good.keys()) lost.delete(name);
  return { good: [...good.values()], lost: [...lost.values()] };
}

export function blobName({ type, id }: Pick<PackedBlob, "type" | "id">): string {
  return `${type} ${id}`;
}
