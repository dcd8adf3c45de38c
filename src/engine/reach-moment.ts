import type { Journal } from "../contents/journal/open-journal.ts";
import { filesAtMoment } from "../contents/journal/files-at-moment.ts";
import { type FilesSpan, type JournalDatabase, outsideBehind } from "../contents/journal/journal-file.ts";
import { crmTreeWith, databaseAtMoment } from "../contents/journal/moment-tree.ts";
import { OverlayBlobs } from "../contents/journal/overlay-blobs.ts";
import { type Reach, reachFrom, type ReachLimit } from "../contents/journal/reach.ts";
import { type Replayed, type ReplayedTransaction, replay } from "../contents/journal/replay.ts";
import { segmentsBehind } from "../contents/journal/span-segments.ts";
import { layout } from "../contents/layout.ts";
import type { DatabaseManifest } from "../contents/manifest.ts";
import { type OpenedSnapshot, openSnapshot, subtreeAt } from "../contents/open-snapshot.ts";
import { type OutsideTable, type SnapshotPoint, tableName } from "../database/change-feed.ts";
import type { DatabaseEngine } from "../database/database.ts";
import { compareTimes } from "../format/time.ts";
import type { Id } from "../format/tree.ts";
import { addAll } from "../lib/add-all.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Warning } from "../lib/events.ts";
import type { Run } from "../lib/run.ts";
import type { BlobReader, IndexedRepository, StoredSnapshot } from "../repository/repository.ts";
import { databaseEngineFor, type Engine } from "./engine.ts";
import { openJournalHere } from "./journal-reached.ts";
import { type ErasureReader, PointErasures, readErasures } from "./erasures.ts";
import { backupsOf, chooseCrm, choosePoint, outcomeOf } from "./points.ts";
import type { PointName } from "./snapshots.ts";

export interface ReachSource {
  readonly engine: Engine;
  readonly reader: IndexedRepository;
  readonly snapshots: readonly StoredSnapshot[];
  readonly run: Run;
  /** Given where many points are opened. */
  readonly erasures?: ErasureReader;
}

/** A stored moment, opened: a backup, or a backup with what the journal says happened after it. */
export interface ReachedPoint {
  /** Reads what `snapshot` names; some of it may exist only here. */
  readonly reader: BlobReader;
  readonly snapshot: OpenedSnapshot;
  readonly passedOver: readonly StoredSnapshot[];
  /** Absent: it is the backup itself. */
  readonly moment?: ReachedMoment;
  /** What is to be held back of its rows; the files are left out already. */
  readonly erased: PointErasures;
}

export interface ReachedMoment {
  /** RFC 3339 */
  readonly time: string;
  /** The backup that it lies on. */
  readonly base: Id;
  readonly transactions: number;
  /** The last one that is in it. */
  readonly last?: ReplayedTransaction;
  /** What is as the backup has it, or may be. */
  readonly warnings: readonly Warning[];
}

type Moment = Extract<PointName, { readonly kind: "moment" }>;

/**
 * From the name of a stored moment to what there was. A moment for which there is a journal is that moment, to the commit, or is
 * refused; where nobody followed the database it means the newest backup before it.
 */
export async function reachPoint(
  source: ReachSource,
  crm: string | undefined,
  point: PointName,
): Promise<ReachedPoint> {
  return await heldBack(source, await reachWhole(source, crm, point));
}

/** The point as it is given back: without what was erased. */
export async function heldBack(
  { reader: indexed, snapshots, run, erasures = readErasures }: ReachSource,
  whole: WholePoint,
): Promise<ReachedPoint> {
  const { snapshot } = whole;
  const ledger = await erasures(indexed, snapshots, snapshot.manifest.crm.name, run.signal);
  const erased = new PointErasures(ledger, snapshot.stored.snapshot.time);
  const { reader, tree } = await erased.withoutFiles(whole.reader, snapshot.tree, run.signal);
  return { ...whole, reader, snapshot: { ...snapshot, tree }, erased };
}

type WholePoint = Omit<ReachedPoint, "erased">;

