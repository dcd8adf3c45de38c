import { createHash, hash } from "node:crypto";
import { blobId, hasBlobId } from "../format/blob-id.ts";
import { compressBound } from "../format/compress.ts";
import { alignedLength, Fingerprint, sealOverhead, SealRun, UnsealRun, type MasterKey } from "../format/crypto.ts";
import { headerLengthField, maxHeaderBytes, PackHeader } from "../format/pack.ts";
import type { BlobType, Id } from "../format/tree.ts";
import { decompressPieces, ZstdDecoder, ZstdEncoder } from "../format/zstd-context.ts";
import { HoldfastError } from "../lib/errors.ts";
import { freeMemory } from "../lib/memory-pool.ts";
import type { BlobIndex } from "./blob-index.ts";
import { makePackBuffer, packBufferBytes, packRoom, targetPackBytes, type PackBuffer } from "./pack-buffers.ts";
import type { PackStream } from "./repository.ts";
import { Scratch } from "./scratch.ts";

/** A pack is closed when it has so many blobs, too: rustic's limit. */
const maxPackBlobs = 10_000;
/** Blobs up to this size are sealed together, larger ones alone. */
const smallBlob = 64 << 10;
const stageBytes = 64 << 10;
const stagePieces = 64;

/**
 * zstd's level for blobs. On database dumps and short texts 1 makes smaller blobs than 3 does, on program text and JSON
 * 2 to 4 % larger ones, still below restic's; it takes three quarters of the time.
 */
export const blobLevel = 1;

export interface FinishedPack {
  readonly name: Id;
  readonly stream: PackStream;
  /** The pack is its first `length` bytes. */
  readonly buffer: PackBuffer;
  readonly length: number;
  /** Plaintext of the pack's header. */
  readonly header: Uint8Array;
}

export interface PackerOptions {
  readonly key: MasterKey;
  readonly index: BlobIndex;
  /** Takes the buffer over: the packer does not touch it any more. May block. */
  readonly onPack: (pack: FinishedPack) => void;
  /** A buffer that came back, if there is one. */
  readonly reuse: () => PackBuffer | undefined;
}

/** What became of one blob. Ids are bytes: turning them to text is left to who needs it. */
export interface PackedResult {
  readonly id: Buffer;
  /** Plaintext length. */
  readonly size: number;
  readonly added: boolean;
  readonly storedBytes: number;
}

export interface SealedBlob {
  readonly id: Buffer;
  readonly sealed: Buffer;
  /** 0: stored plain. */
  readonly uncompressedLength: number;
}

/**
 * Takes blobs, gives packs: hash, look whether the blob is known, compress, seal, check, append. One a thread, with
 * three packs open at most: trees, hot data, bulk data.
 *
 * "Check" reads each blob back out of the pack as a reader will (tag, decrypt, decompress) and compares it with what it
 * was, before the pack can leave: compressors had bugs and memory has errors, and nobody would know before the restore.
 * A small blob is compared by its SHA-256, its id. A large one by a fingerprint that was taken before its SHA-256 was:
 * when the two are equal, the id is that of what is in the pack, just as surely, and at an eighth of the cost.
 */
export class Packer {
  readonly #options: PackerOptions;
  readonly #encoder = new ZstdEncoder(blobLevel);
  readonly #decoder = new ZstdDecoder();
  readonly #opener: UnsealRun;
  readonly #fingerprint = new Fingerprint();
  readonly #open = new Map<string, OpenPack>();
  readonly #frames = new Scratch();
  readonly #opened = new Scratch();
  readonly #decompressed = new Scratch();

  constructor(options: PackerOptions) {
    this.#options = options;
    this.#opener = new UnsealRun(options.key);
  }

  /**
   * Stores `bytes` unless somebody has. They are not kept: the caller may use their memory again.
   * @param content what they are, as far as the caller knows: whether text can be compressed is not tried first
   */
  add(type: BlobType, stream: PackStream, bytes: Uint8Array, content: Content = "unknown"): PackedResult {
    return this.#addIdentified(type, stream, this.#identify(bytes, content));
  }

