import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { alignedMemory, diskBlock } from "../lib/aligned-memory.ts";
import { hasSystemCode } from "../lib/system-code.ts";

/** Below this a file goes through the page cache: an index or a snapshot is read again soon, and is small. */
const worthwhileBytes = 1 << 20;
/** Written at once; a multiple of every block size. */
const stageBytes = 4 << 20;

/**
 * Writes packs past the page cache (`O_DIRECT`). What a backup writes is not read again soon, and it is synced at once
 * anyway; the detour through the cache costs a sixth of a first backup's processor time, and pushes out of memory what
 * the CRM on the same machine has there. Where the file system or the disk does not take direct writes, which only
 * trying tells, there are none from then on.
 */
export class DirectWriter {
  readonly #stages: Buffer[] = [];
  #refused = constants.O_DIRECT === undefined;

  /** The flag to open a file with that `bytes` are to be written to, or 0. */
  flagFor(bytes: Uint8Array): number {
    return this.#refused || bytes.length < worthwhileBytes ? 0 : constants.O_DIRECT;
  }

  /** Whether an error of opening or writing says that it does not work here: then start anew, without. */
  isRefusal(error: unknown): boolean {
    if (!hasSystemCode(error, "EINVAL", "ENOTSUP", "EOPNOTSUPP")) return false;
    this.#refused = true;
    return true;
  }

  /** Writes all to a file that was opened with the flag. The last block is filled up, and cut off again. */
  async write(handle: FileHandle, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    const stage = this.#stages.pop() ?? alignedMemory(stageBytes);
    try {
      for (let offset = 0; offset < bytes.length; offset += stageBytes) {
        const part = bytes.subarray(offset, offset + stageBytes);
        // `copy`, not `set`: V8 moves memory that threads share word by word.
        Buffer.from(part.buffer, part.byteOffset, part.length).copy(stage);
        const padded = Math.ceil(part.length / diskBlock) * diskBlock;
        stage.fill(0, part.length, padded);
        for (let done = 0; done < padded;) {
          const { bytesWritten } = await handle.write(stage, done, padded - done, offset + done);
          signal.throwIfAborted();
          done += bytesWritten;
        }
      }
      await handle.truncate(bytes.length);
    } finally {
      this.#stages.push(stage);
    }
  }
}
