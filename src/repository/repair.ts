/**
 * Repairs what is wrong with the files of a repository, without asking what they mean: the index from the packs' own
 * lists, and packs from what is still good in them. Needs no index to begin with.
 *
 * The plan only looks. `apply` writes new before it removes old: new packs, new index files that name them, and only
 * then do the index files and packs go that are replaced. Killed at any point it has lost nothing that was there before,
 * and the next plan goes on.
 */
import type { MasterKey } from "../format/crypto.ts";
import { indexJson, maxIndexBlobs, type IndexedPack } from "../format/index-file.ts";
import { type PackedBlob } from "../format/pack.ts";
import { snapshotJson } from "../format/snapshot-json.ts";
import type { Id } from "../format/tree.ts";
import { sealUnpacked } from "../format/unpacked.ts";
import { storedFileAt } from "../storage/layout.ts";
import { addAll } from "../lib/add-all.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { Storage } from "../storage/storage.ts";
import { readPackHeader } from "./adopt-packs.ts";
import { DefectList } from "./defects.ts";
import { blobName, examinePack, type ExaminedPack } from "./examine-pack.ts";
import { rewriteIndex } from "./index-rewrite.ts";
import { rebuildPacks } from "./parity.ts";
import { findNoKeys, planKeyRepair, removeOldKeys, writeConfig, writeKeys, type KeyRepair } from "./repair-keys.ts";
import type { ReadPacks, RepairOptions, RepairPlan, RepairSummary } from "./repair-plan.ts";
import type { Lock } from "./repository.ts";
import { salvageBlobs } from "./salvage.ts";
import { loadSnapshots } from "./snapshots.ts";
import { findStray, type Stray, type StrayKind } from "./strays.ts";
import { verifyParity } from "./verify-parity.ts";
import { packPath, verifyIndexes, type IndexState } from "./verify-index.ts";
import { BadPacks, readPacks, verifyPackFiles } from "./verify-packs.ts";

export interface RepairParts {
  readonly storage: Storage;
  readonly key: MasterKey;
  /** Why `config` cannot be used, where it cannot. */
  readonly configProblem?: string;
}

/** What is there, and what is to become of it. */
interface Survey {
  readonly keys: KeyRepair;
  readonly state: IndexState;
  /** Packs as an index is to name them. */
  readonly named: readonly IndexedPack[];
  /** Damaged or withheld. */
  readonly salvage: readonly ExaminedPack[];
  /** Numbers of packs that leave the index as it is. */
  readonly dropped: ReadonlySet<number>;
  /** Index files that cannot be read and are nothing else. */
  readonly deadIndexes: readonly Id[];
  readonly strays: readonly Stray[];
  readonly rebuilt: ReadonlySet<Id>;
  readonly removedParity: readonly Id[];
  readonly summary: RepairSummary;
  readonly read: ReadPacks;
}

export async function planRepair(parts: RepairParts, options: RepairOptions): Promise<RepairPlan> {
  const survey = await look(parts, options);
  return { summary: survey.summary, read: survey.read, apply: (lock) => apply(parts, options, survey, lock) };
}