  /** As `add`, for a blob that the caller has claimed. */
  addClaimed(type: BlobType, stream: PackStream, bytes: Uint8Array): PackedResult {
    const blob = this.#identify(bytes);
    return { id: blob.id, size: bytes.length, added: true, storedBytes: this.#store(type, stream, blob) };
  }

  /** As `add`, unless the bytes are not what this id names: then nothing is stored, and `undefined` says so. */
  addExpected(type: BlobType, stream: PackStream, bytes: Uint8Array, expected: Buffer): PackedResult | undefined {
    const blob = this.#identify(bytes);
    return blob.id.equals(expected) ? this.#addIdentified(type, stream, blob) : undefined;
  }

  #addIdentified(type: BlobType, stream: PackStream, blob: Blob): PackedResult {
    const { id, bytes } = blob;
    const added = this.#options.index.claim(type, id, bytes.length) >= 0;
    return { id, size: bytes.length, added, storedBytes: added ? this.#store(type, stream, blob) : 0 };
  }

  #identify(bytes: Uint8Array, content: Content = "unknown"): Blob {
    // In this order: a bit that flips between the two is found when it is read back.
    const fingerprint = bytes.length > smallBlob ? this.#fingerprint.of(bytes) : undefined;
    return { id: blobId(bytes), bytes, fingerprint, content };
  }

