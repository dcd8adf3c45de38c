import type { MasterKey } from "../format/crypto.ts";
import type { BlobType, Id } from "../format/tree.ts";
import { isHoldfastError } from "../lib/errors.ts";
import type { Limits } from "../lib/limits.ts";
import { lowerPriority } from "../lib/posix.ts";
import type { Storage } from "../storage/storage.ts";
import type { BlobIndex } from "./blob-index.ts";
import { runsOfEntries, type EntryRun } from "./entry-runs.ts";
import { transferable } from "./message-bytes.ts";
import { SharedBits } from "./shared-bits.ts";
import type { TreesAnswer, TreesRequest, TreeWorkerSetup } from "./tree-worker.ts";
import { WorkerPool } from "./worker-pool.ts";

export interface UsedBlobsOptions {
  readonly storage: Storage;
  readonly key: MasterKey;
  /** Nothing may be added to it during the walk. */
  readonly index: BlobIndex;
  /** Name of the pack that the index calls by this number. */
  readonly packName: (pack: number) => Id;
  readonly limits: Limits;
  readonly signal: AbortSignal;
  /** Told now and then how many trees were read so far. */
  readonly onTrees?: (trees: number) => void;
}

export interface UsedBlobs {
  /** For each blob that is needed, its first entry in the index (what `find` gives). Other copies are not in it. */
  readonly used: SharedBits;
  readonly trees: number;
  /** What the trees need and cannot be had: the first of them. Empty: everything is there. */
  readonly problems: readonly UsedProblem[];
  readonly problemCount: number;
}

export interface UsedProblem {
  readonly code: "blob-missing" | "tree-missing" | "tree-damaged";
  readonly blob: Id;
  /** The tree that needs it; absent for the root of a snapshot. */
  readonly tree?: Id;
  readonly reason?: string;
}

/** Trees that are taken from the pile together, to be sorted by where they stand. */
const batchTrees = 4096;
const mostProblems = 100;

/**
 * All blobs that these trees and what hangs below them need, each tree read once however many snapshots share it, by
 * all worker threads at once. Memory is a bit a blob, and a number for each tree that waits.
 *
 * Every tree is checked as by a restore (seal, hash). Where it stands in several packs, the copies are tried in turn.
 */
export async function walkUsedBlobs(roots: Iterable<Id>, options: UsedBlobsOptions): Promise<UsedBlobs> {
  const walk = new Walk(options);
  try {
    return await walk.run(roots);
  } finally {
    await walk.close();
  }
}

class Walk {
  readonly #options: UsedBlobsOptions;
  readonly #used: SharedBits;
  readonly #pool: WorkerPool;
  readonly #problems: UsedProblem[] = [];
  #problemCount = 0;
  /** Entries of trees still to be read; the last first, so that it stays small. */
  readonly #pile: number[] = [];
  #trees = 0;

  constructor(options: UsedBlobsOptions) {
    const { key, index, limits } = options;
    this.#options = options;
    this.#used = new SharedBits(index.count);
    if (limits.priority === "low") lowerPriority();
    const setup: TreeWorkerSetup = { role: "trees", key, index: index.shared, used: this.#used.memory };
    // What fails in a thread fails the request that is awaited below.
    this.#pool = new WorkerPool({ size: limits.workers, setup, onFailure: () => undefined });
  }

  async run(roots: Iterable<Id>): Promise<UsedBlobs> {
    const { index, limits } = this.#options;
    for (const root of roots) {
      const entry = index.find("tree", root);
      if (entry < 0) this.#problem({ code: "tree-missing", blob: root });
      else if (this.#used.add(entry)) this.#pile.push(entry);
    }
    await this.#readAll(limits.workers + 1);
    return { used: this.#used, trees: this.#trees, problems: this.#problems, problemCount: this.#problemCount };
  }

  /** Keeps so many reads under way until there is nothing left to read, and nothing under way that may give more. */
  #readAll(atOnce: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let runs: readonly EntryRun[] = [];
    let next = 0;
    let active = 0;
    const more = (): void => {
      while (active < atOnce) {
        if (next === runs.length && this.#pile.length > 0) {
          runs = runsOfEntries(this.#pile.splice(-batchTrees), this.#options.index);
          next = 0;
        }
        const run = runs[next];
        if (run === undefined) break;
        next++;
        active++;
        this.#read(run).then(() => {
          active--;
          this.#options.onTrees?.(this.#trees);
          more();
        }, reject);
      }
      if (active === 0) resolve();
    };
    more();
    return promise;
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  /** What was kept by a cache, or came over a bad line, may be wrong though the pack is right: then it is read from there. */
  async #read({ pack, start, end, entries }: EntryRun, from: "anywhere" | "pack" = "anywhere"): Promise<void> {
    const { storage, packName, signal } = this.#options;
    signal.throwIfAborted();
    let bytes: Buffer;
    try {
      const range = { offset: start, length: end - start, ...(from === "anywhere" && { again: "likely" as const }) };
      bytes = await storage.load({ kind: "data", name: packName(pack) }, range, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!isHoldfastError(error, "storage-failed") && !isHoldfastError(error, "storage-not-found")) throw error;
      const [only] = entries;
      // One of several may be beyond the end of a pack that was cut off: each by itself.
      const alone = entries.length > 1 ? entries.map((entry) => [entry]) : [];
      for (const one of alone) for (const run of runsOfEntries(one, this.#options.index)) await this.#read(run);
      if (alone.length === 0 && only !== undefined) this.#tryCopy(only, String(error.facts["reason"] ?? error.code));
      return;
    }
    if (from === "anywhere") this.#trees += entries.length;
    const owned = transferable([bytes]);
    const request: TreesRequest = { bytes: owned, start, entries: Int32Array.from(entries) };
    const answer = await this.#pool.request<TreesAnswer>(request, [owned.buffer]);
    for (const entry of answer.found) this.#pile.push(entry);
    for (const { type, blob, tree } of answer.missing) this.#problem({ code: missingCode[type], blob, tree });
    this.#problemCount += answer.missingCount - answer.missing.length;
    for (const { entry, reason } of answer.damaged) {
      if (from === "pack") this.#tryCopy(entry, reason);
      else for (const run of runsOfEntries([entry], this.#options.index)) await this.#read(run, "pack");
    }
  }

  #tryCopy(entry: number, reason: string): void {
    const { index } = this.#options;
    const copies = index.findAll("tree", index.id(entry));
    const next = copies[copies.indexOf(entry) + 1];
    if (next === undefined) this.#problem({ code: "tree-damaged", blob: index.id(entry), reason });
    else this.#pile.push(next);
  }

  #problem(problem: UsedProblem): void {
    this.#problemCount++;
    if (this.#problems.length < mostProblems) this.#problems.push(problem);
  }
}

const missingCode: Readonly<Record<BlobType, UsedProblem["code"]>> = { data: "blob-missing", tree: "tree-missing" };
