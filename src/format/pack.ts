/**
 * A pack file: sealed blobs one after the other, then the sealed header that lists them, then the header's length.
 *
 *     sealed(blob 1) ‖ … ‖ sealed(blob n) ‖ sealed(header) ‖ u32(length of the sealed header)
 *     header entry: type (1) ‖ length as stored (4) ‖ [plaintext length (4), where compressed] ‖ id (32)
 *
 * Little-endian. Types: 0 data, 1 tree, 2 data compressed, 3 tree compressed. One pack holds one type of blob.
 */
import { HoldfastError } from "../lib/errors.ts";
import { sealOverhead } from "./crypto.ts";
import type { BlobType, Id } from "./tree.ts";

export interface PackedBlob {
  readonly type: BlobType;
  readonly id: Id;
  readonly offset: number;
  /** Bytes in the pack: compressed where it is, and sealed. */
  readonly length: number;
  /** Plaintext length of a compressed blob; 0 when it is stored plain (then it is `length - sealOverhead`). */
  readonly uncompressedLength: number;
}

const plainEntry = 37;
const compressedEntry = 41;
const idLength = 32;
/** The length field at the very end. */
export const headerLengthField = 4;
/** restic's limit for a sealed header. */
const maxHeader = 16 << 20;
/** Reading this many bytes from the end gets the headers of most packs in one request, as restic does. */
export const likelyHeaderBytes = 15 * compressedEntry + sealOverhead + headerLengthField;

/** Bytes that the header adds to a pack of `blobs` blobs, at most. */
export function maxHeaderBytes(blobs: number): number {
  return blobs * compressedEntry + sealOverhead + headerLengthField;
}

/** Bytes of a pack of exactly these blobs: they, their header, its length. */
export function packBytes(blobs: Iterable<Pick<PackedBlob, "length" | "uncompressedLength">>): number {
  let size = sealOverhead + headerLengthField;
  for (const { length, uncompressedLength } of blobs) {
    size += length + (uncompressedLength > 0 ? compressedEntry : plainEntry);
  }
  return size;
}

/** Header entries as they are gathered while a pack is filled. */
export class PackHeader {
  #bytes = Buffer.alloc(16 * compressedEntry);
  #length = 0;
  #blobs = 0;

  get blobs(): number {
    return this.#blobs;
  }

  /** Entries so far: the plaintext of the header. Valid until the next `add`. */
  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** `uncompressedLength` is 0 for a blob stored plain. */
  add(type: BlobType, length: number, uncompressedLength: number, id: Uint8Array): void {
    if (this.#length + compressedEntry > this.#bytes.length) {
      const larger = Buffer.alloc(this.#bytes.length * 2);
      this.#bytes.copy(larger);
      this.#bytes = larger;
    }
    const compressed = uncompressedLength > 0;
    this.#bytes[this.#length] = (type === "tree" ? 1 : 0) + (compressed ? 2 : 0);
    this.#bytes.writeUInt32LE(length, this.#length + 1);
    if (compressed) this.#bytes.writeUInt32LE(uncompressedLength, this.#length + 5);
    this.#length += compressed ? compressedEntry : plainEntry;
    this.#bytes.set(id, this.#length - idLength);
    this.#blobs++;
  }
}

/**
 * Length of the sealed header of a pack of `packSize` bytes, from the pack's last bytes (at least 4);
 * `repository-damaged` when the field says what cannot be.
 */
export function sealedHeaderLength(tail: Uint8Array, packSize: number): number {
  if (tail.length < headerLengthField) throw damaged("pack too short");
  const view = new DataView(tail.buffer, tail.byteOffset + tail.length - headerLengthField, headerLengthField);
  const length = view.getUint32(0, true);
  const fits = length >= sealOverhead + plainEntry && length <= maxHeader && length <= packSize - headerLengthField;
  if (!fits) throw damaged("pack header length");
  return length;
}

/**
 * Reads a header's plaintext. `blobBytes` is what stands before the sealed header: the blobs must fill it to the byte.
 * Throws `repository-damaged` for anything that is not a header.
 */
export function decodePackHeader(header: Uint8Array, blobBytes: number): PackedBlob[] {
  const bytes = Buffer.from(header.buffer, header.byteOffset, header.length);
  const blobs: PackedBlob[] = [];
  let offset = 0;
  for (let at = 0; at < bytes.length;) {
    const kind = bytes[at] ?? 0;
    if (kind > 3) throw damaged("pack header: blob type");
    const compressed = kind >= 2;
    const entry = compressed ? compressedEntry : plainEntry;
    if (at + entry > bytes.length) throw damaged("pack header: cut off");
    const length = bytes.readUInt32LE(at + 1);
    const uncompressedLength = compressed ? bytes.readUInt32LE(at + 5) : 0;
    if (length < sealOverhead || (compressed && uncompressedLength === 0)) throw damaged("pack header: blob length");
    const id = bytes.toString("hex", at + entry - idLength, at + entry);
    blobs.push({ type: (kind & 1) === 1 ? "tree" : "data", id, offset, length, uncompressedLength });
    offset += length;
    at += entry;
  }
  if (offset !== blobBytes) throw damaged("pack header: sum of lengths");
  return blobs;
}

function damaged(reason: string): HoldfastError {
  return new HoldfastError("repository-damaged", { reason });
}
