import { HoldfastError } from "../lib/errors.ts";
import { freeMemory, isAlone, takeMemory } from "../lib/memory-pool.ts";
import type { ByteRange } from "./storage.ts";

/** What a server announced as a size, or `storage-failed`. */
export function checkedSize(size: number | undefined, path: string): number {
  if (size !== undefined && Number.isSafeInteger(size) && size >= 0) return size;
  throw new HoldfastError("storage-failed", { path, reason: "a size that is none" });
}

/** The fields of what a server says; none of what is no object. */
export function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

/** A server may give less than was asked for, another part, or all. `answered` is its `Content-Range`. */
export function isAnswerTo(
  { offset, length }: ByteRange,
  answered: string | null | undefined,
  answeredLength: number,
): boolean {
  return answeredLength === length && (answered ?? "").startsWith(`bytes ${offset}-${offset + length - 1}/`);
}

/** Success that was said in the server's place, by what stands between: nothing was stored. */
export function notStored(path: string): HoldfastError {
  return new HoldfastError("storage-failed", { path, reason: "an answer to something else" });
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
  checkedLength(length, path);
  let bytes: Buffer | undefined;
  let filled = 0;
  for await (const chunk of body) {
    if (filled + chunk.length > length) break;
    // Whoever read it has put it where it is wanted.
    if (chunk.length === length && Buffer.isBuffer(chunk) && isAlone(chunk)) return chunk;
    bytes ??= takeMemory(length);
    bytes.set(chunk, filled);
    filled += chunk.length;
    freeEnd(chunk);
  }
  if (filled === length) return bytes ?? Buffer.alloc(0);
  throw new HoldfastError("storage-unreachable", { path, reason: "cut off" });
}

/**
 * A chunk is mostly the end of what one read of a socket gave, 64 KiB that nobody else looks at by then. Left to the garbage collector,
 * they would make it look through all objects a hundred times a gigabyte.
 */
function freeEnd({ buffer, byteOffset, length }: Uint8Array): void {
  if (byteOffset + length === buffer.byteLength) freeMemory(new Uint8Array(buffer));
}

/** About 90 bytes a file: five million packs. A string of JavaScript holds no more either. */
const mostOfJson = 2 ** 29 - 2 ** 20;

/** What a server wrote as JSON, not looked at yet; `storage-failed` where it is none. */
export async function readJson(body: AsyncIterable<Uint8Array>, path: string): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > mostOfJson) throw listError(path);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8")) as unknown;
  } catch {
    throw listError(path);
  }
}

export function listError(path: string): HoldfastError {
  return new HoldfastError("storage-failed", { path, reason: "a list that is none" });
}
