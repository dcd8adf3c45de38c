import { hkdfSync } from "node:crypto";

/** No chunk but a file's last is shorter: 512 KiB, as restic's. */
export const minChunk = 512 << 10;
/** No chunk is longer: 8 MiB, as restic's. */
export const maxChunk = 8 << 20;
/**
 * A boundary where this many leading bits of the hash are 0: every 512 KiB on average beyond the minimum, so chunks of
 * about 1 MiB.
 */
const boundaryBits = 19;
/** Bytes that the hash remembers: each step moves it by one bit of 32. */
const window = 32;

/**
 * The 256 summands of the gear hash. Made from a secret of the repository, so that the lengths of stored chunks do not
 * tell which well-known files are in it.
 */
export function gearTable(secret: Uint8Array): Int32Array {
  const bytes = new DataView(hkdfSync("sha256", secret, new Uint8Array(0), "gear table", 1024));
  return Int32Array.from({ length: 256 }, (_, index) => bytes.getInt32(index * 4, true));
}

/**
 * Cuts a stream of bytes at places that its contents choose (gear hash, as in FastCDC: Xia et al., USENIX ATC 2016),
 * so that an insertion changes the chunks around it and no others. The first `minChunk` bytes of a chunk are never
 * looked at, which makes it twice as fast.
 */
export class Chunker {
  readonly #table: Int32Array;
  /** Bytes of the current chunk that were looked at or skipped. */
  #seen = 0;
  #hash = 0;

  constructor(table: Int32Array) {
    this.#table = table;
  }

  /**
   * The end of the chunk that starts at `start`, or `undefined` when it goes on beyond `end`: then call again with the
   * same chunk and more bytes after it. When there are no more, the rest is the last chunk: call `reset`.
   */
  cut(bytes: Uint8Array, start: number, end: number): number | undefined {
    const table = this.#table;
    const stop = Math.min(end, start + maxChunk);
    const first = start + minChunk - 1;
    let position = start + Math.max(this.#seen, minChunk - window);
    let hash = this.#hash;
    for (const warm = Math.min(stop, first); position < warm; position++) {
      hash = ((hash << 1) + (table[bytes[position] ?? 0] ?? 0)) | 0;
    }
    for (; position < stop; position++) {
      hash = ((hash << 1) + (table[bytes[position] ?? 0] ?? 0)) | 0;
      if (hash >>> (32 - boundaryBits) === 0) {
        this.reset();
        return position + 1;
      }
    }
    if (stop === start + maxChunk) {
      this.reset();
      return stop;
    }
    this.#seen = Math.max(0, stop - start);
    this.#hash = hash;
    return undefined;
  }

  /** Forgets the chunk begun: the next `cut` starts a new one. */
  reset(): void {
    this.#seen = 0;
    this.#hash = 0;
  }
}
