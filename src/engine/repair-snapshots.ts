import type { Manifest } from "../contents/manifest.ts";
import { FolderMender, loadLeft } from "../contents/mend/mend-folder.ts";
import { type MendedSnapshot, mendedTag, SnapshotMender } from "../contents/mend/mend-snapshot.ts";
import { type MendSink, planningSink } from "../contents/mend/mend-sink.ts";
import type { Snapshot } from "../format/snapshot.ts";
import type { Id } from "../format/tree.ts";
import { HoldfastError } from "../lib/errors.ts";
import { nameText } from "../lib/byte-name.ts";
import type { Warning } from "../lib/events.ts";
import type { Limits } from "../lib/limits.ts";
import { isDamage } from "../repository/damage.ts";
import type { BlobReader, IndexedRepository, Lock, Repository, StoredSnapshot } from "../repository/repository.ts";
import type { Engine } from "./engine.ts";
import { crmOf, isBackup, kindOf, outcomeOf, snapshotTags } from "./points.ts";

export interface SnapshotRepairOptions {
  readonly lost: "leave" | "bring back";
  readonly limits: Limits;
  readonly signal: AbortSignal;
  readonly now: () => Date;
}

export interface SnapshotRepairSummary {
  /** Replaced by what is left of them. */
  readonly mended: readonly MendedRow[];
  /** Nothing is left of them, or their file cannot be read: removed. */
  readonly removed: readonly { readonly id: Id; readonly time?: string; readonly crm?: string }[];
  /** Written anew from a tree that no snapshot names. */
  readonly found: readonly {
    readonly tree: Id;
    readonly time: string;
    readonly crm: string;
    readonly losses: readonly Warning[];
  }[];
}

export interface MendedRow {
  readonly id: Id;
  readonly time: string;
  readonly crm: string;
  readonly losses: readonly Warning[];
}

export interface SnapshotRepairPlan {
  readonly summary: SnapshotRepairSummary;
  readonly needed: boolean;
  apply(lock: Lock): Promise<void>;
}

/** A snapshot to be written, from a tree of which something may be lost. */
interface Work {
  readonly root: Id;
  readonly crm: string | undefined;
  readonly likeness: Manifest | undefined;
  readonly snapshot: Snapshot;
  /** Removed when the new one is there and proved. */
  readonly replaces?: Id;
  /** `file`: its own file cannot be read, so that it must be written anew whatever is left of it. */
  readonly because: "losses" | "file";
}

/**
 * What is left of snapshots that are whole no longer. New ones are written and walked through before any old one goes;
 * each says in its manifest what it lacks, ends with warnings, so that `latest` passes it over, and names the original.
 */
export async function planSnapshotRepair(
  engine: Engine,
  repository: Repository,
  options: SnapshotRepairOptions,
): Promise<SnapshotRepairPlan> {
  const { signal } = options;
  const snapshots = await repository.snapshots(signal);
  const indexed = await repository.index(signal);
  const lost = await indexed.lostSnapshots(signal);
  const mender = menderOf(engine, indexed, planningSink(indexed), signal);
  const likenesses = await likenessesOf(mender, snapshots);

  const works: { readonly work: Work; readonly planned: MendedSnapshot }[] = [];
  const removed: { id: Id; time?: string; crm?: string }[] = [];
  for (const stored of snapshots) {
    const work = workOf(stored, likenesses);
    const planned = await mender.mend(work.root, work.crm, work.likeness);
    if (planned.tree === undefined) removed.push({ id: stored.id, time: stored.snapshot.time, crm: crmOf(stored) });
    else if (planned.tree !== work.root) works.push({ work, planned });
  }
  for (const { id, snapshot } of lost.unreadable) {
    if (snapshot === undefined) removed.push({ id });
    else {
      const work = { ...workOf({ id, snapshot }, likenesses), because: "file" as const };
      works.push({ work, planned: await mender.mend(work.root, work.crm, work.likeness) });
    }
  }
  const isSearched = options.lost === "bring back" || lost.unreadable.some(({ snapshot }) => snapshot === undefined);
  for (const root of isSearched ? lost.roots : []) {
    const work = await foundWork(indexed, mender, root, snapshots, signal);
    if (work !== undefined) works.push({ work, planned: await mender.mend(root, work.crm, undefined) });
  }
  const summary = summarise(works, removed);
  return {
    summary,
    needed: works.length + removed.length > 0,
    apply: (lock) =>
      apply(
        { engine, repository, indexed, snapshots, options, lock },
        works.map(({ work }) => work),
        removed.map(({ id }) => id),
      ),
  };
}

