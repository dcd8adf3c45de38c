import { createHash } from "node:crypto";
import { HoldfastError } from "../lib/errors.ts";
import { compress, decompress } from "./compress.ts";
import { seal, unseal, type MasterKey } from "./crypto.ts";
import type { Id } from "./tree.ts";
import { decompressPieces, ZstdStreamEncoder } from "./zstd-context.ts";

/**
 * Files that hold one JSON document: snapshots, indexes, locks. Sealed, and inside either the bare JSON (as version 1
 * of the format wrote it, still allowed) or a byte 2 and zstd of the JSON.
 */
const compressedMark = 2;
/** zstd's level: ids are noise, and 1 makes an index 5 % smaller than 3 does, in half the time. */
const level = 1;
/** As much as V8 holds in one string; an index of 50,000 blobs comes to 8 MB. */
const maxJsonBytes = 512 * 1024 * 1024;

export interface SealedFile {
  /** SHA-256 of `bytes`: the file's name. */
  readonly name: Id;
  readonly bytes: Buffer;
}

/** Seals a JSON text, and opens it again before giving it out: what cannot be read must not be stored. */
export function sealUnpacked(key: MasterKey, json: string | Buffer): SealedFile {
  const plaintext = typeof json === "string" ? Buffer.from(json, "utf8") : json;
  return sealFrame(key, compress(plaintext, level), plaintext.length, createHash("sha256").update(plaintext).digest());
}

/** The same for a text that comes in pieces, of which none is kept. */
export class UnpackedWriter {
  readonly #key: MasterKey;
  readonly #encoder = new ZstdStreamEncoder(level);
  readonly #sum = createHash("sha256");
  #length = 0;

  constructor(key: MasterKey) {
    this.#key = key;
  }

  /** The piece may be used again afterwards. */
  write(piece: Uint8Array): void {
    this.#encoder.write(piece);
    this.#sum.update(piece);
    this.#length += piece.length;
  }

  /** Nothing may be written after it. */
  finish(): SealedFile {
    return sealFrame(this.#key, this.#encoder.finish(), this.#length, this.#sum.digest());
  }
}

/** @param sum SHA-256 of what is in the frame, of `length` bytes */
function sealFrame(key: MasterKey, frame: Buffer, length: number, sum: Buffer): SealedFile {
  const bytes = seal(key, Buffer.concat([Buffer.of(compressedMark), frame]));
  const opened = createHash("sha256");
  for (const piece of decompressPieces(unseal(key, bytes).subarray(1), length)) opened.update(piece);
  if (!opened.digest().equals(sum)) throw new HoldfastError("internal", { reason: "sealed file differs" });
  return { name: sha256(bytes), bytes };
}

/** The JSON text of a sealed file; `repository-damaged` when it was not sealed with this key or is cut off. */
export function openUnpacked(key: MasterKey, sealed: Uint8Array): Buffer {
  const plaintext = unseal(key, sealed);
  const first = plaintext[0];
  if (first === 0x7b || first === 0x5b) return plaintext;
  if (first === compressedMark) return decompress(plaintext.subarray(1), maxJsonBytes);
  throw new HoldfastError("repository-damaged", { reason: "unknown kind of file" });
}

export function sha256(bytes: Uint8Array): Id {
  return createHash("sha256").update(bytes).digest("hex");
}
