import { HoldfastError } from "../lib/errors.ts";
import type { ByteRange } from "./storage.ts";

/** What a server announced as a size, or `storage-failed`. */
export function checkedSize(size: number | undefined, path: string): number {
  if (size !== undefined && Number.isSafeInteger(size) && size >= 0) return size;
  throw new HoldfastError("storage-failed", { path, reason: "a size that is none" });
}

/** A server may give less than was asked for, another part, or all. `answered` is its `Content-Range`. */
export function isAnswerTo(
  { offset, length }: ByteRange,
  answered: string | null | undefined,
  answeredLength: number,
): boolean {
  return answeredLength === length && (answered ?? "").startsWith(`bytes ${offset}-${offset + length - 1}/`);
}

export function shortError(path: string): HoldfastError {
  return new HoldfastError("storage-failed", { path, reason: "shorter than asked for" });
}

/** What announces more is not read: restic's largest packs have 128 MiB, a file of ours a few more at most. */
const mostBytes = 2 ** 31;

/** A length that memory may be taken for, or `storage-failed`. */
export function checkedLength(length: number, path: string): number {
  if (length <= mostBytes) return length;
  throw new HoldfastError("storage-failed", { path, reason: "a size that is none" });
}

/** The `length` bytes that were announced, never fewer; stops at what is more. */
export async function readBody(body: AsyncIterable<Uint8Array>, length: number, path: string): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(checkedLength(length, path));
  let filled = 0;
  for await (const chunk of body) {
    if (filled + chunk.length > length) break;
    bytes.set(chunk, filled);
    filled += chunk.length;
  }
  if (filled === length) return bytes;
  throw new HoldfastError("storage-unreachable", { path, reason: "cut off" });
}
