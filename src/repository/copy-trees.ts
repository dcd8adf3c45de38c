import type { MasterKey } from "../format/crypto.ts";
import { parseTree } from "../format/tree-json.ts";
import { scanTree } from "../format/tree-scan.ts";
import type { BlobType, Id } from "../format/tree.ts";
import { nameText } from "../lib/byte-name.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { mapBounded } from "../lib/map-bounded.ts";
import type { Storage } from "../storage/storage.ts";
import type { BlobIndex } from "./blob-index.ts";
import { PackCarrier } from "./carry-packs.ts";
import { isDamage } from "./damage.ts";
import { placesOf, runsOfEntries, type EntryRun } from "./entry-runs.ts";
import type { PackTable } from "./pack-table.ts";
import type { BlobReader, CopyOptions, PackStream, StreamsOfFolder, TreeCopier, Upload } from "./repository.ts";

export interface CopySource {
  readonly storage: Storage;
  readonly key: MasterKey;
  readonly index: BlobIndex;
  readonly packs: PackTable;
  readonly reader: BlobReader;
}

/** Trees that are read at once, and taken from the pile together. */
const readsAtOnce = 8;
const batchSize = 64;

/** What a tree needs and the other repository has not: numbers of entries in our index. */
interface Wanted {
  readonly trees: number[];
  readonly hot: number[];
  readonly bulk: number[];
}

/**
 * Copies trees from one repository into another: walks them, gathers what the other has not, reads that in the order
 * of the packs, and gives it to the other's worker threads, which open, check and seal it. Where the two have the same
 * key, what can be is carried over as it is sealed.
 *
 * Every tree of every snapshot is walked, also where the other has it already: that it has a tree does not say that it
 * has what the tree needs, if a run was cut off or a pack was lost. What was copied in this run is not walked again.
 */
export class StoredTreeCopier implements TreeCopier {
  readonly #source: CopySource;
  readonly #into: Upload;
  readonly #options: CopyOptions;
  /** One byte an entry: 1 where it is in the other repository, with all that it needs. */
  readonly #seen: Uint8Array;
  /** Where the two have the same key. */
  readonly #carrier: PackCarrier | undefined;
  #doneBytes = 0;
  #totalBytes = 0;

  constructor(source: CopySource, into: Upload, options: CopyOptions) {
    this.#source = source;
    this.#into = into;
    this.#options = options;
    this.#seen = new Uint8Array(source.index.count);
    if (into.sealsWith(source.key)) this.#carrier = new PackCarrier(source, into, options.signal);
  }

