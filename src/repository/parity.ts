/**
 * Parity: beside groups of packs lie further files, so that any so many packs of a group may be lost or damaged and are
 * made anew (`rebuildPacks`). They lie in a folder that restic leaves alone, and hold nothing secret: sums of what is
 * encrypted already.
 *
 * A group is true when all its packs are there and all its parity files. Whoever takes packs away makes new groups of
 * those that stay first (`regroup`): new comes before old, so that at every moment what was safe is safe.
 */
import type { Id } from "../format/tree.ts";
import { sha256 } from "../format/unpacked.ts";
import { isHoldfastError } from "../lib/errors.ts";
import type { ParityShape } from "../lib/keeping.ts";
import { addProduct, coefficient, recoveryFactors } from "../lib/reed-solomon.ts";
import type { Storage } from "../storage/storage.ts";
import { loadGroups, loadPiece, parityFile, pieceBytes, type ParityGroup } from "./parity-file.ts";

export interface ParityOptions {
  readonly signal: AbortSignal;
  /** Bytes of packs that were read so far. */
  readonly onBytes?: (bytes: number) => void;
}

export interface ParityReport {
  /** Groups that are true, and packs in them. */
  readonly groups: number;
  readonly packs: number;
  /** Packs in no true group: cold ones, which cannot be read, and damaged ones. */
  readonly uncovered: number;
  /** Parity files that were written now, and their bytes. */
  readonly writtenFiles: number;
  readonly writtenBytes: number;
}

interface Pack {
  readonly id: Id;
  readonly size: number;
}

/**
 * Makes groups of all packs that are in none, as large as `shape` says; small groups are joined with what is new. Reads
 * each new pack once. `needed`: the packs that an index names and that are there; `lost`: those that are not there.
 */
export async function updateParity(
  storage: Storage,
  needed: readonly (Pack & { readonly access?: "cold" })[],
  lost: ReadonlySet<Id>,
  shape: ParityShape,
  options: ParityOptions,
): Promise<ParityReport> {
  const { groups } = await loadGroups(storage, options.signal);
  const there = new Set(needed.map(({ id }) => id));
  const isTrue = ({ data, parity, files }: ParityGroup): boolean =>
    parity === shape.parity && files.size === parity && data.every(({ id }) => there.has(id));
  const kept = groups.filter(isTrue);
  const covered = new Set(kept.flatMap(({ data }) => data.map(({ id }) => id)));
  const fresh = needed.filter(({ id, access }) => !covered.has(id) && access === undefined);
  const small = fresh.length === 0 ? [] : kept.filter(({ data }) => data.length < shape.data);
  const safe = new Set(kept.filter((one) => !small.includes(one)).flatMap(({ data }) => data.map(({ id }) => id)));
  // Each once, though cut-off runs may have put it into several groups.
  const pool = new Map([...small.flatMap(({ data }) => data), ...fresh].map((pack) => [pack.id, pack]));
  for (const id of safe) pool.delete(id);
  const written = await writeGroups(storage, [...pool.values()], shape, options);
  const old = [...groups.filter((group) => !isTrue(group)), ...small];
  // Where a pack is lost, or turned out damaged, its old group may still save it.
  const isOfNoUse = (id: Id): boolean => !there.has(id) && !lost.has(id);
  const isDone = ({ data }: ParityGroup): boolean =>
    data.every(({ id }) => isOfNoUse(id) || written.packs.has(id) || safe.has(id));
  await removeGroups(storage, old.filter(isDone), written.names, options.signal);
  const left = kept.length - small.length;
  const packs = safe.size + written.packs.size;
  return {
    groups: left + written.groups,
    packs,
    uncovered: needed.length - packs,
    writtenFiles: written.names.size,
    writtenBytes: written.bytes,
  };
}

/** Before these packs are taken away: what shares a group with them gets new ones. */
export async function regroup(storage: Storage, going: ReadonlySet<Id>, options: ParityOptions): Promise<void> {
  const { groups } = await loadGroups(storage, options.signal);
  const broken = groups.filter(({ data }) => data.some(({ id }) => going.has(id)));
  if (broken.length === 0) return;
  // One that was cut off while it was written keeps nothing safe yet.
  const whole = groups.filter((one) => !broken.includes(one) && one.files.size === one.parity);
  const safe = new Set(whole.flatMap(({ data }) => data.map(({ id }) => id)));
  const staying = new Map<Id, Pack>();
  for (const { data } of broken)
    for (const pack of data) if (!going.has(pack.id) && !safe.has(pack.id)) staying.set(pack.id, pack);
  const shape = {
    data: Math.max(...broken.map(({ data }) => data.length)),
    // As many as there are, whatever one of them says.
    parity: Math.max(...broken.map(({ files }) => files.size)),
  };
  const { names, packs } = await writeGroups(storage, [...staying.values()], shape, options);
  const isDone = ({ data }: ParityGroup): boolean => data.every(({ id }) => !staying.has(id) || packs.has(id));
  await removeGroups(storage, broken.filter(isDone), names, options.signal);
}

