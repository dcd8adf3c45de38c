import { closeSync, constants, openSync, readSync } from "node:fs";
import { Chunker, maxChunk, minChunk } from "../format/chunker.ts";
import { nameBytes, type ByteName } from "../lib/byte-name.ts";
import { dataRanges, OpenFileStatus, readExtendedAttributes, willNeed, type NativeAttribute } from "../lib/posix.ts";
import type { Packer, PackedResult } from "./packer.ts";
import type { PackStream } from "./repository.ts";
import type { Throttle } from "./throttle.ts";

export interface SourceFile {
  readonly path: ByteName;
  /** Compared as numbers: two inodes that only differ beyond 2^53 do not occur. */
  readonly inode: number;
  readonly deviceId: number;
  readonly size: number;
}

export type SourceResult =
  | {
      readonly state: "read";
      readonly changed: boolean;
      readonly blobs: readonly PackedResult[];
      readonly extendedAttributes: readonly NativeAttribute[];
    }
  | { readonly state: "vanished" }
  | { readonly state: "unreadable"; readonly reason: string };

export interface SourceReaderOptions {
  readonly packer: Packer;
  readonly gearTable: Int32Array;
  readonly throttle: Throttle;
  /** Called between chunks: throws when the run has ended. */
  readonly checkpoint: () => void;
}

/** Files up to this size are one blob, read at once; it is the chunker's minimum, so the chunks are the same. */
const wholeFile = minChunk;
const readStep = 1 << 20;
/** Files opened before they are read, and bytes of one that are asked for ahead: so nobody waits for the disk. */
const filesAhead = 16;
const bytesAhead = 4 << 20;
/** Holes shorter than this are read as zeros. */
const worthSkipping = 1 << 20;

/** Reads source files in a worker thread and hands their chunks to its packer. */
export class SourceReader {
  readonly #options: SourceReaderOptions;
  readonly #chunker: Chunker;
  /** The chunk begun, and what was read after it. */
  readonly #buffer = Buffer.from(new ArrayBuffer(maxChunk + 2 * readStep));
  readonly #zeroIds = new Map<number, Buffer>();
  readonly #status = { before: new OpenFileStatus(), after: new OpenFileStatus() };
  #zeros: Buffer | undefined;
  #flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOATIME;

  constructor(options: SourceReaderOptions) {
    this.#options = options;
    this.#chunker = new Chunker(options.gearTable);
  }

  /** Results in the order of `files`. While one is read, the system already fetches the next. */
  readAll(files: readonly SourceFile[]): SourceResult[] {
    const results: SourceResult[] = [];
    const ahead: (number | SourceResult)[] = [];
    try {
      for (const file of files) {
        for (let next = results.length + ahead.length; next < files.length && ahead.length <= filesAhead; next++) {
          const one = files[next];
          if (one !== undefined) ahead.push(this.#begin(one));
        }
        const begun = ahead.shift() ?? { state: "vanished" };
        results.push(typeof begun === "number" ? this.#readOpen(begun, file) : begun);
      }
    } finally {
      for (const begun of ahead) if (typeof begun === "number") closeSync(begun);
    }
    return results;
  }

  /** A descriptor, or what became of it. */
  #begin(file: SourceFile): number | SourceResult {
    try {
      const fd = this.#open(nameBytes(file.path));
      if (file.size > 0) willNeed(fd, 0, Math.min(file.size, bytesAhead));
      return fd;
    } catch (error) {
      return failure(error);
    }
  }

  #readOpen(fd: number, file: SourceFile): SourceResult {
    try {
      const { before, after } = this.#status;
      before.look(fd);
      if (!before.isFile || before.inode !== file.inode || before.deviceId !== file.deviceId) {
        return { state: "vanished" };
      }
      const extendedAttributes = readExtendedAttributes(fd);
      const blobs: PackedResult[] = [];
      const size = this.#readContents(fd, before, blobs);
      after.look(fd);
      return { state: "read", changed: size !== before.size || !after.isSameState(before), blobs, extendedAttributes };
    } catch (error) {
      return failure(error);
    } finally {
      closeSync(fd);
    }
  }

  /** Chunks bytes that are in memory already. */
  chunk(bytes: Uint8Array, stream: PackStream): PackedResult[] {
    const blobs: PackedResult[] = [];
    this.#chunker.reset();
    for (let start = 0; start < bytes.length;) {
      const end = this.#chunker.cut(bytes, start, bytes.length) ?? bytes.length;
      this.#add(bytes.subarray(start, end), stream, blobs);
      start = end;
    }
    return blobs;
  }

