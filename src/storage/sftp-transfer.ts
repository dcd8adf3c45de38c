import { takeMemory } from "../lib/memory-pool.ts";
import { shortError } from "./checked-answer.ts";
import type { SftpSession } from "./sftp-session.ts";

/** On their way at once for one file: enough for 100 ms at 40 MB/s. */
const windowBytes = 4 << 20;

/** Exactly these bytes of an open file, or `storage-failed`. */
export async function readOpen(
  session: SftpSession,
  handle: Buffer,
  { offset, length, path }: { readonly offset: number; readonly length: number; readonly path: string },
  signal: AbortSignal,
): Promise<Buffer> {
  const bytes = takeMemory(length);
  await inPieces(length, session.limits.read, signal, async (start, end) => {
    // An answer may be shorter than it could be.
    for (let at = start; at < end;) {
      const read = await session.read(handle, offset + at, bytes.subarray(at, end));
      if (read === 0) throw shortError(path);
      at += read;
    }
  });
  return bytes;
}

export async function writeOpen(
  session: SftpSession,
  handle: Buffer,
  bytes: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  await inPieces(bytes.length, session.limits.write, signal, (start, end) =>
    session.write(handle, start, bytes.subarray(start, end)),
  );
}

/** All pieces, as many at once as the window holds. After a failure no further one is begun, and all have ended. */
async function inPieces(
  length: number,
  pieceBytes: number,
  signal: AbortSignal,
  transfer: (start: number, end: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const failures: unknown[] = [];
  const runner = async (): Promise<void> => {
    while (next < length && failures.length === 0) {
      const start = next;
      next = Math.min(length, start + pieceBytes);
      try {
        signal.throwIfAborted();
        await transfer(start, next);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  const atOnce = Math.max(1, Math.min(Math.ceil(length / pieceBytes), Math.floor(windowBytes / pieceBytes)));
  await Promise.all(Array.from({ length: atOnce }, runner));
  if (failures.length > 0) throw failures[0];
}
