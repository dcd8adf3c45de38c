import { followedIn, journalSuffix, newestJournals } from "../contents/journal/open-journal.ts";
import { streamsAtHand, streamsOf } from "../contents/stream-of.ts";
import type { Id } from "../format/tree.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { Warning } from "../lib/events.ts";
import type { Limits } from "../lib/limits.ts";
import { mapBounded } from "../lib/map-bounded.ts";
import type { Run } from "../lib/run.ts";
import type { Repository, StoredSnapshot, StreamsOfFolder, Upload } from "../repository/repository.ts";
import type { ParityReport } from "../repository/parity.ts";
import type { ProtectReport } from "../repository/protect.ts";
import { openFor } from "./access.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";
import { ledgerSuffix } from "./erasures.ts";
import { hasJournal, saveJournalCopy } from "./copy-journals.ts";
import { hasHold } from "./holds.ts";
import { createRepositoryAt } from "./init.ts";
import { lockOptions } from "./lock-options.ts";
import { backupsOf, chooseCrm, choosePoint, crmOf, isBackup, isRecord } from "./points.ts";
import { updateParityOf } from "./parity.ts";
import { protectRepository } from "./protect.ts";
import type { PointName } from "./snapshots.ts";

export interface CopyInput {
  readonly from: RepositoryAccess;
  readonly to: RepositoryAccess;
  /** What a person calls the repository that is copied to. */
  readonly name: string;
  /** Only this CRM's backups. */
  readonly crm?: string;
  /** None: every snapshot, whoever made it. */
  readonly points: readonly PointName[];
  /**
   * Whether a repository is made where there is none: with a key of its own (`create`), or with that of the one that is
   * copied from. `create-same-key` is also that a repository which is there must have that key.
   */
  readonly missing: "create" | "create-same-key" | "fail";
  readonly limits: Limits;
  readonly waitMs: number;
}

export interface CopiedSnapshot {
  readonly id: Id;
  readonly crm: string;
  readonly time: string;
}

export interface CopyReport {
  readonly type: "copy";
  readonly to: string;
  readonly location: string;
  readonly created: boolean;
  /** Of the two repositories; where it is the `same`, blobs were carried over as they are sealed. */
  readonly key: "own" | "same";
  /** `copy` is the id in the other repository. */
  readonly copied: readonly (CopiedSnapshot & { readonly copy: Id })[];
  /** Were there already. */
  readonly present: number;
  /** Need what is missing or damaged here, so that no copy was made; `blobs` are some of these. */
  readonly damaged: readonly (CopiedSnapshot & { readonly missing: number; readonly blobs: readonly Id[] })[];
  readonly blobs: number;
  readonly addedBytes: number;
  readonly storedBytes: number;
  /** Where the other repository has parity. */
  readonly parity?: ParityReport;
  /** Where the other repository has a lock. */
  readonly lock?: ProtectReport;
  readonly warnings: readonly Warning[];
  readonly durationMs: number;
}

/** Stored bytes after which the snapshots that are through are written: what a cut-off run must do again at most. */
const batchBytes = 256 << 20;
const savesAtOnce = 8;
const namedBlobs = 5;

/**
 * Copies snapshots to another repository, oldest first. What is there already is not stored again, so that a run that
 * was cut off is simply run again. Each is written when all that it needs is durable and named by an index.
 *
 * A copy has everything of the snapshot but its parent, and `original` says what it is a copy of, as restic's copies
 * do: by that both programs see what was copied.
 */
export async function copySnapshots(engine: Engine, input: CopyInput, run: Run): Promise<CopyReport> {
  const started = run.now();
  await using from = await openFor(engine, input.from, run);
  const created = input.missing !== "fail" && (await createIfMissing(engine, input, from, run));
  await using to = await openFor(engine, input.to, run);
  if (from.id === to.id) throw new HoldfastError("copy-same-repository", { location: to.location });
  const key = to.hasKeyOf(from) ? "same" : "own";
  if (input.missing === "create-same-key" && key === "own") {
    throw new HoldfastError("copy-other-key", { location: to.location });
  }
  await using fromLock = await from.lock("shared", lockOptions(input, run));
  await using toLock = await to.lock("shared", lockOptions(input, run));
  const signal = AbortSignal.any([run.signal, fromLock.lost, toLock.lost]);

  run.report({ type: "phase", phase: "copy", subject: input.name });
  const there = await to.snapshots(signal);
  const all = await from.snapshots(signal);
  const journalsNow = newestJournals(all);
  const chosen = choose(all, journalsNow, input);
  const damaged = input.points.length > 0 ? [] : await tellDamaged(from, { ...run, signal });
  const known = new CopiedAlready(there);
  const wanted = chosen.filter((stored) => !(journalsNow.has(stored) ? hasJournal(there, stored) : known.has(stored)));
  const report: Mutable<CopyReport> = {
    type: "copy",
    to: input.name,
    location: to.location,
    created,
    key,
    copied: [],
    present: chosen.length - wanted.length,
    damaged: [],
    blobs: 0,
    addedBytes: 0,
    storedBytes: 0,
    warnings: damaged,
    durationMs: 0,
  };
  if (wanted.length > 0) {
    const [source, target] = await Promise.all([from.index(signal), to.index(signal, "to-add")]);
    await using upload = await target.upload({ signal, lock: toLock, limits: input.limits });
    let items = 0;
    const copier = source.copier(upload, {
      signal,
      limits: input.limits,
      onProgress: (doneBytes, totalBytes) =>
        run.report({
          type: "progress",
          phase: "copy",
          doneBytes,
          totalBytes,
          doneItems: items,
          totalItems: wanted.length,
          subject: input.name,
        }),
    });
    let batch: StoredSnapshot[] = [];
    const journals: StoredSnapshot[] = [];
    let written = 0;
    const writeBatch = async () => {
      report.copied = [...report.copied, ...(await saveCopies(upload, batch))];
      batch = [];
      written = upload.stats().storedBytes;
    };
    for (const stored of wanted) {
      const missing = await copier.copy(stored.snapshot.tree, streamsFor(stored, input.to));
      items++;
      if (missing.length > 0) {
        const blobs = missing.slice(0, namedBlobs);
        report.damaged = [...report.damaged, { ...describe(stored), missing: missing.length, blobs }];
      } else (journalsNow.has(stored) ? journals : batch).push(stored);
      if (upload.stats().storedBytes - written >= batchBytes) await writeBatch();
    }
    await writeBatch();
    for (const stored of journals) {
      const copy = await saveJournalCopy({ upload, to, lock: toLock, program: engine.program, signal }, stored);
      report.copied = [...report.copied, { ...describe(stored), copy: copy.id }];
    }
    const { dataBlobs, treeBlobs, addedBytes, storedBytes } = upload.stats();
    Object.assign(report, { blobs: dataBlobs + treeBlobs, addedBytes, storedBytes });
  }
  const parity = await updateParityOf(to, input.to, { ...run, signal });
  if (parity !== undefined) Object.assign(report, { parity });
  const protection = await protectRepository(engine, to, undefined, { ...run, signal });
  if (protection !== undefined) {
    Object.assign(report, { lock: protection.report, warnings: [...damaged, ...protection.warnings] });
  }
  return { ...report, durationMs: run.now().getTime() - started.getTime() };
}