  #open(path: Buffer): number {
    try {
      return openSync(path, this.#flags);
    } catch (error) {
      // Only the owner and root may leave the access time alone.
      if (systemCode(error) !== "EPERM" || (this.#flags & constants.O_NOATIME) === 0) throw error;
      this.#flags &= ~constants.O_NOATIME;
      return openSync(path, this.#flags);
    }
  }

  /** Bytes read, holes counted. */
  #readContents(fd: number, stats: OpenFileStatus, blobs: PackedResult[]): number {
    if (stats.size <= wholeFile) {
      // One byte more is asked for, to see a file that has grown.
      const length = this.#fill(fd, 0, Math.max(stats.size, 1) + 1, undefined);
      if (length <= wholeFile) {
        if (length > 0) this.#add(this.#buffer.subarray(0, length), "bulk", blobs);
        return length;
      }
      return this.#readStream(fd, undefined, length, blobs);
    }
    if (stats.allocatedBytes < stats.size - worthSkipping) return this.#readSparse(fd, stats.size, blobs);
    return this.#readStream(fd, undefined, 0, blobs);
  }

  #readSparse(fd: number, size: number, blobs: PackedResult[]): number {
    let position = 0;
    let start = 0;
    let end = 0;
    const readPiece = (): void => {
      if (end > start) position = start + this.#readStream(fd, { offset: start, length: end - start }, 0, blobs);
    };
    for (const range of dataRanges(fd, size)) {
      if (range.offset - end >= worthSkipping) {
        readPiece();
        // Shorter than at the time of the listing: what follows is not there any more.
        if (position < end) return position;
        this.#addZeros(range.offset - end, blobs);
        start = range.offset;
      }
      end = range.offset + range.length;
      position = start;
    }
    readPiece();
    if (position < end) return position;
    if (size > end) this.#addZeros(size - end, blobs);
    return size;
  }

  /**
   * Chunks a file, or the `range` of it, to its end; the first `filled` bytes are in the buffer already. Returns the
   * bytes in all.
   */
  #readStream(
    fd: number,
    range: { readonly offset: number; readonly length: number } | undefined,
    filled: number,
    blobs: PackedResult[],
  ): number {
    const buffer = this.#buffer;
    // The file before may have ended in an error, in the middle of a chunk.
    this.#chunker.reset();
    let start = 0;
    let end = filled;
    let total = filled;
    /** Bytes that were asked for ahead: those at its beginning when the file was opened. */
    let asked = range === undefined ? bytesAhead : 0;
    for (;;) {
      const wanted = range === undefined ? readStep : Math.min(readStep, range.length - total);
      // Nothing is asked for twice: that it is looked for in memory costs time, too.
      const wantedAhead = total + bytesAhead;
      if (wantedAhead > asked) willNeed(fd, (range?.offset ?? 0) + asked, wantedAhead - asked);
      asked = Math.max(asked, wantedAhead);
      const count = this.#fill(fd, end, wanted, range === undefined ? undefined : range.offset + total);
      end += count;
      total += count;
      for (;;) {
        const cut = this.#chunker.cut(buffer, start, end);
        if (cut === undefined) break;
        this.#add(buffer.subarray(start, cut), "bulk", blobs);
        start = cut;
      }
      if (count === 0 || (range !== undefined && total >= range.length)) break;
      if (end + readStep > buffer.length) {
        buffer.copyWithin(0, start, end);
        end -= start;
        start = 0;
      }
      this.#options.checkpoint();
    }
    if (end > start) this.#add(buffer.subarray(start, end), "bulk", blobs);
    return total;
  }

  /** Reads until `length` bytes are there or the file ends. */
  #fill(fd: number, offset: number, length: number, position: number | undefined): number {
    let filled = 0;
    while (filled < length) {
      const at = position === undefined ? null : position + filled;
      const count = readSync(fd, this.#buffer, offset + filled, length - filled, at);
      if (count === 0) break;
      this.#options.throttle.takeSync(count);
      filled += count;
      // One byte more than the file had was asked for: a short count is its end.
      if (position === undefined && count < length) break;
    }
    return filled;
  }

  #add(bytes: Uint8Array, stream: PackStream, blobs: PackedResult[]): void {
    if (bytes.length === maxChunk && bytes[0] === 0 && this.#zeroBytes().equals(bytes)) {
      this.#addZeros(bytes.length, blobs);
    } else blobs.push(this.#options.packer.add("data", stream, bytes));
  }

  /** A run of zeros, in blobs of the largest size; each length is hashed once. */
  #addZeros(length: number, blobs: PackedResult[]): void {
    for (let left = length; left > 0; left -= maxChunk) {
      const size = Math.min(left, maxChunk);
      const known = this.#zeroIds.get(size);
      if (known !== undefined) {
        blobs.push({ id: known, size, added: false, storedBytes: 0 });
        continue;
      }
      const result = this.#options.packer.add("data", "bulk", this.#zeroBytes().subarray(0, size));
      this.#zeroIds.set(size, result.id);
      blobs.push(result);
    }
  }

  #zeroBytes(): Buffer {
    this.#zeros ??= Buffer.from(new ArrayBuffer(maxChunk));
    return this.#zeros;
  }
}

function failure(error: unknown): SourceResult {
  const code = systemCode(error);
  if (code === undefined) throw error;
  // ELOOP: a link stands there now.
  return code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP"
    ? { state: "vanished" }
    : { state: "unreadable", reason: code };
}

function systemCode(error: unknown): string | undefined {
  const known = error instanceof Error && "syscall" in error && "code" in error && typeof error.code === "string";
  return known ? (error.code as string) : undefined;
}
