/**
 * How restic's format keeps bytes secret and whole: AES-256-CTR, then Poly1305-AES over the ciphertext.
 *
 *     sealed = IV (16) ‖ ciphertext ‖ tag (16)
 *     s      = AES-128-ECB(macK, IV);  tag = Poly1305(macR ‖ s, ciphertext)
 *
 * `seal` and `unseal` do one piece with a random IV. `SealRun` and `UnsealRun` do the blobs of one pack, several times
 * faster; see there why that is as safe.
 *
 * `crypto.createMac` is in Node 26 but not yet in its manual or its types: it is called here and nowhere else, and the
 * vectors of `crypto.test.ts` stand guard over it.
 */
import * as crypto from "node:crypto";
import { HoldfastError } from "../lib/errors.ts";
import { freeMemory } from "../lib/memory-pool.ts";

export interface MasterKey {
  /** 32 bytes, AES-256. */
  readonly encrypt: Buffer;
  /** 16 bytes, AES-128: makes the nonce part of the one-time key. */
  readonly macK: Buffer;
  /** 16 bytes, Poly1305's r as stored, unclamped: clamping is part of Poly1305. */
  readonly macR: Buffer;
}

export function sameKey(left: MasterKey, right: MasterKey): boolean {
  return (["encrypt", "macK", "macR"] as const).every((part) => crypto.timingSafeEqual(left[part], right[part]));
}

/** Bytes that sealing adds: IV and tag. */
export const sealOverhead = 32;

const ivLength = 16;
const tagLength = 16;
const blockLength = 16;

export function seal(key: MasterKey, plaintext: Uint8Array): Buffer {
  const run = new SealRun(key);
  const sealed = Buffer.allocUnsafeSlow(plaintext.length + sealOverhead);
  run.sealInto(sealed, 0, plaintext);
  return sealed;
}

/** The plaintext; `repository-damaged` when the tag does not fit, in which case nothing was decrypted. */
export function unseal(key: MasterKey, sealed: Uint8Array): Buffer {
  return new UnsealRun(key).unseal(sealed);
}

/** Bytes rounded up to whole cipher blocks: where the next piece starts in the input of `SealRun.sealAllInto`. */
export function alignedLength(length: number): number {
  return (length + blockLength - 1) & ~(blockLength - 1);
}

/**
 * Seals many pieces with one running cipher: the first IV is random, each further IV is the counter right after the
 * last block of the piece before.
 *
 * Every IV is written beside its ciphertext, so a reader needs to know nothing of this. CTR asks that no counter block
 * is used twice under one key: within a run they are used one after the other, and two runs overlap no likelier than
 * two random IVs with messages as long as the runs do (with 2^40 runs of 2^20 blocks, about 2^-27). Poly1305-AES asks
 * that nonces differ, not that they are unpredictable; its one-time key is AES of the nonce. Setting up a cipher costs
 * more than enciphering a small blob; this pays it once a pack.
 */
export class SealRun {
  readonly #cipher: crypto.Cipheriv;
  readonly #tags: Tagger;
  readonly #counter: Counter;

  constructor(key: MasterKey) {
    const iv = randomIv();
    this.#cipher = crypto.createCipheriv("aes-256-ctr", key.encrypt, iv);
    this.#tags = new Tagger(key);
    this.#counter = new Counter(iv);
  }