  #store(type: BlobType, stream: PackStream, blob: Blob): number {
    const { id, bytes, fingerprint } = blob;
    const pack = this.#packFor(type, stream, bytes.length);
    return fingerprint === undefined ? this.#stage(pack, id, bytes) : this.#append(pack, blob, fingerprint);
  }

  /**
   * Appends a blob as it stands sealed in another pack under this key. The caller has found it to be what its id says;
   * here it is only moved, and compared byte by byte with what it was.
   */
  move(type: BlobType, stream: PackStream, id: Uint8Array, sealed: Uint8Array, uncompressedLength: number): void {
    const target = this.#unstaged(this.#packFor(type, stream, sealed.length), sealed.length);
    target.bytes.set(sealed, target.length);
    if (!target.bytes.subarray(target.length, target.length + sealed.length).equals(sealed)) {
      throw differs(Buffer.from(id));
    }
    target.header.add(type, sealed.length, uncompressedLength, id);
    target.length += sealed.length;
    this.#closeIfFull(target);
  }

  /** As `move`, unless somebody has the blob. */
  moveUnknown(type: BlobType, stream: PackStream, blob: SealedBlob): PackedResult {
    const { id, sealed, uncompressedLength } = blob;
    const size = uncompressedLength === 0 ? sealed.length - sealOverhead : uncompressedLength;
    const added = this.#options.index.claim(type, id, size) >= 0;
    if (added) this.move(type, stream, id, sealed, uncompressedLength);
    return { id, size, added, storedBytes: added ? sealed.length : 0 };
  }

  /** Stores a tree that the caller has claimed, hashed and compressed: too large to be held as it is. */
  addFrame(id: Buffer, frame: Uint8Array, plainLength: number): PackedResult {
    const target = this.#unstaged(this.#packFor("tree", "hot", frame.length), frame.length);
    const length = frame.length + sealOverhead;
    target.seal.sealInto(target.bytes, target.length, frame);
    const sum = createHash("sha256");
    const opened = this.#opener.unseal(target.bytes.subarray(target.length, target.length + length));
    for (const piece of decompressPieces(opened, plainLength)) sum.update(piece);
    if (!sum.digest().equals(id)) throw differs(id);
    target.header.add("tree", length, plainLength, id);
    target.length += length;
    this.#closeIfFull(target);
    return { id, size: plainLength, added: true, storedBytes: length };
  }

  /** Closes all open packs. */
  flush(): void {
    for (const pack of this.#open.values()) this.#end(pack);
  }

  #packFor(type: BlobType, stream: PackStream, length: number): OpenPack {
    const key = type === "tree" ? "tree" : stream;
    const open = this.#open.get(key);
    if (open && open.length + open.stagedLength + length + reserveBytes < open.bytes.length) return open;
    if (open) this.#end(open);
    // Only the tree of a huge folder can be larger than 8 MiB.
    const needed = compressBound(length) + reserveBytes;
    const reused = needed < packBufferBytes ? this.#options.reuse() : undefined;
    const pack = new OpenPack(type, key, this.#options.key, reused ?? makePackBuffer(needed));
    this.#open.set(key, pack);
    return pack;
  }

  #stage(pack: OpenPack, id: Buffer, bytes: Uint8Array): number {
    const at = pack.stagedLength;
    let length = this.#encoder.compressInto(pack.staged, at, bytes);
    const plain = length >= bytes.length && pack.type === "data";
    if (plain) {
      pack.staged.set(bytes, at);
      length = bytes.length;
    }
    pack.stagedLength = at + alignedLength(length);
    pack.stagedLengths.push(length);
    pack.stagedIds.push(id);
    pack.stagedPlain.push(plain ? 0 : bytes.length);
    if (pack.stagedLength >= stageBytes || pack.stagedLengths.length >= stagePieces) this.#sealStaged(pack);
    return length + sealOverhead;
  }

  /** The pack with nothing staged any more, or the next one of its kind when that has filled it. */
  #unstaged(pack: OpenPack, length: number): OpenPack {
    this.#sealStaged(pack);
    return this.#open.get(pack.key) === pack ? pack : this.#packFor(pack.type, keyStream(pack.key), length);
  }

  #sealStaged(pack: OpenPack): void {
    if (pack.stagedLengths.length === 0) return;
    const staged = pack.staged.subarray(0, pack.stagedLength);
    const start = pack.length;
    pack.length += pack.seal.sealAllInto(pack.bytes, start, staged, pack.stagedLengths);
    const opened = this.#opener.unsealAll(pack.bytes.subarray(start, pack.length), pack.stagedLengths);
    let offset = 0;
    for (const [index, length] of pack.stagedLengths.entries()) {
      const id = pack.stagedIds[index];
      if (id === undefined) break;
      const plainLength = pack.stagedPlain[index] ?? 0;
      const plain = this.#contents(opened.subarray(offset, offset + length), plainLength);
      if (!hasBlobId(plain, id)) throw differs(id);
      pack.header.add(pack.type, length + sealOverhead, plainLength, id);
      offset += alignedLength(length);
    }
    freeMemory(opened);
    pack.stagedLength = 0;
    pack.stagedLengths = [];
    pack.stagedIds = [];
    pack.stagedPlain = [];
    this.#closeIfFull(pack);
  }

  #append(pack: OpenPack, { id, bytes, content }: Blob, fingerprint: Buffer): number {
    const target = this.#unstaged(pack, bytes.length);
    let body = bytes;
    if (target.type === "tree" || content === "text" || this.#seemsCompressible(bytes)) {
      const frame = this.#compressed(bytes);
      if (frame.length < bytes.length || target.type === "tree") body = frame;
    }
    const plainLength = body === bytes ? 0 : bytes.length;
    const length = body.length + sealOverhead;
    target.seal.sealInto(target.bytes, target.length, body);
    const sealed = target.bytes.subarray(target.length, target.length + length);
    const plain = this.#contents(this.#opener.unseal(sealed, this.#opened.of(length)), plainLength);
    if (!this.#fingerprint.of(plain).equals(fingerprint)) throw differs(id);
    target.header.add(target.type, length, plainLength, id);
    target.length += length;
    this.#closeIfFull(target);
    return length;
  }

  #compressed(bytes: Uint8Array): Buffer {
    const frames = this.#frames.of(compressBound(bytes.length));
    return frames.subarray(0, this.#encoder.compressInto(frames, 0, bytes));
  }

  /**
   * zstd needs 1.4 ms for 1 MiB that it cannot compress, and pictures, archives and PDF files are the bulk of a CRM's
   * attachments. So three samples of 4 KiB are tried first: what saves less than 3 % there is stored plain. For a chunk of rows
   * this would be a fifth of the work.
   */
  #seemsCompressible(bytes: Uint8Array): boolean {
    const sample = 4 << 10;
    const middle = Math.floor((bytes.length - sample) / 2);
    const samples = Buffer.concat([
      bytes.subarray(sample, 2 * sample),
      bytes.subarray(middle, middle + sample),
      bytes.subarray(bytes.length - 2 * sample, bytes.length - sample),
    ]);
    return this.#compressed(samples).length < samples.length * 0.97;
  }

  /** What a reader will get of what was opened; valid until the next call. */
  #contents(body: Buffer, plainLength: number): Buffer {
    if (plainLength === 0) return body;
    return this.#decoder.decompress(body, plainLength, this.#decompressed.of(plainLength));
  }

  /** Closes a pack that has something in it, once: what is staged may fill it, and then it is closed already. */
  #end(pack: OpenPack): void {
    this.#sealStaged(pack);
    if (this.#open.get(pack.key) === pack && pack.header.blobs > 0) this.#close(pack);
  }

  #closeIfFull(pack: OpenPack): void {
    if (pack.length >= targetPackBytes || pack.header.blobs >= maxPackBlobs) this.#close(pack);
  }

  #close(pack: OpenPack): void {
    this.#open.delete(pack.key);
    const header = Buffer.from(pack.header.bytes());
    const sealedLength = header.length + sealOverhead;
    pack.seal.sealInto(pack.bytes, pack.length, header);
    const sealed = pack.bytes.subarray(pack.length, pack.length + sealedLength);
    if (!this.#opener.unseal(sealed).equals(header)) {
      throw new HoldfastError("verify-failed", { reason: "pack header before upload" });
    }
    pack.bytes.writeUInt32LE(sealedLength, pack.length + sealedLength);
    const length = pack.length + sealedLength + headerLengthField;
    const name = hash("sha256", pack.bytes.subarray(0, length), "hex");
    this.#options.onPack({ name, stream: keyStream(pack.key), buffer: pack.buffer, length, header });
  }
}

