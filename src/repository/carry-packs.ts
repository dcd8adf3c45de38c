import { hash } from "node:crypto";
import { UnsealRun } from "../format/crypto.ts";
import { packBytes } from "../format/pack.ts";
import type { BlobType } from "../format/tree.ts";
import { freeMemory } from "../lib/memory-pool.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { mapBounded } from "../lib/map-bounded.ts";
import type { CopySource } from "./copy-trees.ts";
import { placesOf } from "./entry-runs.ts";
import { otherThanIndexed, ownList } from "./examine-pack.ts";
import { nodeBuffer, transferable } from "./message-bytes.ts";
import type { PackStream, Upload } from "./repository.ts";

/** Larger packs, which only other programs write, are taken blob by blob: so many are held in memory at once. */
const maxCarriedBytes = 32 << 20;
const carriedAtOnce = 4;

/** Entries of the index that stand in one pack. */
interface PackGroup {
  readonly pack: number;
  readonly entries: number[];
}

/**
 * Carries packs into a repository that has the same key, without opening a blob. What proves a pack is its SHA-256: it is the pack's
 * name, and the index that gives the name is sealed. A pack of which all is wanted is stored byte for byte; of one of
 * which more than half is wanted, what is wanted is moved as it is sealed. All others are not worth reading whole.
 */
export class PackCarrier {
  readonly #source: CopySource;
  readonly #into: Upload;
  readonly #signal: AbortSignal;
  /** Bytes of each pack, by what the index says of its blobs. */
  readonly #sizes: Float64Array;

  constructor(source: CopySource, into: Upload, signal: AbortSignal) {
    this.#source = source;
    this.#into = into;
    this.#signal = signal;
    const { index, packs } = source;
    this.#sizes = new Float64Array(packs.count).fill(packBytes([]));
    for (let entry = 0; entry < index.count; entry++) {
      const location = index.location(entry);
      if (location === undefined) continue;
      this.#sizes[location.pack] = this.#sizeOf(location.pack) + packBytes([location]) - packBytes([]);
    }
  }

  /** Gives the entries that are left to be copied one by one: of other packs, and of those that are not what they were. */
  async carry(
    type: BlobType,
    stream: PackStream,
    entries: readonly number[],
    onCarried: (entries: readonly number[]) => void,
  ): Promise<readonly number[]> {
    const left: (readonly number[])[] = [];
    const groups: PackGroup[] = [];
    for (const group of groupByPack(entries, this.#source)) {
      if (this.#isWorthIt(group)) groups.push(group);
      else left.push(group.entries);
    }
    await mapBounded(groups, carriedAtOnce, async (group) => {
      this.#signal.throwIfAborted();
      await this.#into.ready();
      if (await this.#carryPack(type, stream, group)) onCarried(group.entries);
      else left.push(group.entries);
    });
    return left.flat();
  }

  #isWorthIt({ pack, entries }: PackGroup): boolean {
    const size = this.#sizeOf(pack);
    if (size > maxCarriedBytes) return false;
    // As if they were a pack: a pack of nothing else has its very size, however small its blobs are.
    const wanted = packBytes(entries.flatMap((entry) => this.#source.index.location(entry) ?? []));
    return wanted * 2 > size;
  }

  async #carryPack(type: BlobType, stream: PackStream, { pack, entries }: PackGroup): Promise<boolean> {
    const { key, index, packs } = this.#source;
    const bytes = await this.#provenBytes(pack);
    const blobs = bytes && ownList(new UnsealRun(key), bytes);
    if (bytes === undefined || blobs === undefined || otherThanIndexed(blobs, index, entries) !== undefined)
      return false;
    if (blobs.length === entries.length) {
      const stored = await this.#into.carry({ id: packs.id(pack), blobs }, bytes, stream);
      if (stored === "stored") {
        freeMemory(bytes);
        return true;
      }
    }
    const places = placesOf(entries, index, 0);
    const damaged = await this.#into.sealed({ type, stream, handling: "move-proven", key, bytes, ...places });
    return damaged.length === 0;
  }

  /** `undefined` where the pack is not as it was written. */
  async #provenBytes(pack: number): Promise<Buffer | undefined> {
    const { storage, packs } = this.#source;
    const name = packs.id(pack);
    try {
      const range = { offset: 0, length: this.#sizeOf(pack) };
      const bytes = transferable([await storage.load({ kind: "data", name }, range, this.#signal)]);
      // A hundredth of a second, while the threads have nothing to do; handing it over and back costs more.
      return hash("sha256", bytes, "hex") === name ? nodeBuffer(bytes) : undefined;
    } catch (error) {
      if (isHoldfastError(error, "storage-not-found") || isHoldfastError(error, "storage-failed")) return undefined;
      throw error;
    }
  }

  #sizeOf(pack: number): number {
    return this.#sizes[pack] ?? 0;
  }
}

function groupByPack(entries: readonly number[], { index }: CopySource): Iterable<PackGroup> {
  const groups = new Map<number, PackGroup>();
  for (const entry of entries) {
    const pack = index.location(entry)?.pack;
    if (pack === undefined) continue;
    const group = groups.get(pack);
    if (group === undefined) groups.set(pack, { pack, entries: [entry] });
    else group.entries.push(entry);
  }
  return groups.values();
}