async function look(parts: RepairParts, options: RepairOptions): Promise<Survey> {
  const { storage, key } = parts;
  const { signal, what, suspects = new Set() } = options;
  const noKeys = await findNoKeys(storage, signal);
  const defects = new DefectList();
  const state = await verifyIndexes(storage, key, defects, signal);
  const sizes = new Map<Id, number>();
  for await (const { name, size } of storage.list("data", signal)) sizes.set(name, size);
  const bad = new BadPacks(defects);
  verifyPackFiles(state, sizes, bad);
  const isRead = (id: Id): boolean => sizes.has(id) && (what === "packs" || suspects.has(id));
  if (what === "packs") await read(parts, options, state, sizes, bad);
  else if (suspects.size > 0) await read(parts, options, state, sizes, bad, suspects);
  const sound = [...state.packs.entries()].flatMap(([number, { id }]) => (bad.has(number) || !isRead(id) ? [] : [id]));

  const found = new Findings();
  const rebuilt = await findRebuilt(storage, state, bad, signal);
  const removedParity = what === "packs" ? await findDamagedParity(storage, signal) : [];
  for (const number of new Set([...bad.numbers, ...state.doubtful])) {
    const pack = state.packs[number];
    if (pack === undefined || rebuilt.has(pack.id)) continue;
    const blobs = blobsOf(state, number);
    if (!sizes.has(pack.id)) found.missing(number, pack.id, blobs);
    else if (what === "packs") found.examined(number, await examinePack(storage, key, pack.id, blobs, signal));
    else if (suspects.has(pack.id)) found.suspected(number, await examinePack(storage, key, pack.id, blobs, signal));
    else found.header(number, pack.id, await readPackHeader(parts, pack.id, sizes.get(pack.id) ?? 0, signal));
  }
  // A mark says that no snapshot needs a pack: without all index files nobody can know.
  const marked = new Set(
    state.unreadable.length > 0 ? [] : state.files.flatMap((file) => file.marked.map(({ id }) => id)),
  );
  const indexed = new Set(state.packs.map(({ id }) => id));
  const unnamed = [...sizes].filter(([id]) => !indexed.has(id) && !marked.has(id));
  const isIndexLost = state.unreadable.length > 0 || unnamed.length > fewPacks;
  for (const [id, size] of unnamed) {
    if (what === "packs") found.unnamed(id, await examinePack(storage, key, id, [], signal));
    else if (isIndexLost || !(await isWithheld(storage, id, signal)))
      found.header(undefined, id, await readPackHeader(parts, id, size, signal));
  }
  const strays: Stray[] = [];
  const deadIndexes: Id[] = [];
  const tryStray = async (kind: StrayKind, name: Id): Promise<boolean> => {
    const stray = await findStray(storage, key, kind, name, signal);
    if (stray !== undefined) strays.push(stray);
    return stray !== undefined && !isOfKeys(stray);
  };
  if (parts.configProblem === "damaged") await tryStray("config", "");
  for (const id of noKeys) await tryStray("key", id);
  for (const { name } of state.unreadable) if (!(await tryStray("index", name))) deadIndexes.push(name);
  for (const { id } of (await loadSnapshots(storage, key, signal)).unreadable) await tryStray("snapshot", id);
  for (const { id, good } of found.salvage) if (good.length === 0) await tryStray("data", id);
  const keys = await planKeyRepair(parts, noKeys, strays, signal);
  const damaged = [...rebuilt, ...found.salvage.flatMap(({ id, state: is }) => (is === "damaged" ? [id] : []))];
  return {
    keys,
    state,
    named: found.named,
    salvage: found.salvage,
    dropped: found.dropped,
    deadIndexes,
    strays,
    rebuilt,
    removedParity,
    read: { sound, damaged: damaged.filter((id) => sizes.has(id)) },
    summary: {
      ...summarise(keys, state, found, deadIndexes, strays, what),
      rebuilt: [...rebuilt].toSorted(),
      removedParity: removedParity.toSorted(),
    },
  };
}

/** Of the packs that are missing or damaged those that parity gives back: tried here, so that the plan does not promise. */
async function findRebuilt(
  storage: Storage,
  state: IndexState,
  bad: BadPacks,
  signal: AbortSignal,
): Promise<ReadonlySet<Id>> {
  const wanted = new Set([...bad.numbers].map((number) => state.packs[number]?.id ?? ""));
  const rebuilt = new Set<Id>();
  if (wanted.size > 0) await rebuildPacks(storage, wanted, signal, async (id) => void rebuilt.add(id));
  return rebuilt;
}

async function findDamagedParity(storage: Storage, signal: AbortSignal): Promise<readonly Id[]> {
  const defects = new DefectList();
  await verifyParity(storage, new Map(), new Set(), "data", defects, signal);
  return defects.all.map(({ subject }) => storedFileAt(subject).name);
}

async function read(
  { storage, key }: RepairParts,
  { limits, signal, onProgress }: RepairOptions,
  state: IndexState,
  sizes: ReadonlyMap<Id, number>,
  bad: BadPacks,
  only?: ReadonlySet<Id>,
): Promise<void> {
  const isRead = (id: Id): boolean => only?.has(id) ?? true;
  const total = state.packs.reduce((sum, { id }) => sum + (isRead(id) ? (sizes.get(id) ?? 0) : 0), 0);
  let done = 0;
  const onRead = (bytes: number): void => onProgress?.((done += bytes), total);
  await readPacks({ storage, key, state, sizes, limits, signal, onRead, ...(only && { only }) }, bad);
}

/**
 * So many packs that no index names are read: a repair that took one out of the index, since the storage does not give all
 * of it, must not be undone by the next. More are what is left of a lost index, too much to be read.
 */
const fewPacks = 64;

/** Whether the storage gives less than all of a pack now. */
async function isWithheld(storage: Storage, name: Id, signal: AbortSignal): Promise<boolean> {
  try {
    await storage.load({ kind: "data", name }, undefined, signal);
    return false;
  } catch (error) {
    signal.throwIfAborted();
    if (isHoldfastError(error, "storage-failed")) return true;
    throw error;
  }
}

