import { createHash } from "node:crypto";
import { HoldfastError } from "../lib/errors.ts";
import { compress, decompress } from "./compress.ts";
import { seal, unseal, type MasterKey } from "./crypto.ts";
import type { Id } from "./tree.ts";
import { decompressPieces } from "./zstd-context.ts";

/**
 * Files that hold one JSON document: snapshots, indexes, locks. Sealed, and inside either the bare JSON (as version 1
 * of the format wrote it, still allowed) or a byte 2 and zstd of the JSON.
 */
const compressedMark = 2;
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
  const bytes = seal(key, Buffer.concat([Buffer.of(compressedMark), compress(plaintext)]));
  let at = 0;
  for (const piece of decompressPieces(unseal(key, bytes).subarray(1), plaintext.length)) {
    if (!piece.equals(plaintext.subarray(at, (at += piece.length)))) {
      throw new HoldfastError("internal", { reason: "sealed file differs" });
    }
  }
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
