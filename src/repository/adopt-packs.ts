import { unseal, sealOverhead, type MasterKey } from "../format/crypto.ts";
import type { IndexedPack } from "../format/index-file.ts";
import { decodePackHeader, headerLengthField, likelyHeaderBytes, sealedHeaderLength } from "../format/pack.ts";
import type { Id } from "../format/tree.ts";
import { sha256 } from "../format/unpacked.ts";
import { isHoldfastError } from "../lib/errors.ts";
import type { ListedFile, Storage } from "../storage/storage.ts";
import type { PackTable } from "./pack-table.ts";

export interface AdoptOptions {
  readonly storage: Storage;
  readonly key: MasterKey;
  /** The packs that an index names. */
  readonly packs: PackTable;
  /** Packs that a prune has marked for deletion: in no index on purpose. */
  readonly marked: ReadonlySet<string>;
  /** The index files that were read. */
  readonly knownIndexes: ReadonlySet<string>;
}

/**
 * Packs that a run stored and did not live to name in an index: the next run names them instead of storing the same
 * again. Every blob in them was checked before it was stored; that they are still what was stored is seen by their
 * hash. One that a disk has damaged since, and that a repair took out of the index, does not come back this way.
 *
 * None when anybody else could still be writing, since his packs are not lost but on their way: that is when there is
 * any lock but the caller's own, or an index file that was not there before. Packs are listed before the locks, so who
 * comes later has no pack in the list.
 */
export async function adoptablePacks(options: AdoptOptions, signal: AbortSignal): Promise<readonly IndexedPack[]> {
  const { storage, knownIndexes } = options;
  const unnamed = await unnamedPacks(options, signal);
  if (unnamed.length === 0) return [];
  let locks = 0;
  for await (const _ of storage.list("lock", signal)) locks++;
  if (locks > 1) return [];
  for await (const { name } of storage.list("index", signal)) if (!knownIndexes.has(name)) return [];
  const adopted: IndexedPack[] = [];
  for (const { name, size } of unnamed) {
    const pack = await readPackHeader(options, name, size, signal);
    if (pack === undefined || !(await isAsWritten(options, name, signal))) continue;
    adopted.push(pack);
  }
  return adopted;
}

async function unnamedPacks(
  { storage, packs, marked }: Pick<AdoptOptions, "storage" | "packs" | "marked">,
  signal: AbortSignal,
): Promise<readonly ListedFile[]> {
  const unnamed: ListedFile[] = [];
  for await (const file of storage.list("data", signal)) {
    // One that would have to be thawed is left to a prune.
    const isCold = file.access === "cold";
    if (!packs.has(file.name) && !marked.has(file.name) && !isCold) unnamed.push(file);
  }
  return unnamed;
}

async function isAsWritten({ storage }: AdoptOptions, name: Id, signal: AbortSignal): Promise<boolean> {
  try {
    return sha256(await storage.load({ kind: "data", name }, undefined, signal)) === name;
  } catch (error) {
    if (isHoldfastError(error, "storage-failed")) return false;
    throw error;
  }
}

/** Packs with nothing but a few data blobs that no index names, and no prune has marked, whoever wrote them. */
export async function loosePacks(
  options: Omit<AdoptOptions, "knownIndexes">,
  mostBlobs: number,
  signal: AbortSignal,
): Promise<readonly IndexedPack[]> {
  const found: IndexedPack[] = [];
  for (const { name, size } of await unnamedPacks(options, signal)) {
    const pack = await readPackHeader(options, name, size, signal).catch((error: unknown) => {
      // Named by an index and pruned meanwhile.
      if (isHoldfastError(error, "storage-not-found")) return undefined;
      throw error;
    });
    if (pack && pack.blobs.length <= mostBlobs && pack.blobs.every(({ type }) => type === "data")) found.push(pack);
  }
  return found;
}

/**
 * What a pack says of itself; the blobs' lengths add up to its size. `undefined`: no whole pack of this repository, or the
 * storage does not give it now.
 */
export async function readPackHeader(
  { storage, key }: Pick<AdoptOptions, "storage" | "key">,
  name: Id,
  size: number,
  signal: AbortSignal,
): Promise<IndexedPack | undefined> {
  const load = (length: number): Promise<Buffer> =>
    storage.load({ kind: "data", name }, { offset: size - length, length }, signal);
  try {
    let tail = await load(Math.min(size, likelyHeaderBytes));
    const needed = sealedHeaderLength(tail, size) + headerLengthField;
    if (needed > tail.length) tail = await load(needed);
    const header = unseal(key, tail.subarray(tail.length - needed, tail.length - headerLengthField));
    const blobs = decodePackHeader(header, size - header.length - sealOverhead - headerLengthField);
    return blobs.length === 0 ? undefined : { id: name, blobs };
  } catch (error) {
    signal.throwIfAborted();
    if (isHoldfastError(error, "repository-damaged") || isHoldfastError(error, "storage-failed")) return undefined;
    throw error;
  }
}