/** Sorts packs as they are looked at. */
class Findings {
  readonly named: IndexedPack[] = [];
  readonly salvage: ExaminedPack[] = [];
  readonly dropped = new Set<number>();
  readonly adopted: Id[] = [];
  readonly corrected: Id[] = [];
  readonly gone: Id[] = [];
  readonly left: Id[] = [];
  readonly lost: PackedBlob[] = [];

  missing(number: number, id: Id, blobs: readonly PackedBlob[]): void {
    this.dropped.add(number);
    this.gone.push(id);
    addAll(this.lost, blobs);
  }

  /** A pack that an index names. */
  examined(number: number, pack: ExaminedPack): void {
    this.dropped.add(number);
    if (pack.state === "whole") this.#correct(pack);
    else this.#salvage(pack);
  }

  /** One that an index names and that only the repair of packs may take apart. */
  suspected(number: number, pack: ExaminedPack): void {
    if (pack.state === "whole") this.examined(number, pack);
    else this.left.push(pack.id);
  }

  /** A pack that no index names. */
  unnamed(id: Id, pack: ExaminedPack): void {
    if (pack.state === "whole") this.#adopt(id, pack.good);
    else if (pack.state === "damaged") this.#salvage(pack);
  }

  /** What a pack says of itself; `number` where an index names it too. */
  header(number: number | undefined, id: Id, pack: IndexedPack | undefined): void {
    if (pack === undefined) this.left.push(id);
    else if (number === undefined) this.#adopt(id, pack.blobs);
    else {
      this.dropped.add(number);
      this.#correct({ id, good: pack.blobs });
    }
  }

  #adopt(id: Id, blobs: readonly PackedBlob[]): void {
    this.adopted.push(id);
    this.named.push({ id, blobs });
  }

  #correct({ id, good }: Pick<ExaminedPack, "id" | "good">): void {
    this.corrected.push(id);
    this.named.push({ id, blobs: good });
  }

  #salvage(pack: ExaminedPack): void {
    this.salvage.push(pack);
    addAll(this.lost, pack.lost);
  }
}

function summarise(
  keys: KeyRepair,
  state: IndexState,
  found: Findings,
  deadIndexes: readonly Id[],
  strays: readonly Stray[],
  what: RepairOptions["what"],
): Omit<RepairSummary, "rebuilt" | "removedParity"> {
  const salvaged = (wanted: ExaminedPack["state"], packs: readonly ExaminedPack[]) =>
    packs
      .filter((pack) => pack.state === wanted)
      .map(({ id, good, lost }) => ({ id, good: good.length, lost: lost.length }))
      .toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const saved = new Set(
    [...found.named.flatMap(({ blobs }) => blobs), ...found.salvage.flatMap(({ good }) => good)].map(blobName),
  );
  const packs = strays.flatMap(({ holds }) => (holds.type === "pack" ? [holds.pack] : []));
  for (const { good } of packs) for (const blob of good) saved.add(blobName(blob));
  const lost = new Map(found.lost.map((blob) => [blobName(blob), blob]));
  const isLost = ([name, { type, id }]: [string, PackedBlob]): boolean =>
    !saved.has(name) &&
    state.index.findAll(type, id).every((entry) => found.dropped.has(state.index.location(entry)?.pack ?? -1));
  const straysLeft = strays.filter((stray) => !isTaken(stray, what)).map(({ name }) => name);
  const snapshotsAsIndexes = strays
    .filter((stray) => stray.kind === "index" && stray.holds.type === "snapshot" && isTaken(stray, what))
    .map(({ name }) => name);
  return {
    rewritten: keys.rewritten,
    removedKeys: keys.removed,
    indexes: [...deadIndexes, ...snapshotsAsIndexes].toSorted(),
    adopted: found.adopted.toSorted(),
    corrected: found.corrected.toSorted(),
    missing: found.gone.toSorted(),
    salvaged: [...salvaged("damaged", found.salvage), ...(what === "packs" ? salvaged("damaged", packs) : [])],
    withheld: salvaged("withheld", found.salvage),
    left: [...found.left, ...straysLeft].toSorted(),
    lostBlobs: [...lost].filter(isLost).length,
  };
}

