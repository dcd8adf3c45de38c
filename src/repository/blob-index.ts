import { sealOverhead } from "../format/crypto.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { BlobType, Id } from "../format/tree.ts";

/** Where a blob stands: number of its pack in `PackTable`, and place in it. */
export interface BlobLocation {
  readonly pack: number;
  readonly offset: number;
  readonly length: number;
  /** 0: stored plain. */
  readonly uncompressedLength: number;
}

/** What `new BlobIndex(shared)` in another thread needs to see the same index. */
export interface SharedBlobIndex {
  readonly memory: SharedArrayBuffer;
  readonly capacity: number;
}

// Words (32 bits) at the start of the memory.
const mutexWord = 0;
const countWord = 1;
const slotStartWord = 2;
const slotCountWord = 3;
const entriesStart = 16;

// Words of an entry: 8 of the id, then these.
const entryWords = 12;
const packWord = 8;
const offsetWord = 9;
const lengthWord = 10;
const plainWord = 11;

const treeBit = 0x8000_0000 | 0;
/** Pack number of a blob that somebody claimed and that is not yet in a stored pack. */
const inFlight = 0x7fff_ffff;

const firstSlots = 1 << 12;
/** 64 Mi blobs: 3.8 GiB of addresses, of which only what is used becomes memory. */
const largestCapacity = 1 << 26;
const smallestCapacity = 1 << 20;

/**
 * All blobs of a repository, in memory that every thread sees: a dense list of entries (48 bytes each) and an
 * open-addressing table of entry numbers, doubled when it is three quarters full. About 60 MB for a million blobs.
 *
 * Any thread may look up and claim at any time. Insertions take one lock for all threads; a search takes none, so
 * it may miss an entry that is being written or a table that is being replaced: who must be sure searches again with
 * the lock, which `claim` does. It can never find what is not there, since all 32 bytes of the id are compared.
 */
export class BlobIndex {
  readonly shared: SharedBlobIndex;
  readonly #words: Int32Array;
  /** Two areas for the table, used in turn. */
  readonly #areas: readonly [number, number];
  readonly #key = new Int32Array(8);
  readonly #keyBytes = Buffer.from(this.#key.buffer);

  /**
   * One for the blobs of index files that come to so many bytes as stored (each blob has an id of 32 random bytes, which
   * nothing compresses) and for as many again, for `least` in all at least. Where many are made in one process,
   * addresses run short: Linux refuses to start a program from a process that has more of them side by side than the
   * machine has memory.
   */
  static forIndexBytes(bytes: number, least: number = smallestCapacity): BlobIndex {
    const blobs = Math.max(Math.ceil(bytes / 32) * 2, least);
    return new BlobIndex(reserve(Math.min(2 ** Math.ceil(Math.log2(blobs)), largestCapacity)));
  }

