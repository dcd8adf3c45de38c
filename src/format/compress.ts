/**
 * Zstandard as restic's format uses it: whole frames, no dictionary, content size in the frame, window below 8 MiB.
 *
 * `compress` and `decompress` are for single files; `zstd-context.ts` does the same for streams of small blobs.
 */
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { HoldfastError } from "../lib/errors.ts";

/** zstd's own default; what restic's `auto` comes to. */
export const defaultLevel = 3;

export function compress(bytes: Uint8Array, level: number = defaultLevel): Buffer {
  return zstdCompressSync(bytes, {
    params: { [constants.ZSTD_c_compressionLevel]: level },
    // Both fitted: without them a call on a few KiB costs three times as much, and the frame does not tell its size.
    chunkSize: Math.max(64, compressBound(bytes.length)),
    pledgedSrcSize: bytes.length,
  });
}

/** The contents; `repository-damaged` for what is no zstd frame or would come to more than `maxBytes`. */
export function decompress(bytes: Uint8Array, maxBytes: number): Buffer {
  try {
    return zstdDecompressSync(bytes, {
      // What small files come to at once: 1 MiB of fresh memory for each of ten thousand snapshots costs seconds.
      chunkSize: Math.min(Math.max(64, maxBytes), Math.max(8 << 10, bytes.length * 8), 1 << 20),
      maxOutputLength: Math.max(1, maxBytes),
    });
  } catch (error) {
    throw new HoldfastError("repository-damaged", { reason: "zstd" }, error);
  }
}

/** The most that `length` bytes can come to: `ZSTD_COMPRESSBOUND` of zstd.h. */
export function compressBound(length: number): number {
  const small = 128 << 10;
  return length + (length >> 8) + (length < small ? (small - length) >> 11 : 0);
}