  async copy(tree: Id, streams: StreamsOfFolder): Promise<readonly Id[]> {
    const walk = new Walk(this.#source, this.#into, this.#options.signal, this.#seen);
    await walk.gather(tree, streams);
    const { trees, hot, bulk } = walk.wanted;
    const groups: readonly (readonly [BlobType, PackStream, readonly number[]])[] = [
      ["data", "bulk", bulk],
      ["data", "hot", hot],
      ["tree", "hot", trees],
    ];
    for (const [, , entries] of groups) this.#totalBytes += this.#bytesOf(entries);
    const lost = new Set(walk.missing);
    for (const [type, stream, entries] of groups) {
      const left = await this.#carrier?.carry(type, stream, entries, (carried) => this.#done(carried));
      const runs = runsOfEntries(left ?? entries, this.#source.index);
      for (const entry of await this.#copyRuns(type, stream, runs)) lost.add(this.#source.index.id(entry));
    }
    // Another snapshot that needs the same has to find it missing too.
    if (lost.size > 0) walk.forget();
    return [...lost];
  }

  /** Gives the entries that are damaged in every pack. */
  async #copyRuns(type: BlobType, stream: PackStream, runs: readonly EntryRun[]): Promise<readonly number[]> {
    const { limits } = this.#options;
    const { connections } = this.#source.storage.traits;
    // Each thread works on one and has one waiting, while others are read.
    const found = await mapBounded(runs, limits.workers + Math.max(connections, limits.workers), async (run) => {
      await this.#into.ready();
      const lost: number[] = [];
      for (const entry of await this.#copyRun(type, stream, run)) {
        if (!(await this.#copyAgain(type, stream, entry))) lost.push(entry);
      }
      this.#done(run.entries);
      return lost;
    });
    return found.flat();
  }

  #done(entries: readonly number[]): void {
    this.#doneBytes += this.#bytesOf(entries);
    this.#options.onProgress?.(this.#doneBytes, this.#totalBytes);
  }

  #bytesOf(entries: readonly number[]): number {
    return entries.reduce((sum, entry) => sum + (this.#source.index.location(entry)?.length ?? 0), 0);
  }

  /** Gives the entries that are damaged there. */
  async #copyRun(type: BlobType, stream: PackStream, run: EntryRun): Promise<readonly number[]> {
    const { storage, key, index, packs } = this.#source;
    const { pack, start, end, entries } = run;
    this.#options.signal.throwIfAborted();
    let bytes: Buffer;
    try {
      const range = { offset: start, length: end - start };
      bytes = await storage.load({ kind: "data", name: packs.id(pack) }, range, this.#options.signal);
    } catch (error) {
      if (!isHoldfastError(error, "storage-not-found") && !isHoldfastError(error, "storage-failed")) throw error;
      const [first, ...others] = entries;
      if (first === undefined || others.length === 0) return entries;
      // A pack that was cut off still has its beginning.
      const each = await mapBounded(entries, 1, (entry) => this.#copyRun(type, stream, this.#runOf(entry)));
      return each.flat();
    }
    const handling = this.#carrier === undefined ? "reseal" : "move";
    const places = placesOf(entries, index, start);
    const damaged = await this.#into.sealed({ type, stream, handling, key, bytes, ...places });
    return damaged.flatMap((position) => entries[position] ?? []);
  }

  /** What came over a bad line may be right by itself; and the same blob may stand in other packs too. */
  async #copyAgain(type: BlobType, stream: PackStream, entry: number): Promise<boolean> {
    const { index } = this.#source;
    for (const other of new Set([entry, ...index.findAll(type, index.id(entry))])) {
      if ((await this.#copyRun(type, stream, this.#runOf(other))).length === 0) return true;
    }
    return false;
  }

  #runOf(entry: number): EntryRun {
    const { pack = 0, offset = 0, length = 0 } = this.#source.index.location(entry) ?? {};
    return { pack, start: offset, end: offset + length, entries: [entry] };
  }
}

/** A tree to be walked. */
interface Waiting {
  readonly id: Id;
  /** From the root; of a folder above, where all below goes to the same packs. */
  readonly path: string;
}

/** The walk through one snapshot's trees. */
class Walk {
  readonly wanted: Wanted = { trees: [], hot: [], bulk: [] };
  /** Blobs that the index does not know, and trees that cannot be read. */
  readonly missing: Id[] = [];
  readonly #source: CopySource;
  readonly #into: Upload;
  readonly #signal: AbortSignal;
  readonly #seen: Uint8Array;
  readonly #newlySeen: number[] = [];

  constructor(source: CopySource, into: Upload, signal: AbortSignal, seen: Uint8Array) {
    this.#source = source;
    this.#into = into;
    this.#signal = signal;
    this.#seen = seen;
  }

  async gather(root: Id, streams: StreamsOfFolder): Promise<void> {
    const pile: Waiting[] = [{ id: root, path: "" }];
    while (pile.length > 0) {
      this.#signal.throwIfAborted();
      const batch = pile.splice(-batchSize).filter(({ id }) => this.#isNew("tree", id, this.wanted.trees));
      const trees = await mapBounded(batch, readsAtOnce, ({ id }) => this.#readTree(id));
      for (const [index, tree] of trees.entries()) {
        const { id, path } = batch[index] ?? { id: root, path: "" };
        if (tree === undefined) continue;
        try {
          for (const inner of this.#look(tree, path, streams)) pile.push(inner);
        } catch (error) {
          if (!isHoldfastError(error, "repository-damaged")) throw error;
          this.missing.push(id);
        }
      }
    }
  }

  /** Notes what a tree needs; gives the trees in it. */
  #look(tree: Buffer, path: string, streams: StreamsOfFolder): readonly Waiting[] {
    const found: Waiting[] = [];
    const stream = streams(path);
    if (stream === "bulk") {
      // Folders of a million files: nothing is made of them.
      scanTree(tree, {
        data: (id) => void this.#isNew("data", id, this.wanted.bulk),
        subtree: (id) => found.push({ id: Buffer.from(id).toString("hex"), path }),
      });
      return found;
    }
    for (const { name, content, subtree } of parseTree(tree).nodes) {
      if (subtree !== undefined) found.push({ id: subtree, path: `${path}/${nameText(name)}` });
      for (const id of content ?? []) this.#isNew("data", id, this.wanted[stream(name)]);
    }
    return found;
  }

  forget(): void {
    for (const entry of this.#newlySeen) this.#seen[entry] = 0;
  }

  /** Whether this run has not been through it; notes it where the other repository has not got it. */
  #isNew(type: BlobType, id: Id | Uint8Array, wanted: number[]): boolean {
    const { index } = this.#source;
    const entry = index.find(type, id);
    if (entry < 0) {
      this.missing.push(typeof id === "string" ? id : Buffer.from(id).toString("hex"));
      return false;
    }
    if (this.#seen[entry] === 1) return false;
    this.#seen[entry] = 1;
    this.#newlySeen.push(entry);
    if (!this.#into.has(type, typeof id === "string" ? id : index.id(entry))) wanted.push(entry);
    return true;
  }

  async #readTree(id: Id): Promise<Buffer | undefined> {
    try {
      return await this.#source.reader.load("tree", id, this.#signal);
    } catch (error) {
      this.#signal.throwIfAborted();
      if (!isDamage(error)) throw error;
      this.missing.push(id);
      return undefined;
    }
  }
}