function menderOf(engine: Engine, indexed: BlobReader, sink: MendSink, signal: AbortSignal): SnapshotMender {
  return new SnapshotMender({ reader: orPacksFirst(indexed), sink, signal, databases: engine.databases });
}

/**
 * Nothing is given up for what the index still names and cannot be had: the storage may give it another day, or parity make
 * it anew. What is beyond that, the repair of packs takes out of the index.
 */
function orPacksFirst(indexed: BlobReader): BlobReader {
  const load: BlobReader["load"] = async (type, id, signal) => {
    try {
      return await indexed.load(type, id, signal);
    } catch (error) {
      signal.throwIfAborted();
      const isNamed = indexed.has(type, id);
      throw isNamed && isDamage(error) ? new HoldfastError("repair-first", { what: "packs" }, error) : error;
    }
  };
  return {
    has: (type, id) => indexed.has(type, id),
    size: (type, id) => indexed.size(type, id),
    load,
    async loadTree(id, signal) {
      try {
        return await indexed.loadTree(id, signal);
      } catch (error) {
        signal.throwIfAborted();
        // What can be had and makes no sense is lost.
        await load("tree", id, signal);
        throw error;
      }
    },
    openTree: (id, signal) => indexed.openTree(id, signal),
  };
}

function workOf(stored: StoredSnapshot, likenesses: ReadonlyMap<string, Manifest>): Work {
  const { id, snapshot } = stored;
  const crm = isBackup(stored) ? crmOf(stored) : undefined;
  const like = crm === undefined ? undefined : likenesses.get(crm);
  const likeness = like && adapted(like, stored);
  return { root: snapshot.tree, crm, likeness, snapshot, replaces: id, because: "losses" };
}

/** What another backup says of itself, as this one may have said it. */
function adapted(like: Manifest, stored: StoredSnapshot): Manifest {
  const { parent: _parent, lastFull: _lastFull, ...rest } = like;
  const { time, summary } = stored.snapshot;
  return {
    ...rest,
    kind: kindOf(stored) ?? like.kind,
    outcome: outcomeOf(stored) ?? like.outcome,
    startedAt: time,
    finishedAt: summary?.backupEnd ?? time,
    warnings: [],
  };
}

/** For each CRM what its newest backup says of itself that still says something. */
async function likenessesOf(
  mender: SnapshotMender,
  snapshots: readonly StoredSnapshot[],
): Promise<ReadonlyMap<string, Manifest>> {
  const found = new Map<string, Manifest>();
  for (const stored of snapshots.toReversed()) {
    const crm = crmOf(stored);
    if (!isBackup(stored) || found.has(crm)) continue;
    const manifest = await mender.manifest(stored.snapshot.tree, crm);
    if (manifest !== undefined) found.set(crm, manifest);
  }
  return found;
}

/** The snapshot that a tree belonged to, if it is one of a backup of ours. */
async function foundWork(
  indexed: IndexedRepository,
  mender: SnapshotMender,
  root: Id,
  snapshots: readonly StoredSnapshot[],
  signal: AbortSignal,
): Promise<Work | undefined> {
  const [node, ...others] = (await loadLeft(indexed, root, signal))?.nodes ?? [];
  if (node?.subtree === undefined || others.length > 0) return undefined;
  const crm = nameText(node.name);
  const manifest = await mender.manifest(root, crm);
  if (manifest === undefined) return undefined;
  // Of one that was replaced, by a repair or a change of its tags: the other one stands for it.
  const { startedAt } = manifest;
  if (snapshots.some((stored) => crmOf(stored) === crm && stored.snapshot.time === startedAt)) return undefined;
  const sibling = snapshots.find((stored) => crmOf(stored) === crm)?.snapshot;
  const { hostname, username, uid, gid } = sibling ?? {};
  const snapshot: Snapshot = {
    time: startedAt,
    tree: root,
    paths: [`/${crm}`],
    ...(hostname !== undefined && { hostname }),
    ...(username !== undefined && { username }),
    ...(uid !== undefined && { uid }),
    ...(gid !== undefined && { gid }),
    tags: snapshotTags(manifest.kind, manifest.outcome),
    programVersion: manifest.program,
  };
  return { root, crm, likeness: undefined, snapshot, because: "file" };
}