function differs(id: Buffer): HoldfastError {
  return new HoldfastError("verify-failed", { reason: "blob before upload", blob: id.toString("hex") });
}

interface Blob {
  readonly id: Buffer;
  readonly bytes: Uint8Array;
  /** Of large blobs. */
  readonly fingerprint: Buffer | undefined;
  readonly content: Content;
}

type Content = "text" | "unknown";

/** Room that a pack keeps for what is staged, for the seals and for its header. */
const reserveBytes = maxHeaderBytes(maxPackBlobs) + stageBytes + smallBlob;

class OpenPack {
  readonly type: BlobType;
  readonly key: string;
  readonly seal: SealRun;
  readonly header = new PackHeader();
  readonly buffer: PackBuffer;
  readonly bytes: Buffer;
  length = 0;
  /** Small blobs that wait to be sealed together: compressed, each at a multiple of the cipher's block. */
  readonly staged = Buffer.allocUnsafeSlow(stageBytes + compressBound(smallBlob) + 16);
  stagedLength = 0;
  stagedLengths: number[] = [];
  stagedIds: Buffer[] = [];
  /** Plaintext lengths, 0 for those stored plain. */
  stagedPlain: number[] = [];

  constructor(type: BlobType, key: string, masterKey: MasterKey, buffer: PackBuffer) {
    this.type = type;
    this.key = key;
    this.seal = new SealRun(masterKey);
    this.buffer = buffer;
    this.bytes = packRoom(buffer);
  }
}

function keyStream(key: string): PackStream {
  return key === "bulk" ? "bulk" : "hot";
}