async function writeGroups(storage: Storage, packs: readonly Pack[], shape: ParityShape, options: ParityOptions) {
  const sum = { groups: 0, packs: new Set<Id>(), names: new Set<Id>(), bytes: 0 };
  // Of like sizes, since each parity file is as long as the longest.
  const ordered = packs.toSorted((a, b) => b.size - a.size || (a.id < b.id ? -1 : 1));
  for (let from = 0; from < ordered.length; from += shape.data) {
    const data: Pack[] = [];
    const wanted = ordered.slice(from, from + shape.data);
    let pieces = Array.from({ length: shape.parity }, () => new Uint8Array(0));
    for (const pack of wanted) {
      const bytes = await loadPack(storage, pack.id, options.signal);
      // Sums over what is damaged would keep the damage safe.
      if (bytes === undefined) continue;
      // The first, where sizes are as they were said to be.
      if (bytes.length > (pieces[0]?.length ?? 0)) pieces = pieces.map((piece) => lengthened(piece, bytes.length));
      for (const [row, piece] of pieces.entries()) addProduct(piece, bytes, coefficient(row, data.length));
      data.push({ id: pack.id, size: bytes.length });
      options.onBytes?.(bytes.length);
    }
    if (data.length === 0) continue;
    for (const [number, piece] of pieces.entries()) {
      const header = { format: 1, data, parity: shape.parity, number } as const;
      const { name, bytes } = parityFile(header, piece.subarray(0, pieceBytes(header)));
      await storage.save({ kind: "parity", name }, bytes, options.signal);
      sum.names.add(name);
      sum.bytes += bytes.length;
    }
    sum.groups++;
    for (const { id } of data) sum.packs.add(id);
  }
  return sum;
}

/** To an even length, since sums are made of two bytes at a time. */
function lengthened(piece: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const longer = new Uint8Array(length + (length % 2));
  longer.set(piece);
  return longer;
}

/** `but`: what was just written; a group of the same packs has files of the same names. */
async function removeGroups(
  storage: Storage,
  groups: readonly ParityGroup[],
  but: ReadonlySet<Id>,
  signal: AbortSignal,
): Promise<void> {
  const names = new Set(groups.flatMap(({ files }) => [...files.values()]).filter((name) => !but.has(name)));
  for (const name of names) await storage.remove({ kind: "parity", name }, signal);
}

/** `undefined`: it is not there, not whole, or cannot be had now. */
async function loadPack(storage: Storage, id: Id, signal: AbortSignal): Promise<Buffer | undefined> {
  try {
    const bytes = await storage.load({ kind: "data", name: id }, undefined, signal);
    return sha256(bytes) === id ? bytes : undefined;
  } catch (error) {
    signal.throwIfAborted();
    const passing = ["storage-failed", "storage-not-found", "storage-cold"] as const;
    if (passing.some((code) => isHoldfastError(error, code))) return undefined;
    throw error;
  }
}

/**
 * Makes packs anew, each compared with its name before it is handed to `take`. What cannot be made anew is simply not handed
 * over. One group is in memory at a time: its lost packs, and one more.
 */
export async function rebuildPacks(
  storage: Storage,
  wanted: ReadonlySet<Id>,
  signal: AbortSignal,
  take: (id: Id, bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  const done = new Set<Id>();
  for (const group of (await loadGroups(storage, signal)).groups) {
    if (!group.data.some(({ id }) => wanted.has(id) && !done.has(id))) continue;
    for (const [id, bytes] of await rebuildGroup(storage, group, wanted, signal)) {
      if (done.has(id)) continue;
      await take(id, bytes);
      done.add(id);
    }
  }
}

async function rebuildGroup(
  storage: Storage,
  { data, files }: ParityGroup,
  wanted: ReadonlySet<Id>,
  signal: AbortSignal,
): Promise<ReadonlyMap<Id, Uint8Array>> {
  const length = pieceBytes({ data });
  const sums = new Map<number, Uint8Array>();
  for (const [row, name] of files) {
    const piece = await loadPiece(storage, name, signal);
    if (piece?.length !== length) continue;
    sums.set(row, lengthened(piece, length));
  }
  const lost: number[] = [];
  for (const [column, { id, size }] of data.entries()) {
    const bytes = wanted.has(id) ? undefined : await loadPack(storage, id, signal);
    // Of another size than the group says: no sum of it can be right.
    if (bytes?.length !== size) lost.push(column);
    else for (const [row, sum] of sums) addProduct(sum, bytes, coefficient(row, column));
  }
  const rows = [...sums.keys()].slice(0, lost.length);
  const made = new Map<Id, Uint8Array>();
  if (rows.length < lost.length) return made;
  for (const [at, factors] of recoveryFactors(lost, rows).entries()) {
    const { id, size } = data[lost[at] ?? 0] ?? { id: "", size: 0 };
    if (!wanted.has(id)) continue;
    const bytes = new Uint8Array(length + (length % 2));
    for (const [place, row] of rows.entries()) addProduct(bytes, sums.get(row) ?? bytes, factors[place] ?? 0);
    const pack = bytes.subarray(0, size);
    if (sha256(Buffer.from(pack.buffer, 0, size)) === id) made.set(id, pack);
  }
  return made;
}