function summarise(
  works: readonly { readonly work: Work; readonly planned: MendedSnapshot }[],
  removed: SnapshotRepairSummary["removed"],
): SnapshotRepairSummary {
  const rows = works.map(({ work, planned: { losses } }) => {
    const { replaces, crm = "", snapshot, root } = work;
    return { replaces, tree: root, time: snapshot.time, crm, losses };
  });
  return {
    mended: rows.flatMap(({ replaces, time, crm, losses }) =>
      replaces === undefined ? [] : [{ id: replaces, time, crm, losses }],
    ),
    removed,
    found: rows.flatMap(({ replaces, tree, time, crm, losses }) =>
      replaces === undefined ? [{ tree, time, crm, losses }] : [],
    ),
  };
}

interface Applying {
  readonly engine: Engine;
  readonly repository: Repository;
  readonly indexed: IndexedRepository;
  readonly snapshots: readonly StoredSnapshot[];
  readonly options: SnapshotRepairOptions;
  readonly lock: Lock;
}

async function apply(at: Applying, works: readonly Work[], removed: readonly Id[]): Promise<void> {
  const { repository, indexed, options, lock } = at;
  const signal = AbortSignal.any([options.signal, lock.lost]);
  const written: { readonly work: Work; readonly stored: StoredSnapshot }[] = [];
  for (const work of works) {
    const stored = await write(at, work, signal);
    if (stored !== undefined) written.push({ work, stored });
  }
  await prove(
    repository,
    written.map(({ stored }) => stored),
    options.limits,
    signal,
  );
  // What was made anew may be just what an original lacked: then that one is whole again, and stays.
  const folders = new FolderMender({ reader: orPacksFirst(indexed), sink: planningSink(indexed), signal });
  const gone: Id[] = [...removed];
  for (const { work, stored } of written) {
    if (work.because === "losses" && (await folders.isWhole(work.root))) gone.push(stored.id);
    else if (work.replaces !== undefined) gone.push(work.replaces);
  }
  await repository.removeSnapshots(gone, { signal, lock });
}

/** Mends one, as an upload of its own; `undefined` when it has become whole meanwhile. */
async function write(at: Applying, work: Work, signal: AbortSignal): Promise<StoredSnapshot | undefined> {
  const { engine, indexed, snapshots, options, lock } = at;
  await using upload = await indexed.upload({ signal, lock, limits: options.limits });
  const mender = menderOf(engine, indexed, upload, signal);
  const mended = await mender.mend(work.root, work.crm, work.likeness);
  if (mended.tree === undefined) throw new HoldfastError("internal", { reason: "nothing to mend" });
  if (mended.tree === work.root && work.because === "losses") return undefined;
  const original = work.snapshot.original ?? work.replaces;
  // Where nothing says any more what it was, what is left is files: as a backup it would be a damaged one.
  const isBackupStill = mended.manifest !== undefined;
  const kept = (work.snapshot.tags ?? []).filter((tag) => isBackupStill || tag !== "holdfast");
  const snapshot: Snapshot = {
    ...work.snapshot,
    tree: mended.tree,
    ...(mended.losses.length > 0 && { tags: tagsOf(kept) }),
    ...(original !== undefined && { original }),
  };
  // A repair that was cut off may have written it already.
  const there = snapshots.find(
    (other) =>
      other.id !== work.replaces &&
      other.snapshot.tree === snapshot.tree &&
      other.snapshot.original === original &&
      other.snapshot.time === snapshot.time,
  );
  return there ?? (await upload.finish(snapshot));
}

function tagsOf(tags: readonly string[]): readonly string[] {
  return [...tags.filter((tag) => tag !== mendedTag).map((tag) => (tag === "ok" ? "warning" : tag)), mendedTag];
}

/** What was written is walked through as by `verify` before anything goes that it replaces. */
async function prove(
  repository: Repository,
  written: readonly StoredSnapshot[],
  limits: Limits,
  signal: AbortSignal,
): Promise<void> {
  const ids = written.map(({ id }) => id);
  const { defects } = await repository.verify({ signal, limits, depth: "structure", snapshots: ids });
  const mine = defects.find(({ snapshots }) => snapshots.some((id) => ids.includes(id)));
  if (mine !== undefined) throw new HoldfastError("verify-failed", { reason: `${mine.code} ${mine.subject}` });
}