async function reachWhole(source: ReachSource, crm: string | undefined, point: PointName): Promise<WholePoint> {
  const { reader, snapshots, run } = source;
  const { chosen, passedOver } = choosePoint(snapshots, crm, point.kind === "moment" ? untilOf(point) : point);
  const asBackup = async (): Promise<WholePoint> => ({
    reader,
    snapshot: await openSnapshot(reader, chosen, run.signal),
    passedOver,
  });
  if (point.kind !== "moment") return asBackup();
  const name = chooseCrm(snapshots, crm);
  const journal = await openJournalHere(source.engine, reader, snapshots, name, run.signal);
  const since = journal?.databases.flatMap(({ spans }) => spans[0]?.from.time ?? []).toSorted(compareTimes)[0];
  const isBackup = point.transaction === undefined && Date.parse(chosen.snapshot.time) === point.time.getTime();
  if (!journal || since === undefined || isBackup || compareTimes(timeOf(untilOf(point)), since) < 0) {
    if (point.transaction !== undefined) throw new HoldfastError("moment-transaction", { text: point.transaction });
    return asBackup();
  }
  return new MomentSearch(source, name, journal, point).open();
}

function timeOf({ time }: Moment): string {
  return time.toISOString();
}

/** The last moment whose transactions may count: with a transaction, the whole second that was named, since some logs have no less. */
function untilOf(point: Moment): Moment {
  return point.transaction === undefined ? point : { ...point, time: new Date(point.time.getTime() + 999) };
}

/**
 * How a search for a moment from one backup ended; `held`: that backup has the transaction that was named already; `short`: there are
 * others than that behind where the journal leads; `behind`: it is there itself.
 */
interface FoundMoment {
  readonly state: "replayed" | "passed" | "held" | "short" | "behind";
  readonly outside: readonly OutsideTable[];
  readonly replayed: Replayed;
}

interface ReplayedDatabase extends FollowedDatabase {
  readonly outside: readonly OutsideTable[];
  readonly replayed: Replayed;
}

interface FollowedDatabase {
  readonly manifest: DatabaseManifest;
  readonly engine: DatabaseEngine;
  readonly followed: JournalDatabase;
  readonly from: SnapshotPoint;
}

class MomentSearch {
  readonly #source: ReachSource;
  readonly #crm: string;
  readonly #journal: Journal;
  readonly #point: Moment;
  readonly #until: string;

  constructor(source: ReachSource, crm: string, journal: Journal, point: Moment) {
    this.#source = source;
    this.#crm = crm;
    this.#journal = journal;
    this.#point = point;
    this.#until = timeOf(untilOf(point));
  }

