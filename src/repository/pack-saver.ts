import { decodePackHeader, headerLengthField, type PackedBlob } from "../format/pack.ts";
import { sealOverhead, type MasterKey } from "../format/crypto.ts";
import { IndexWriter, maxIndexBlobs, type IndexedPack } from "../format/index-file.ts";
import type { Id } from "../format/tree.ts";
import type { SealedFile } from "../format/unpacked.ts";
import type { Storage, StoredFile } from "../storage/storage.ts";
import type { BlobIndex } from "./blob-index.ts";
import type { PackSlots } from "./pack-slots.ts";
import type { PackTable } from "./pack-table.ts";
import type { PackStream } from "./repository.ts";
import type { Throttle } from "./throttle.ts";
import type { PackNotice } from "./upload-messages.ts";

export interface PackSaverOptions {
  readonly storage: Storage;
  readonly key: MasterKey;
  readonly index: BlobIndex;
  readonly packs: PackTable;
  readonly slots: PackSlots;
  readonly throttle: Throttle;
  readonly signal: AbortSignal;
  /** Stores an index file that names packs which are stored. */
  readonly saveIndex: (index: SealedFile) => Promise<void>;
  readonly onFailure: (error: unknown) => void;
}

/** A pack that is to be stored. */
interface Waiting {
  readonly name: Id;
  readonly stream: PackStream;
  readonly bytes: Uint8Array;
  readonly pack: IndexedPack;
  readonly stored: () => void;
  readonly failed: (error: unknown) => void;
}

/** An index file is written at least this often: what a crash cannot make a run do again. restic's figure. */
const indexAgeMs = 10 * 60_000;

/**
 * Stores packs, and names them in an index file only when the storage has said that they are durable. What an index
 * file names, an interrupted run need not store again.
 */
export class PackSaver {
  readonly #options: PackSaverOptions;
  readonly #waiting: Waiting[] = [];
  #active = 0;
  #idle = Promise.withResolvers<void>();
  /** The index file for packs that none names yet. */
  #index: IndexWriter | undefined;
  #indexSince = 0;
  #indexes: Promise<void> = Promise.resolve();

  constructor(options: PackSaverOptions) {
    this.#options = options;
    this.#idle.resolve();
  }

  /** `done` gets the pack's buffer back. */
  save(notice: PackNotice, done: (buffer: SharedArrayBuffer) => void): void {
    const { name, stream, buffer, length, header } = notice;
    this.#add({
      stream,
      bytes: new Uint8Array(buffer, 0, length),
      pack: new PackOfHeader(name, header, length),
      name,
      stored: () => {
        done(buffer);
        this.#options.slots.give();
      },
      // The run's failure tells it.
      failed: () => undefined,
    });
  }

  /** A whole pack that another repository has; resolves when it is stored. */
  carry(pack: IndexedPack, bytes: Uint8Array, stream: PackStream): Promise<void> {
    return new Promise((stored, failed) => {
      this.#add({ name: pack.id, stream, bytes, pack, stored, failed });
    });
  }

  #add(waiting: Waiting): void {
    if (this.#active === 0) this.#idle = Promise.withResolvers<void>();
    this.#waiting.push(waiting);
    this.#next();
  }

  /** A pack that is stored already and that no index names yet. */
  adopt(pack: IndexedPack): void {
    this.#name(pack);
  }

  /** Resolves when all packs given so far are stored. */
  get idle(): Promise<void> {
    return this.#idle.promise;
  }

  /** Resolves when nothing is on its way any more, packs and index files, whatever became of it. */
  async settled(): Promise<void> {
    await this.idle;
    await this.#indexes.catch(() => undefined);
  }

  /** Stores what is left, and the index files for it. */
  async finish(): Promise<void> {
    await this.idle;
    this.#saveIndex();
    await this.#indexes;
  }

  #next(): void {
    while (this.#active < this.#options.storage.traits.connections) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#active++;
      this.#store(next).then(
        () => {
          this.#active--;
          next.stored();
          this.#next();
          if (this.#active === 0) this.#idle.resolve();
        },
        (error: unknown) => {
          this.#active--;
          for (const { failed } of [next, ...this.#waiting.splice(0)]) failed(error);
          if (this.#active === 0) this.#idle.resolve();
          this.#options.onFailure(error);
        },
      );
    }
  }

  async #store({ name, stream, bytes, pack }: Waiting): Promise<void> {
    const { storage, throttle, signal } = this.#options;
    await throttle.take(bytes.length, signal);
    const file: StoredFile = { kind: "data", name, named: "by-contents", ...(stream === "bulk" && { stream }) };
    await storage.save(file, bytes, signal);
    this.#name(pack);
  }

  #name(pack: IndexedPack): void {
    const { key, index, packs } = this.#options;
    const number = packs.number(pack.id);
    const { blobs } = pack;
    for (const { type, id, offset, length, uncompressedLength } of blobs) {
      packs.extend(number, offset + length);
      const entry = index.find(type, id);
      if (entry < 0 || index.location(entry)) index.add(type, id, number, offset, length, uncompressedLength);
      else index.setLocation(entry, number, offset, length, uncompressedLength);
    }
    if (this.#index === undefined) {
      this.#index = new IndexWriter(key);
      this.#indexSince = performance.now();
    }
    this.#index.add({ id: pack.id, blobs });
    if (this.#index.blobs >= maxIndexBlobs || performance.now() - this.#indexSince > indexAgeMs) this.#saveIndex();
  }

  #saveIndex(): void {
    if (this.#index === undefined) return;
    const file = this.#index.finish();
    this.#index = undefined;
    const saved = this.#indexes.then(() => this.#options.saveIndex(file));
    // Said here as well, since nobody awaits it before the end of the run.
    saved.catch((error: unknown) => this.#options.onFailure(error));
    this.#indexes = saved;
  }
}

/**
 * A pack that waits to be stored, with up to ten thousand blobs: as bytes, which the garbage collector need not look through
 * again and again, a pack's blobs are objects only while somebody goes through them.
 */
class PackOfHeader implements IndexedPack {
  readonly id: Id;
  readonly #header: Uint8Array;
  readonly #blobBytes: number;

  constructor(id: Id, header: Uint8Array, packLength: number) {
    this.id = id;
    this.#header = header;
    this.#blobBytes = packLength - header.length - sealOverhead - headerLengthField;
  }

  get blobs(): readonly PackedBlob[] {
    return decodePackHeader(this.#header, this.#blobBytes);
  }
}
