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

/**
 * Compresses one blob that comes in pieces to one frame, which does not tell its content's size: what is larger than
 * anybody wants to hold. See `ZstdEncoder`; without a context to be had, the pieces are gathered after all.
 */
export class ZstdStreamEncoder {
  readonly #level: number;
  readonly #raw: RawZstd | undefined;
  readonly #out = Buffer.allocUnsafe(streamStep);
  readonly #frame: Buffer[] = [];

  constructor(level: number = defaultLevel) {
    this.#level = level;
    const stream = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: level } });
    this.#raw = usable(rawOf(stream), probe, compress(probe, level));
  }

  /** The piece may be used again afterwards. */
  write(piece: Uint8Array): void {
    if (!this.#raw) this.#frame.push(Buffer.from(piece));
    else for (let at = 0; at < piece.length;) at += this.#step("continue", piece, at).consumed;
  }

  /** The frame; nothing may be written after it. */
  finish(): Buffer {
    if (!this.#raw) return compress(Buffer.concat(this.#frame), this.#level);
    while (this.#step("end", noBytes, 0).written === streamStep);
    this.#raw.close();
    return Buffer.concat(this.#frame);
  }

  #step(mode: "continue" | "end", piece: Uint8Array, at: number): Step {
    const step = this.#raw?.step(mode, piece, at, this.#out);
    if (step === undefined) throw new HoldfastError("internal", { reason: "zstd" });
    if (step.written > 0) this.#frame.push(Buffer.from(this.#out.subarray(0, step.written)));
    return step;
  }
}

/**
 * The contents of a frame of `length` bytes, a piece at a time; each is valid until the next. `repository-damaged` when
 * it is no frame or comes to another length.
 */
export function* decompressPieces(frame: Uint8Array, length: number): Generator<Buffer, void, undefined> {
  const raw = usable(rawOf(createZstdDecompress()), compress(probe), probe);
  if (!raw) return yield new ZstdDecoder().decompress(frame, length);
  try {
    const out = Buffer.allocUnsafe(streamStep);
    let total = 0;
    for (let at = 0; ;) {
      const step = raw.step("continue", frame, at, out);
      if (step === undefined) throw new HoldfastError("repository-damaged", { reason: "zstd" });
      at += step.consumed;
      total += step.written;
      if (total > length) throw new HoldfastError("repository-damaged", { reason: "length" });
      if (step.written > 0) yield out.subarray(0, step.written);
      if (step.written < streamStep && (at >= frame.length || step.consumed === 0)) break;
    }
    if (total !== length) throw new HoldfastError("repository-damaged", { reason: "length" });
  } finally {
    raw.close();
  }
}

const streamStep = 256 << 10;
const noBytes = new Uint8Array(0);

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
  /** One step of a frame in pieces: from `inputOffset` on as far as `output` has room. `undefined`: it failed. */
  step(mode: "continue" | "end", input: Uint8Array, inputOffset: number, output: Uint8Array): Step | undefined;
  close(): void;
}

interface Step {
  readonly consumed: number;
  readonly written: number;
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
  const step: RawZstd["step"] = (mode, input, inputOffset, output) => {
    failed = false;
    const flush = mode === "end" ? constants.ZSTD_e_end : constants.ZSTD_e_continue;
    const length = input.length - inputOffset;
    handle.writeSync?.(flush, input, inputOffset, length, output, 0, output.length);
    const [outputLeft = 0, inputLeft = 0] = state;
    return failed ? undefined : { consumed: length - inputLeft, written: output.length - outputLeft };
  };
  return {
    step,
    run(input, output) {
      const done = step("end", input, 0, output);
      return done?.consumed === input.length ? done.written : undefined;
    },
    close: () => stream.destroy(),
  };
}