/** Whoever copies everything has to know of what there is no copy. */
async function tellDamaged(from: Repository, { signal, report }: Run): Promise<readonly Warning[]> {
  const ids = await from.damagedSnapshots(signal);
  const warnings = ids.map((id): Warning => ({ code: "snapshot-unreadable", subject: id.slice(0, 8) }));
  for (const warning of warnings) report({ type: "warning", warning });
  return warnings;
}

/** Our own records are read often, and must not lie where reading costs hours. */
function streamsFor(stored: StoredSnapshot, { keeping }: RepositoryAccess): StreamsOfFolder {
  if (isRecord(stored)) return () => () => "hot";
  if (!isBackup(stored)) return () => "bulk";
  return keeping?.coldClass === undefined ? streamsOf : streamsAtHand;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** The first makes all durable and named; the others are only files to write. */
async function saveCopies(upload: Upload, batch: readonly StoredSnapshot[]): Promise<CopyReport["copied"]> {
  const save = async (stored: StoredSnapshot) => {
    const { parent: _, ...kept } = stored.snapshot;
    const copy = await upload.finish({ ...kept, original: kept.original ?? stored.id });
    return { ...describe(stored), copy: copy.id };
  };
  const [first, ...others] = batch;
  if (first === undefined) return [];
  return [await save(first), ...(await mapBounded(others, savesAtOnce, save))];
}

function describe(stored: StoredSnapshot): CopiedSnapshot {
  return { id: stored.id, crm: crmOf(stored), time: stored.snapshot.time };
}

/**
 * In the order of the list, oldest first, each once. What was erased of a CRM goes with its backups, or they would give it back. Of a
 * journal the newest has all.
 */
function choose(
  all: readonly StoredSnapshot[],
  journalsNow: ReadonlySet<StoredSnapshot>,
  { crm, points }: CopyInput,
): readonly StoredSnapshot[] {
  if (points.length > 0) {
    const chosen = new Set(points.map((point) => choosePoint(all, crm, point).chosen));
    const ledgers = new Set([...chosen].map((stored) => `${crmOf(stored)}${ledgerSuffix}`));
    return all.filter((stored) => chosen.has(stored) || ledgers.has(crmOf(stored)));
  }
  const isSuperseded = (stored: StoredSnapshot): boolean =>
    followedIn(stored) !== undefined && !journalsNow.has(stored) && !hasHold(stored.snapshot.tags);
  const current = all.filter((stored) => !isSuperseded(stored));
  if (crm === undefined) return current;
  const name = chooseCrm(all, crm);
  const backups = new Set(backupsOf(all, name));
  const names = [`${name}${ledgerSuffix}`, `${name}${journalSuffix}`];
  return current.filter((stored) => backups.has(stored) || names.includes(crmOf(stored)));
}

/**
 * What the other repository has: by the first id that a snapshot had, which a copy keeps in `original` and so does a
 * change of tags, and by its time and tree, since a rewritten snapshot keeps that id too. Tags may differ: a hold or a
 * mark that is put on one of the two is no reason to have it twice.
 */
class CopiedAlready {
  readonly #known: ReadonlySet<string>;

  constructor(there: readonly StoredSnapshot[]) {
    const keys = there.flatMap(({ id, snapshot }) => [
      copyKey(id, snapshot),
      ...(snapshot.original === undefined ? [] : [copyKey(snapshot.original, snapshot)]),
    ]);
    this.#known = new Set(keys);
  }

  has({ id, snapshot }: StoredSnapshot): boolean {
    return this.#known.has(copyKey(snapshot.original ?? id, snapshot));
  }
}

function copyKey(id: Id, { time, tree }: StoredSnapshot["snapshot"]): string {
  return `${id} ${tree} ${Date.parse(time)}`;
}

async function createIfMissing(
  engine: Engine,
  { to, missing }: CopyInput,
  from: Repository,
  run: Run,
): Promise<boolean> {
  try {
    await createRepositoryAt(engine, to, run, missing === "create-same-key" ? from.sharedKey : undefined);
    return true;
  } catch (error) {
    if (!isHoldfastError(error, "repository-exists")) throw error;
    return false;
  }
}
