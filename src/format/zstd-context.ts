import { constants, createZstdCompress, createZstdDecompress, type ZstdCompress, type ZstdDecompress } from "node:zlib";
import { HoldfastError } from "../lib/errors.ts";
import { compress, compressBound, decompress, defaultLevel } from "./compress.ts";

/**
 * Compresses many blobs, each to a frame of its own, with one zstd context.
 *
 * Node's one-shot call makes a context each time: 23 µs for 1.3 KB of JSON, of which 18 are the context. Node's streams
 * hold a context and can run it synchronously, which their own `_handle.writeSync` does, but their public face is
 * asynchronous. So this calls the handle, after looking whether it is there and does what is wanted; where it does
 * not (another Node), the one-shot call is used: the same bytes, more slowly.
 */
export class ZstdEncoder {
  readonly #level: number;
  readonly #raw: RawZstd | undefined;

  constructor(level: number = defaultLevel) {
    this.#level = level;
    const stream = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: level } });
    this.#raw = usable(rawOf(stream), probe, compress(probe, level));
  }

  /** Writes one frame to `target` at `offset`, where `compressBound(bytes.length)` bytes must be free; its length. */
  compressInto(target: Uint8Array, offset: number, bytes: Uint8Array): number {
    const bound = compressBound(bytes.length);
    const written = this.#raw?.run(bytes, target.subarray(offset, offset + bound));
    if (written !== undefined) return written;
    const frame = compress(bytes, this.#level);
    target.set(frame, offset);
    return frame.length;
  }
}

/** Decompresses many blobs with one zstd context; see `ZstdEncoder`. */
export class ZstdDecoder {
  #raw: RawZstd | undefined;
  readonly #frame = compress(probe);

  constructor() {
    this.#renew();
  }

  /**
   * The contents of a frame that must come to exactly `length` bytes, else `repository-damaged`. Written to `target`
   * when it is given and large enough: then the result is valid until `target` is used again.
   */
  decompress(frame: Uint8Array, length: number, target?: Uint8Array): Buffer {
    const out = target && target.length >= length ? target.subarray(0, length) : Buffer.allocUnsafe(length);
    if (this.#raw?.run(frame, out) === length) return Buffer.from(out.buffer, out.byteOffset, length);
    // The context may be in the middle of a frame now. The one-shot call has the last word.
    this.#renew();
    const contents = decompress(frame, length);
    if (contents.length !== length) throw new HoldfastError("repository-damaged", { reason: "length" });
    return contents;
  }

  #renew(): void {
    this.#raw?.close();
    this.#raw = usable(rawOf(createZstdDecompress()), this.#frame, probe);
  }
}

const probe = Buffer.from("holdfast holdfast holdfast holdfast");

/** A context that passes one trial; `undefined` sends the caller to the one-shot calls. */
function usable(raw: RawZstd | undefined, input: Buffer, expected: Buffer): RawZstd | undefined {
  const output = Buffer.alloc(256);
  const length = raw?.run(input, output);
  return length !== undefined && output.subarray(0, length).equals(expected) ? raw : undefined;
}

interface RawZstd {
  /** Bytes written when all input went in and the output had room; else `undefined`. */
  run(input: Uint8Array, output: Uint8Array): number | undefined;
  close(): void;
}

interface Internals {
  readonly _handle?: {
    writeSync?(
      flush: number,
      input: Uint8Array,
      inputOffset: number,
      inputLength: number,
      output: Uint8Array,
      outputOffset: number,
      outputLength: number,
    ): void;
    onerror?: () => void;
  };
  /** Bytes of output and of input left after a run. */
  readonly _writeState?: Uint32Array;
}

function rawOf(stream: ZstdCompress | ZstdDecompress): RawZstd | undefined {
  const { _handle: handle, _writeState: state } = stream as unknown as Internals;
  if (typeof handle?.writeSync !== "function" || !(state instanceof Uint32Array) || state.length !== 2) {
    stream.destroy();
    return undefined;
  }
  let failed = false;
  handle.onerror = () => {
    failed = true;
  };
  return {
    run(input, output) {
      failed = false;
      handle.writeSync?.(constants.ZSTD_e_end, input, 0, input.length, output, 0, output.length);
      const [outputLeft = 0, inputLeft = 0] = state;
      return failed || inputLeft !== 0 ? undefined : output.length - outputLeft;
    },
    close: () => stream.destroy(),
  };
}