  /** Writes `plaintext.length + sealOverhead` bytes to `target` at `offset`. */
  sealInto(target: Buffer, offset: number, plaintext: Uint8Array): void {
    const iv = this.#counter.take(plaintext.length);
    const mac = this.#tags.start(this.#tags.oneTimeParts(iv), 0);
    target.set(iv, offset);
    let to = offset + ivLength;
    for (let at = 0; at < plaintext.length; at += step) {
      const ciphertext = this.#cipher.update(plaintext.subarray(at, at + step));
      mac.update(ciphertext);
      // `copy`, not `set`: V8 moves shared memory, which packs are in, word by word.
      ciphertext.copy(target, to);
      to += ciphertext.length;
      freeMemory(ciphertext);
    }
    skipToBlock(this.#cipher, plaintext.length);
    writeTag(mac, target, to);
  }

  /**
   * Seals several small pieces at once. They stand in `staged` one after the other, each starting at a multiple of
   * 16 (`alignedLength`); they are written to `target` without gaps. Returns the bytes written.
   */
  sealAllInto(target: Buffer, offset: number, staged: Uint8Array, lengths: readonly number[]): number {
    const ivs = Buffer.allocUnsafe(lengths.length * ivLength);
    for (const [index, length] of lengths.entries()) ivs.set(this.#counter.take(length), index * ivLength);
    const oneTime = this.#tags.oneTimeParts(ivs);
    const ciphertext = this.#cipher.update(staged);
    let from = 0;
    let to = offset;
    for (const [index, length] of lengths.entries()) {
      const piece = ciphertext.subarray(from, from + length);
      ivs.copy(target, to, index * ivLength, (index + 1) * ivLength);
      piece.copy(target, to + ivLength);
      writeTag(this.#tags.start(oneTime, index).update(piece), target, to + ivLength + length);
      from += alignedLength(length);
      to += length + sealOverhead;
    }
    freeMemory(ciphertext);
    return to - offset;
  }
}

/** Opens many pieces; where their IVs go on from one to the next (`SealRun`), with one running cipher. */
export class UnsealRun {
  readonly #key: MasterKey;
  readonly #tags: Tagger;
  readonly #tag = Buffer.alloc(tagLength);
  #cipher: crypto.Decipheriv | undefined;
  #expected: Counter | undefined;

  constructor(key: MasterKey) {
    this.#key = key;
    this.#tags = new Tagger(key);
  }

  /**
   * As `unseal`. Written to `target` when it is given and large enough: then the result is valid until `target` is
   * used again.
   */
  unseal(sealed: Uint8Array, target?: Buffer): Buffer {
    if (sealed.length < sealOverhead) throw damaged("too short");
    const iv = sealed.subarray(0, ivLength);
    const ciphertext = sealed.subarray(ivLength, sealed.length - tagLength);
    const mac = this.#tags.start(this.#tags.oneTimeParts(iv), 0).update(ciphertext);
    this.#checkTag(mac, sealed.subarray(sealed.length - tagLength));
    const cipher = this.#cipherAt(iv, ciphertext.length);
    if (target === undefined && ciphertext.length <= step) {
      const plaintext = cipher.update(ciphertext);
      skipToBlock(cipher, ciphertext.length);
      return plaintext;
    }
    const fits = target !== undefined && target.length >= ciphertext.length;
    const plaintext = fits ? target.subarray(0, ciphertext.length) : Buffer.allocUnsafe(ciphertext.length);
    for (let at = 0; at < ciphertext.length; at += step) {
      const part = cipher.update(ciphertext.subarray(at, at + step));
      plaintext.set(part, at);
      freeMemory(part);
    }
    skipToBlock(cipher, ciphertext.length);
    return plaintext;
  }

  /**
   * Opens several small pieces as `SealRun.sealAllInto` wrote them: they stand without gaps, and their IVs go on from
   * one to the next, else `repository-damaged`. The plaintexts stand in the answer each at a multiple of 16
   * (`alignedLength`). Nothing is decrypted unless all tags fit.
   */
  unsealAll(sealed: Buffer, lengths: readonly number[]): Buffer {
    const ivs = Buffer.allocUnsafe(lengths.length * ivLength);
    const aligned = Buffer.alloc(lengths.reduce((sum, length) => sum + alignedLength(length), 0));
    const first = sealed.subarray(0, ivLength);
    const expected = new Counter(first);
    let from = 0;
    let to = 0;
    for (const [index, length] of lengths.entries()) {
      const iv = sealed.subarray(from, from + ivLength);
      if (!expected.is(iv)) throw damaged("iv");
      expected.take(length);
      ivs.set(iv, index * ivLength);
      sealed.copy(aligned, to, from + ivLength, from + ivLength + length);
      from += length + sealOverhead;
      to += alignedLength(length);
    }
    const oneTime = this.#tags.oneTimeParts(ivs);
    let end = 0;
    for (const [index, length] of lengths.entries()) {
      const ciphertext = sealed.subarray(end + ivLength, (end += length + sealOverhead) - tagLength);
      this.#checkTag(this.#tags.start(oneTime, index).update(ciphertext), sealed.subarray(end - tagLength, end));
    }
    const plaintexts = this.#cipherAt(first, aligned.length).update(aligned);
    freeMemory(aligned);
    return plaintexts;
  }

  #checkTag(mac: Mac, expected: Uint8Array): void {
    writeTag(mac, this.#tag, 0);
    if (!crypto.timingSafeEqual(this.#tag, expected)) throw damaged("tag");
  }

  /** The running cipher where the IV goes on from the last piece, else a new one. */
  #cipherAt(iv: Uint8Array, length: number): crypto.Decipheriv {
    if (this.#cipher === undefined || this.#expected === undefined || !this.#expected.is(iv)) {
      this.#cipher = crypto.createDecipheriv("aes-256-ctr", this.#key.encrypt, iv);
      this.#expected = new Counter(iv);
    }
    this.#expected.take(length);
    return this.#cipher;
  }
}

/**
 * Long pieces go through the cipher in parts of 64 KiB, which stay in the processor's cache, and in memory that is used
 * again: the cipher gives each answer in new memory, and 1 MiB at a time costs more in page faults than in AES.
 */
const step = 64 << 10;

/** A stream cipher that has done `length` bytes is moved on to the next whole block. */
function skipToBlock(cipher: crypto.Cipheriv | crypto.Decipheriv, length: number): void {
  const over = alignedLength(length) - length;
  if (over > 0) cipher.update(padding.subarray(0, over));
}

/**
 * Tells whether bytes are still what they were: Poly1305 under a random key that nobody else sees. Two different texts
 * of 8 MiB have equal sums with a probability of 2^-83 at most, at an eighth of the cost of SHA-256.
 */
export class Fingerprint {
  readonly #key = crypto.randomBytes(32);

  of(bytes: Uint8Array): Buffer {
    return createMac("poly1305", this.#key).update(bytes).final();
  }
}

const padding = new Uint8Array(blockLength);

/** Poly1305-AES with a running AES for the nonces and one buffer for the one-time keys. */
class Tagger {
  readonly #nonces: crypto.Cipheriv;
  readonly #oneTimeKey = Buffer.alloc(32);

  constructor(key: MasterKey) {
    this.#nonces = crypto.createCipheriv("aes-128-ecb", key.macK, null).setAutoPadding(false);
    key.macR.copy(this.#oneTimeKey);
  }

  /** AES of one or more IVs: the second half of each one-time key. */
  oneTimeParts(ivs: Uint8Array): Buffer {
    return this.#nonces.update(ivs);
  }

  /** The Poly1305 of the piece whose IV was number `index` of those given to `oneTimeParts`. */
  start(oneTimeParts: Buffer, index: number): Mac {
    oneTimeParts.copy(this.#oneTimeKey, 16, index * 16, (index + 1) * 16);
    return createMac("poly1305", this.#oneTimeKey);
  }
}

/** A 128-bit big-endian block counter. */
class Counter {
  readonly #bytes: Buffer;

  constructor(iv: Uint8Array) {
    this.#bytes = Buffer.from(iv);
  }

  is(iv: Uint8Array): boolean {
    return this.#bytes.equals(iv);
  }

  /** The counter now, and moves on over the blocks of `length` bytes. */
  take(length: number): Buffer {
    const now = Buffer.from(this.#bytes);
    let carry = alignedLength(length) / blockLength;
    for (let offset = 12; offset >= 0 && carry > 0; offset -= 4) {
      const sum = this.#bytes.readUInt32BE(offset) + carry;
      this.#bytes.writeUInt32BE(sum >>> 0, offset);
      carry = sum > 0xffff_ffff ? 1 : 0;
    }
    return now;
  }
}

/** By way of a text: a Buffer of its own for each tag would cost as much again as the Poly1305 of a small blob. */
function writeTag(mac: Mac, target: Buffer, offset: number): void {
  target.write(mac.final("latin1"), offset, "latin1");
}

function randomIv(): Buffer {
  for (;;) {
    const iv = crypto.randomBytes(ivLength);
    // restic refuses an IV of zeros.
    if (iv.some((byte) => byte !== 0)) return iv;
  }
}

function damaged(reason: string): HoldfastError {
  return new HoldfastError("repository-damaged", { reason });
}

interface Mac {
  update(bytes: Uint8Array): Mac;
  final(): Buffer;
  final(encoding: "latin1"): string;
}

const { createMac } = crypto as unknown as { createMac(algorithm: "poly1305", key: Uint8Array): Mac };