  async open(): Promise<WholePoint> {
    const { reader, snapshots, run } = this.#source;
    const backups = backupsOf(snapshots, this.#crm);
    const before = backups.filter(({ snapshot }) => Date.parse(snapshot.time) <= Date.parse(this.#until)).toReversed();
    const newest = before[0];
    const best = before.find((stored) => outcomeOf(stored) === "ok");
    let limit: { readonly time: string; readonly why?: ReachLimit } | undefined;
    for (const stored of [...before].filter((one) => one === best || one === newest || this.#isNear(one, newest))) {
      const snapshot = await openSnapshot(reader, stored, run.signal);
      const databases = this.#followed(snapshot);
      if (!databases) continue;
      // Begun before the moment, and taken after it.
      if (databases.some(({ from }) => compareTimes(from.time, this.#until) > 0)) continue;
      const reaches = databases.map(({ followed, from }) => reachFrom(followed, from));
      if (databases.length > 0 && reaches.every((reach) => this.#isEnough(reach))) {
        const replayed = await this.#replayAll(databases);
        if (!replayed) continue;
        return await this.#build(snapshot, replayed);
      }
      for (const reach of reaches) {
        // As it can be given: moments are whole milliseconds.
        const time = reach.state === "until" ? new Date(reach.until).toISOString() : stored.snapshot.time;
        if (limit === undefined || compareTimes(time, limit.time) > 0) {
          limit = { time, ...(reach.why && { why: reach.why }) };
        }
      }
    }
    const after = backups.find(({ snapshot }) => Date.parse(snapshot.time) > this.#point.time.getTime())?.snapshot.time;
    throw new HoldfastError("moment-unreachable", {
      time: timeOf(this.#point),
      before: limit?.time ?? newest?.snapshot.time,
      after,
      // Where nothing happens, that is known a minute later, and elsewhere within the hour.
      reached: limit && !limit.why ? limit.time : undefined,
      problem: limit?.why?.reason,
      tables: limit?.why?.tables.map(({ name }) => name).join(", ") || undefined,
    });
  }

  /** A few minutes before the newest one: some may have begun before the moment only. */
  #isNear(stored: StoredSnapshot, newest: StoredSnapshot | undefined): boolean {
    return newest !== undefined && Date.parse(newest.snapshot.time) - Date.parse(stored.snapshot.time) < 3_600_000;
  }

  /** A named transaction is there or is not: whatever it was given by is rounded up to a millisecond, and the log may end with it. */
  #isEnough(reach: Reach): boolean {
    if (reach.state !== "until") return false;
    const { time, transaction } = this.#point;
    if (transaction === undefined) return compareTimes(time.toISOString(), reach.until) <= 0;
    return compareTimes(new Date(time.getTime() - 1).toISOString(), reach.until) < 0;
  }

  /** `undefined`: where in the log of one that is followed the backup was made is not known, so nothing leads on from it. */
  #followed(snapshot: OpenedSnapshot): readonly FollowedDatabase[] | undefined {
    const found: FollowedDatabase[] = [];
    for (const manifest of snapshot.manifest.databases) {
      const followed = this.#journal.databases.find(({ name }) => name === manifest.name);
      if (!followed) continue;
      const engine = databaseEngineFor(this.#source.engine, manifest.location);
      const from = engine.log?.pointOf(manifest.position);
      if (!from) return undefined;
      found.push({ manifest, engine, followed, from });
    }
    return found;
  }

  async #build(base: OpenedSnapshot, databases: readonly ReplayedDatabase[]): Promise<WholePoint> {
    const { reader, run } = this.#source;
    const { signal } = run;
    const blobs = new OverlayBlobs(reader);
    const time = timeOf(this.#point);
    const warnings: Warning[] = [];
    const trees = new Map<string, Id>();
    const manifests = new Map<string, DatabaseManifest>();
    let transactions = 0;
    let last: ReplayedTransaction | undefined;
    for (const { manifest, engine, outside, replayed } of databases) {
      this.#refuseAltered(manifest, replayed);
      const tree = await subtreeAt(reader, base.tree, [layout.databases, manifest.name], signal);
      if (tree === undefined) throw new HoldfastError("repository-damaged", { subject: manifest.name });
      const cutKey = reader.repository.secret("rows");
      const built = await databaseAtMoment({ blobs, engine, manifest, tree, replayed, cutKey, time, signal });
      trees.set(manifest.name, built.tree);
      manifests.set(manifest.name, built.manifest);
      transactions += replayed.transactions;
      if (replayed.last && (last === undefined || compareTimes(last.time, replayed.last.time) < 0))
        last = replayed.last;
      for (const { name, reason } of outside) {
        if (manifest.tables.some((one) => one.name === name)) {
          warnings.push({ code: "outside-journal", subject: name, detail: reason });
        }
      }
    }
    for (const { name } of base.manifest.databases) {
      if (trees.has(name)) continue;
      warnings.push({ code: "database-unfollowed", subject: name, detail: base.stored.snapshot.time });
    }
    const files = await this.#files(blobs, base);
    addAll(warnings, files.warnings);
    const tree = await crmTreeWith(blobs, base.tree, { databases: trees, files: files.tree }, time, signal);
    const snapshot: OpenedSnapshot = {
      stored: { id: base.stored.id, snapshot: { ...base.stored.snapshot, time } },
      manifest: {
        ...base.manifest,
        databases: base.manifest.databases.map((one) => manifests.get(one.name) ?? one),
        folders: files.folders,
      },
      tree,
    };
    const moment = { time, base: base.stored.id, transactions, ...(last && { last }), warnings };
    return { reader: blobs, snapshot, passedOver: [], moment };
  }

  /** The files as they were; they are as the backup has them where nobody looked at them since. */
  async #files(
    blobs: OverlayBlobs,
    { stored, tree, manifest }: OpenedSnapshot,
  ): Promise<{
    readonly tree?: Id;
    readonly folders: OpenedSnapshot["manifest"]["folders"];
    readonly warnings: readonly Warning[];
  }> {
    const { folders } = manifest;
    const { signal } = this.#source.run;
    const files = await subtreeAt(blobs, tree, [layout.files], signal);
    if (files === undefined || folders.length === 0) return { folders, warnings: [] };
    const since = stored.snapshot.time;
    const looks = this.#journal.looks(since, signal);
    const moment = timeOf(this.#point);
    const names = folders.map(({ name }) => name);
    const found = await filesAtMoment({ blobs, tree: files, since, looks, folders: names, moment, signal });
    const counted = folders.map((folder) => {
      const more = found.counts.get(folder.name) ?? { files: 0, bytes: 0 };
      return { ...folder, files: folder.files + more.files, bytes: folder.bytes + more.bytes };
    });
    return { tree: found.tree, folders: counted, warnings: unseenFiles(this.#journal.files.spans, since, moment) };
  }

  /** `undefined`: this backup holds the transaction that was named, or the journal does not lead from it to there. */
  async #replayAll(databases: readonly FollowedDatabase[]): Promise<readonly ReplayedDatabase[] | undefined> {
    const wanted = this.#point.transaction;
    const all: ReplayedDatabase[] = [];
    const states = new Set<FoundMoment["state"]>();
    for (const one of databases) {
      const found = await this.#replay(one);
      if (found.state === "held" || found.state === "behind") return undefined;
      states.add(found.state);
      all.push({ ...one, outside: found.outside, replayed: found.replayed });
    }
    if (wanted !== undefined && !states.has("passed")) throw new HoldfastError("moment-transaction", { text: wanted });
    return states.has("short") ? undefined : all;
  }

  async #replay({ manifest, followed, from }: FollowedDatabase): Promise<FoundMoment> {
    const wanted = this.#point.transaction;
    const reach = reachFrom(followed, from);
    if (reach.state === "none") throw new HoldfastError("internal", { database: manifest.name });
    const { signal } = this.#source.run;
    let state: FoundMoment["state"] = "replayed";
    const replayed = await replay(segmentsBehind(this.#journal, manifest.name, reach.span, from, signal), {
      signal,
      holds: (transaction) => from.holds(transaction),
      isBeyond: (one) => {
        const { transaction, position, time } = one;
        if ((state !== "replayed" && state !== "short") || compareTimes(time, this.#until) > 0) return true;
        const isHeld = from.holds(one);
        const isWanted = transaction === wanted || position === wanted;
        if (!isHeld && position > reach.position) {
          // Whether the one that was named is there, or nowhere.
          state = wanted === undefined || isWanted ? "behind" : "short";
          return state === "behind";
        }
        if (!isWanted) return false;
        state = isHeld ? "held" : "passed";
        return this.#point.side === "before";
      },
    });
    return { state, outside: outsideBehind(followed, reach.span, from.position), replayed };
  }

  /** Rows of a table that had other columns cannot be told by what the backup has of it. */
  #refuseAltered(manifest: DatabaseManifest, { tables, altered }: Replayed): void {
    const names = new Map(manifest.tables.map((one) => [tableName(one), one.fingerprint]));
    const changed = [...tables.values()]
      .map(({ table }) => table)
      .filter((table) => {
        const known = names.get(tableName(table));
        return known !== undefined && known !== table.fingerprint;
      });
    const [first] = [...altered, ...changed];
    if (!first) return;
    throw new HoldfastError("moment-unreachable", { time: timeOf(this.#point), problem: "schema", tables: first.name });
  }
}

/** Where nobody looked at the files around a moment. `since`: when the backup was made that it lies on. */
function unseenFiles(spans: readonly FilesSpan[], since: string, moment: string): readonly Warning[] {
  if (spans.some(({ from, to }) => compareTimes(from, moment) <= 0 && compareTimes(moment, to) <= 0)) return [];
  const last = spans.findLast(({ to }) => compareTimes(to, moment) < 0)?.to;
  const subject = last === undefined || compareTimes(last, since) < 0 ? since : last;
  const next = spans.find(({ from }) => compareTimes(from, moment) > 0)?.from;
  return [next === undefined ? { code: "files-behind", subject } : { code: "files-unseen", subject, detail: next }];
}
