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

/** So that what a header says, and is not so, costs no memory. */
const largestChunk = 16 << 20;

/** The contents; `repository-damaged` for what is no zstd frame or would come to more than `maxBytes`. */
export function decompress(bytes: Uint8Array, maxBytes: number): Buffer {
  try {
    return zstdDecompressSync(bytes, {
      // Room for all of it: what comes in pieces is put together by copying.
      chunkSize: Math.max(64, Math.min(contentSize(bytes) ?? bytes.length * 8, maxBytes, largestChunk)),
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

/** What a frame's header says (RFC 8878, §3.1.1.1), which may be wrong; `undefined`: it says nothing. */
function contentSize(frame: Uint8Array): number | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const descriptor = frame[4] ?? 0;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const at = 5 + (isSingleSegment ? 0 : 1) + ((1 << (descriptor & 3)) >> 1);
  const flag = descriptor >> 6;
  if (frame.length < at + 8) return undefined;
  if (flag === 0) return isSingleSegment ? frame[at] : undefined;
  if (flag === 1) return view.getUint16(at, true) + 256;
  if (flag === 2) return view.getUint32(at, true);
  return Number(view.getBigUint64(at, true));
}