async function apply(parts: RepairParts, options: RepairOptions, survey: Survey, lock: Lock): Promise<void> {
  const { storage, key } = parts;
  const { state, dropped, deadIndexes } = survey;
  const signal = AbortSignal.any([options.signal, lock.lost]);
  const strays = survey.strays.filter((stray) => isTaken(stray, options.what));
  for (const { holds } of strays) {
    if (holds.type !== "snapshot") continue;
    await saveUnpacked({ storage, key, lock, signal }, "snapshot", snapshotJson(holds.snapshot));
  }
  await writeKeys(parts, survey.keys, lock, signal);

  // A damaged file makes room for what it should be: if this ends between the two, parity still has it.
  const missed = new Set(survey.rebuilt);
  await rebuildPacks(storage, survey.rebuilt, signal, async (id, bytes) => {
    await lock.check(signal);
    await storage.remove({ kind: "data", name: id }, signal);
    await storage.save({ kind: "data", name: id }, bytes, signal);
    missed.delete(id);
  });
  // What follows counts on all of them: a blob that is in one of them is saved nowhere else.
  const [left] = missed;
  if (left !== undefined) throw new HoldfastError("plan-outdated", { reason: packPath(left) });
  const whole = new Set(survey.named.flatMap(({ blobs }) => blobs.map(blobName)));
  // Who has read no pack knows of none that it is whole.
  const isElsewhere = (blob: PackedBlob): boolean =>
    whole.has(blobName(blob)) ||
    (options.what === "packs" &&
      state.index.findAll(blob.type, blob.id).some((entry) => !dropped.has(state.index.location(entry)?.pack ?? -1)));
  const sources = [
    ...survey.salvage.map((pack) => ({ kind: "data" as const, pack })),
    ...strays.flatMap(({ kind, holds }) => (holds.type === "pack" ? [{ kind, pack: holds.pack }] : [])),
  ];
  const salvaged = await salvageBlobs({ storage, key, sources, isElsewhere, lock, signal });

  await saveIndexes({ storage, key, lock, signal }, [...survey.named, ...salvaged]);
  await rewriteIndex({
    storage,
    key,
    lock,
    signal,
    state,
    dropped,
    blobsAFile: maxIndexBlobs,
    isOldMark: () => false,
    onUnnamed: async () => undefined,
  });
  await writeConfig(parts, survey.keys, lock, signal);
  await removeOldKeys(parts, survey.keys, lock, signal);
  for (const name of deadIndexes) await storage.remove({ kind: "index", name }, signal);
  for (const name of survey.removedParity) await storage.remove({ kind: "parity", name }, signal);
  for (const { kind, name } of strays.filter((stray) => !isOfKeys(stray))) {
    if (kind !== "config") await storage.remove({ kind, name }, signal);
  }
  for (const { kind, pack } of sources) {
    if (kind !== "config" && pack.state === "damaged") await storage.remove({ kind, name: pack.id }, signal);
  }
}

/**
 * Whether this step saves what the file holds. The first makes `config` and keys anew: it needs what lies elsewhere of
 * them, and has to save what lies in their places.
 */
function isTaken(stray: Stray, what: RepairOptions["what"]): boolean {
  return what === "packs" || stray.kind === "config" || stray.kind === "key" || isOfKeys(stray);
}

/** A key or a config: as an index, a pack or a snapshot the file is no more than a damaged one. */
function isOfKeys({ holds }: Stray): boolean {
  return holds.type === "key" || holds.type === "config";
}

interface Writing {
  readonly storage: Storage;
  readonly key: MasterKey;
  readonly lock: Lock;
  readonly signal: AbortSignal;
}

async function saveIndexes(writing: Writing, packs: readonly IndexedPack[]): Promise<void> {
  let from = 0;
  while (from < packs.length) {
    let to = from;
    for (let blobs = 0; to < packs.length; to++) {
      blobs += packs[to]?.blobs.length ?? 0;
      if (blobs > maxIndexBlobs && to > from) break;
    }
    await saveUnpacked(writing, "index", indexJson(packs.slice(from, to)));
    from = to;
  }
}

async function saveUnpacked(
  { storage, key, lock, signal }: Writing,
  kind: "index" | "snapshot",
  json: string | Buffer,
): Promise<void> {
  const { name, bytes } = sealUnpacked(key, json);
  await lock.check(signal);
  await storage.save({ kind, name }, bytes, signal);
}

function blobsOf({ index, packs }: IndexState, number: number): readonly PackedBlob[] {
  const { first = 0, blobs = 0 } = packs[number] ?? {};
  return Array.from({ length: blobs }, (_, position) => {
    const entry = first + position;
    const { offset = 0, length = 0, uncompressedLength = 0 } = index.location(entry) ?? {};
    return { type: index.type(entry), id: index.id(entry), offset, length, uncompressedLength };
  });
}