  constructor(shared: SharedBlobIndex = reserve(largestCapacity)) {
    this.shared = shared;
    this.#words = new Int32Array(shared.memory);
    const areasStart = entriesStart + shared.capacity * entryWords;
    this.#areas = [areasStart, areasStart + shared.capacity * 2];
    if (Atomics.compareExchange(this.#words, slotCountWord, 0, firstSlots) === 0) {
      this.#words[slotStartWord] = areasStart;
    }
  }

  /** Entries, in flight or stored. */
  get count(): number {
    return Atomics.load(this.#words, countWord);
  }

  /** Number of the first entry for this blob, or -1. */
  find(type: BlobType, id: Id | Uint8Array): number {
    this.#setKey(id);
    return this.#search(type === "tree" ? treeBit : 0, -1);
  }

  /** All entries for this blob: the same blob may stand in several packs. */
  findAll(type: BlobType, id: Id | Uint8Array): number[] {
    this.#setKey(id);
    const found: number[] = [];
    const typeBit = type === "tree" ? treeBit : 0;
    for (let entry = this.#search(typeBit, -1); entry >= 0; entry = this.#search(typeBit, entry)) found.push(entry);
    return found;
  }

  /** The entry that `find` gives for the blob of this one: itself, unless the blob stands in several packs. */
  first(entry: number): number {
    const at = entriesStart + entry * entryWords;
    for (let word = 0; word < 8; word++) this.#key[word] = this.#words[at + word] ?? 0;
    return this.#search((this.#words[at + packWord] ?? 0) & treeBit, -1);
  }

  /** Adds a stored blob. A second copy of the same blob is another entry. */
  add(type: BlobType, id: Id | Uint8Array, pack: number, offset: number, length: number, plainLength: number): void {
    this.#setKey(id);
    this.#lock();
    try {
      const entry = this.#insert(type === "tree" ? treeBit : 0);
      this.setLocation(entry, pack, offset, length, plainLength);
    } finally {
      this.#unlock();
    }
  }

  /**
   * The number of a new entry when nobody has or stores this blob of `size` bytes: the caller must store it now.
   * Else -1.
   */
  claim(type: BlobType, id: Id | Uint8Array, size: number): number {
    this.#setKey(id);
    const typeBit = type === "tree" ? treeBit : 0;
    if (this.#search(typeBit, -1) >= 0) return -1;
    this.#lock();
    try {
      if (this.#search(typeBit, -1) >= 0) return -1;
      const entry = this.#insert(typeBit);
      this.#words[entriesStart + entry * entryWords + plainWord] = size;
      return entry;
    } finally {
      this.#unlock();
    }
  }

  /** Tells where a claimed blob was stored. Done by one thread, the one that stores packs. */
  setLocation(entry: number, pack: number, offset: number, length: number, plainLength: number): void {
    const at = entriesStart + entry * entryWords;
    const words = this.#words;
    words[at + offsetWord] = offset;
    words[at + lengthWord] = length;
    words[at + plainWord] = plainLength;
    Atomics.store(words, at + packWord, ((words[at + packWord] ?? 0) & treeBit) | pack);
  }

  /** Where the blob of this entry stands; `undefined` while it is in flight. */
  location(entry: number): BlobLocation | undefined {
    const at = entriesStart + entry * entryWords;
    const words = this.#words;
    const pack = Atomics.load(words, at + packWord) & ~treeBit;
    if (pack === inFlight) return undefined;
    return {
      pack,
      offset: (words[at + offsetWord] ?? 0) >>> 0,
      length: (words[at + lengthWord] ?? 0) >>> 0,
      uncompressedLength: (words[at + plainWord] ?? 0) >>> 0,
    };
  }

  /** Plaintext length, also of a blob in flight. */
  size(entry: number): number {
    const at = entriesStart + entry * entryWords;
    const plainLength = (this.#words[at + plainWord] ?? 0) >>> 0;
    return plainLength > 0 ? plainLength : ((this.#words[at + lengthWord] ?? 0) >>> 0) - sealOverhead;
  }

  id(entry: number): Id {
    const at = (entriesStart + entry * entryWords) * 4;
    return Buffer.from(this.shared.memory, at, 32).toString("hex");
  }

  /** Ids of several entries, 32 bytes each. */
  idBytes(entries: readonly number[]): Uint8Array {
    const all = new Uint8Array(entries.length * 32);
    for (const [position, entry] of entries.entries()) {
      all.set(new Uint8Array(this.shared.memory, (entriesStart + entry * entryWords) * 4, 32), position * 32);
    }
    return all;
  }

  type(entry: number): BlobType {
    return ((this.#words[entriesStart + entry * entryWords + packWord] ?? 0) & treeBit) === 0 ? "data" : "tree";
  }

  #setKey(id: Id | Uint8Array): void {
    if (typeof id === "string") this.#keyBytes.write(id, "hex");
    else this.#keyBytes.set(id);
  }

  /** The entry of the key that stands after entry `after` in the order of the table (-1: the first), or -1. */
  #search(typeBit: number, after: number): number {
    const words = this.#words;
    const key = this.#key;
    const start = Atomics.load(words, slotStartWord);
    const mask = Atomics.load(words, slotCountWord) - 1;
    const limit = words[countWord] ?? 0;
    const first = key[0] ?? 0;
    let passed = after < 0;
    // A table that another thread replaces under our eyes may have no empty slot: hence the end after one round.
    for (let step = 0, slot = first & mask; step <= mask; step++, slot = (slot + 1) & mask) {
      const entry = (words[start + slot] ?? 0) - 1;
      if (entry < 0) return -1;
      if (entry >= limit) continue;
      const at = entriesStart + entry * entryWords;
      if (words[at] !== first || ((words[at + packWord] ?? 0) & treeBit) !== typeBit) continue;
      if (!sameRest(words, at, key)) continue;
      if (passed) return entry;
      passed = entry === after;
    }
    return -1;
  }

  /** With the lock: a new entry for the key, in flight. */
  #insert(typeBit: number): number {
    const words = this.#words;
    const entry = words[countWord] ?? 0;
    if (entry >= this.shared.capacity) throw new HoldfastError("internal", { reason: "index full", blobs: entry });
    let slots = words[slotCountWord] ?? 0;
    if ((entry + 1) * 4 > slots * 3) {
      this.#grow(slots * 2);
      slots *= 2;
    }
    const at = entriesStart + entry * entryWords;
    words.set(this.#key, at);
    words[at + packWord] = typeBit | inFlight;
    Atomics.store(words, countWord, entry + 1);
    place(words, words[slotStartWord] ?? 0, slots - 1, entry, this.#key[0] ?? 0);
    return entry;
  }

  #grow(slots: number): void {
    const words = this.#words;
    const old = words[slotStartWord] ?? 0;
    const start = old === this.#areas[0] ? this.#areas[1] : this.#areas[0];
    words.fill(0, start, start + slots);
    const count = words[countWord] ?? 0;
    for (let entry = 0; entry < count; entry++) {
      place(words, start, slots - 1, entry, words[entriesStart + entry * entryWords] ?? 0);
    }
    // In this order a searcher may pair the new start with the old size, and then only misses.
    Atomics.store(words, slotStartWord, start);
    Atomics.store(words, slotCountWord, slots);
  }

  /** A lock of three states: 0 free, 1 held, 2 held and waited for. */
  #lock(): void {
    const words = this.#words;
    for (let spin = 0; spin < 100; spin++) {
      if (Atomics.compareExchange(words, mutexWord, 0, 1) === 0) return;
    }
    while (Atomics.exchange(words, mutexWord, 2) !== 0) {
      // A holder that was killed never lets go; nothing that holds the lock takes anywhere near this long.
      if (Atomics.wait(words, mutexWord, 2, 60_000) === "timed-out") {
        throw new HoldfastError("internal", { reason: "index lock" });
      }
    }
  }

  #unlock(): void {
    if (Atomics.exchange(this.#words, mutexWord, 0) === 2) Atomics.notify(this.#words, mutexWord, 1);
  }
}

function sameRest(words: Int32Array, at: number, key: Int32Array): boolean {
  for (let index = 1; index < 8; index++) if (words[at + index] !== key[index]) return false;
  return true;
}

function place(words: Int32Array, start: number, mask: number, entry: number, hash: number): void {
  let slot = hash & mask;
  while (words[start + slot] !== 0) slot = (slot + 1) & mask;
  Atomics.store(words, start + slot, entry + 1);
}

/**
 * Address space for `capacity` entries and the two areas of slots, or for as many as the system gives: memory is
 * committed only where it is touched, so a large reservation costs nothing but may be refused.
 */
function reserve(capacity: number): SharedBlobIndex {
  try {
    const words = entriesStart + capacity * entryWords + capacity * 4;
    return { memory: new SharedArrayBuffer(words * 4), capacity };
  } catch (error) {
    if (capacity <= smallestCapacity) throw error;
    return reserve(capacity / 2);
  }
}
