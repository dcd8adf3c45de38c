import { createHash, hash } from "node:crypto";
import { sealOverhead, UnsealRun, type MasterKey } from "../format/crypto.ts";
import { largeTree, parseTree } from "../format/tree-json.ts";
import type { BlobType, Id, Tree } from "../format/tree.ts";
import { decompressPieces, ZstdDecoder } from "../format/zstd-context.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { freeMemory } from "../lib/memory-pool.ts";
import type { ByteRange, Storage } from "../storage/storage.ts";
import type { BlobIndex, BlobLocation } from "./blob-index.ts";
import { OpenedTree } from "./opened-tree.ts";
import type { PackTable } from "./pack-table.ts";
import type { BlobReader } from "./repository.ts";

/**
 * Small blobs are read with what stands around them, since who needs one (a tree, a chunk of rows) mostly needs its
 * neighbours next: one request instead of many. Rows are read forwards, trees backwards: the root of a snapshot stands
 * last in its pack. So a window begins at a multiple of this, not where somebody happens to begin.
 */
const windowBytes = 256 << 10;
/** A blob longer than this is read alone. */
const smallBlob = 64 << 10;
const windows = 16;

interface Window {
  readonly pack: number;
  readonly start: number;
  readonly end: number;
  readonly bytes: Promise<Buffer>;
  /** Who waits for it or looks at it. */
  users: number;
}

/** Reads single blobs from the packs of a storage. For many files at once there is `writeFiles`. */
export class StoredBlobReader implements BlobReader {
  readonly #storage: Storage;
  readonly #index: BlobIndex;
  readonly #packs: PackTable;
  readonly #opener: UnsealRun;
  readonly #decoder = new ZstdDecoder();
  /** The last used last. */
  #windows: Window[] = [];

  constructor(storage: Storage, key: MasterKey, index: BlobIndex, packs: PackTable) {
    this.#storage = storage;
    this.#index = index;
    this.#packs = packs;
    this.#opener = new UnsealRun(key);
  }

  has(type: BlobType, id: Id): boolean {
    return this.#index.find(type, id) >= 0;
  }

  size(type: BlobType, id: Id): number | undefined {
    const entry = this.#index.find(type, id);
    return entry < 0 ? undefined : this.#index.size(entry);
  }

  load(type: BlobType, id: Id, signal: AbortSignal): Promise<Buffer> {
    return this.#whole(type, id, signal, (sealed, location) => this.#open(sealed, location, id));
  }

  async loadTree(id: Id, signal: AbortSignal): Promise<Tree> {
    return parseTree(await this.load("tree", id, signal));
  }

  openTree(id: Id, signal: AbortSignal): Promise<OpenedTree> {
    return this.#whole("tree", id, signal, (sealed, location) => {
      const { uncompressedLength: length } = location;
      if (length > largeTree) return this.#openLarge(this.#opener.unseal(sealed), length, id);
      const bytes = this.#open(sealed, location, id);
      return new OpenedTree(bytes.length, () => [bytes]);
    });
  }

  /** Where a blob stands in several packs, each is tried until one is whole. */
  async #whole<T>(
    type: BlobType,
    id: Id,
    signal: AbortSignal,
    open: (sealed: Buffer, location: BlobLocation) => T,
  ): Promise<T> {
    let failure: unknown;
    for (const entry of this.#index.findAll(type, id)) {
      const location = this.#index.location(entry);
      if (location === undefined) continue;
      const { pack, offset, length } = location;
      // What was kept by a cache, or came over a bad line, may be wrong though the pack is right.
      for (const from of ["window", "pack"] as const) {
        try {
          if (from === "window") return await this.#inWindow(location, signal, open);
          return open(await this.#read(pack, { offset, length }, signal), location);
        } catch (error) {
          signal.throwIfAborted();
          if (!isHoldfastError(error)) throw error;
          failure ??= error;
        }
      }
    }
    throw failure ?? new HoldfastError("repository-damaged", { reason: "blob missing", type, blob: id });
  }

  /** Hashed a piece at a time, before anything of it is believed; kept as it is compressed. */
  #openLarge(frame: Buffer, length: number, id: Id): OpenedTree {
    const sum = createHash("sha256");
    for (const piece of decompressPieces(frame, length)) sum.update(piece);
    if (sum.digest("hex") !== id) throw new HoldfastError("repository-damaged", { reason: "blob hash", blob: id });
    return new OpenedTree(length, () => decompressPieces(frame, length));
  }

  #open(sealed: Buffer, location: BlobLocation, id: Id): Buffer {
    const body = this.#opener.unseal(sealed);
    const { uncompressedLength } = location;
    const plain = uncompressedLength === 0 ? body : this.#decoder.decompress(body, uncompressedLength);
    if (hash("sha256", plain, "hex") !== id) {
      throw new HoldfastError("repository-damaged", { reason: "blob hash", blob: id });
    }
    if (plain !== body) freeMemory(body);
    return plain;
  }

  /** `open` looks at memory that is used no longer than it runs. */
  async #inWindow<T>(
    location: BlobLocation,
    signal: AbortSignal,
    open: (sealed: Buffer, location: BlobLocation) => T,
  ): Promise<T> {
    const { pack, offset, length } = location;
    if (length < sealOverhead) throw new HoldfastError("repository-damaged", { reason: "blob length" });
    if (length > smallBlob) return open(await this.#read(pack, { offset, length }, signal), location);
    const window = this.#windowOf(location, signal);
    window.users++;
    try {
      // It may have been read for somebody who has gone, or reach beyond a pack that was cut off.
      const bytes = await window.bytes.catch(() => undefined);
      if (bytes) return open(bytes.subarray(offset - window.start, offset + length - window.start), location);
      this.#windows = this.#windows.filter((one) => one !== window);
    } finally {
      window.users--;
      this.#freeUnlessKept(window);
    }
    return open(await this.#read(pack, { offset, length }, signal), location);
  }

  #windowOf({ pack, offset, length }: BlobLocation, signal: AbortSignal): Window {
    const end = offset + length;
    const known = this.#windows.find((one) => one.pack === pack && one.start <= offset && one.end >= end);
    if (known) {
      this.#windows = [...this.#windows.filter((one) => one !== known), known];
      return known;
    }
    const start = offset - (offset % windowBytes);
    const stop = Math.max(end, Math.min(start + windowBytes, this.#packs.end(pack)));
    const range = { offset: start, length: stop - start, again: "likely" } as const;
    const window: Window = { pack, start, end: stop, bytes: this.#read(pack, range, signal), users: 0 };
    this.#windows.push(window);
    const oldest = this.#windows.length > windows ? this.#windows.shift() : undefined;
    if (oldest) this.#freeUnlessKept(oldest);
    return window;
  }

  #freeUnlessKept(window: Window): void {
    if (window.users > 0 || this.#windows.includes(window)) return;
    window.bytes.then(freeMemory, () => {});
  }

  #read(pack: number, range: ByteRange, signal: AbortSignal): Promise<Buffer> {
    return this.#storage.load({ kind: "data", name: this.#packs.id(pack) }, range, signal);
  }
}
