import type { TableChange } from "../contents/databases.ts";
import type { BackupKind, Manifest, Outcome } from "../contents/manifest.ts";
import type { SearchIndexing } from "../contents/databases.ts";
import type { CrmDescription, Uncovered } from "../crm/platform.ts";
import type { ChangeMethod } from "../database/database.ts";
import type { Warning } from "../lib/events.ts";
import type { Limits } from "../lib/limits.ts";
import { lowerPriority } from "../lib/posix.ts";
import type { Run } from "../lib/run.ts";
import type { Id } from "../format/tree.ts";
import type { ParityReport } from "../repository/parity.ts";
import type { ProtectReport } from "../repository/protect.ts";
import { loadThreads } from "../repository/worker-pool.ts";
import { openFor } from "./access.ts";
import { AttachmentLedger } from "./attachments.ts";
import { captureConfig, captureDatabases, captureFolders, openMoment, type Capture } from "./backup-parts.ts";
import { estimateRows, lookAtFiles, prediction, predictionBasis, rememberedFiles } from "./backup-prediction.ts";
import { splitKnown, sumFiles, sumRows, summarise } from "./backup-sums.ts";
import { writeSnapshotTree } from "./backup-tree.ts";
import { addressesOf } from "./database-address.ts";
import { Early } from "./early.ts";
import { platformNamed, type Engine, type RepositoryAccess } from "./engine.ts";
import { KeyWatch } from "./key-watch.ts";
import { lockOptions } from "./lock-options.ts";
import { aheadWarnings, backupsOf, snapshotTags } from "./points.ts";
import { updateParityOf } from "./parity.ts";
import { protectRepository } from "./protect.ts";
import { refuseHalfMade } from "./restore-record.ts";
import { touchedSince } from "./backup-journal.ts";
import { startingPoint } from "./starting-point.ts";

export interface BackupInput {
  readonly crm: CrmDescription;
  /** Absolute path of `holdfast.yaml`, stored with the snapshot. */
  readonly configFile: string;
  readonly repository: RepositoryAccess;
  /** Absent: full when there is nothing to start from, else incremental. */
  readonly kind?: BackupKind;
  readonly limits: Limits;
  /** Absent: `indexed`. */
  readonly search?: SearchIndexing | undefined;
  /** How long to wait for another backup of this CRM or for somebody's lock; 0: fail at once. */
  readonly waitMs: number;
  /** How long to wait for the journal to have got to where the database is; absent: about as long as reading rows would take. */
  readonly journalWaitMs?: number;
  /** `accept`: what rows and files lack of each other, and what cannot be covered, is known from now on and makes no warning. */
  readonly inconsistencies: "warn" | "accept";
}

/** Sizes of one kind of thing: what was looked at, what differed, what the repository grew by. */
export interface Amounts {
  readonly readBytes: number;
  readonly changedBytes: number;
  readonly storedBytes: number;
}

export interface BackupReport {
  readonly type: "backup";
  readonly crm: string;
  readonly snapshot: Id;
  readonly time: string;
  readonly kind: BackupKind;
  readonly outcome: Outcome;
  readonly parent?: Id;
  readonly lastFull?: Id;
  readonly rows: Amounts & {
    readonly tables: number;
    readonly rows: number;
    readonly changedRows: number;
    /** All rows, read or not. */
    readonly totalBytes: number;
    /** How many tables what changed was found in which way; those with nothing to compare with are left out. */
    readonly methods: Readonly<Partial<Record<ChangeMethod, number>>>;
  };
  readonly files: Amounts & {
    readonly files: number;
    readonly newFiles: number;
    readonly changedFiles: number;
    readonly removedFiles: number;
    /** Of the changed ones, those that could not be compressed. */
    readonly incompressibleFiles: number;
    /** The ending that most new files of a folder got behind another one, as `.locked` in `a.pdf.locked`. */
    readonly appended?: { readonly ending: string; readonly files: number };
  };
  /** Tables in which anything changed since the snapshot compared with. */
  readonly changes: readonly TableChange[];
  /** What changed since the previous backup and since the last full, in bytes of rows and files. */
  readonly sincePreviousBytes: number;
  readonly sinceFullBytes: number;
  /** Bytes that the repository grew by, everything counted. */
  readonly storedBytes: number;
  readonly durationMs: number;
  readonly prediction?: BackupPrediction;
  /** Of a repository with parity. */
  readonly parity?: ParityReport;
  /** Of a repository with a lock. */
  readonly lock?: ProtectReport;
  readonly warnings: readonly Warning[];
  /** Warnings that were there at the last *ok* snapshot too. */
  readonly known: readonly Warning[];
}

export interface BackupPrediction {
  readonly kind: BackupKind;
  readonly tables: number;
  readonly rows: number;
  readonly files: number;
  readonly readBytes: number;
  readonly storedBytes: number;
  readonly durationMs: number;
}

/** Backs up one CRM: database first, files after it, then configuration; one snapshot or none. */
export async function backup(engine: Engine, input: BackupInput, run: Run): Promise<BackupReport> {
  const started = run.now();
  await refuseHalfMade(engine, input.crm.name, run);
  const platform = platformNamed(engine, input.crm.platform);
  const parts = await platform.parts(input.crm);
  const addressOf = await addressesOf(engine, input.crm, parts, run.signal);
  if (input.limits.priority === "low") lowerPriority(); // inherited by all threads that are started from here on
  const [first] = parts.databases;
  // The first database's moment is taken while the repository is opened: both take a while, on threads of their own.
  const momentOf: Capture["momentOf"] = (url, within) =>
    openMoment(engine, addressOf(url), within, { ...input.limits, unread: parts.emptyTables });
  await using early = first && new Early(() => momentOf(first.url, run));
  loadThreads(parts.folders.length > 0 ? input.limits.workers : 1);
  await using repository = await openFor(engine, input.repository, run);
  const waiting = lockOptions(input, run);
  let waited = false;
  await using lock = await repository.lock("shared", {
    ...waiting,
    onWait: (holder) => {
      waited = true;
      waiting.onWait?.(holder);
    },
  });
  // What is taken after a wait is not what was there before it.
  const began = waited ? run.now() : started;
  if (waited) await early?.renew();
  const signal = AbortSignal.any([run.signal, lock.lost]);
  const inner: Run = { ...run, signal };
  const snapshots = await repository.snapshots(signal);
  const indexed = await repository.index(signal, "to-add");
  await using uploading = new Early(() => indexed.upload({ signal, lock, limits: input.limits }));
  const start = await startingPoint(snapshots, input.crm.name, input.kind, indexed, signal);
  for (const warning of aheadWarnings(start.parent?.stored, began)) run.report({ type: "warning", warning });
  if (!start.parent && input.kind !== "full") {
    run.report({ type: "note", code: "first-backup-is-full", facts: { crm: input.crm.name } });
  }
  // Not beside it: a copy that is being made of a database's file would take away the locks of who looks at it here.
  await early?.settled();
  const expectedRows = await estimateRows(engine, parts, addressOf, signal);
  await using upload = await uploading.take();

  const warnings: Warning[] = [];
  const warn = (warning: Warning) => {
    warnings.push(warning);
    run.report({ type: "warning", warning });
  };
  const ledger = parts.attachments && new AttachmentLedger(parts.attachments, began);
  const touched: Capture["touched"] = async (was, database, snapshot) => {
    const search = { engine, crm: input.crm.name, indexed, snapshots, parent: was, database, snapshot };
    return await touchedSince({ ...search, waitMs: input.journalWaitMs }, inner);
  };
  const capture: Capture = {
    touched,
    engine,
    input,
    parts,
    momentOf,
    start,
    indexed,
    upload,
    run: inner,
    started: began,
    warn,
  };
  const keys = new KeyWatch(parts);
  const databases = await captureDatabases(capture, early, ledger, keys);
  const folders = await captureFolders(capture, ledger);
  const config = await captureConfig(capture);

  for (const warning of keys.warnings()) warn(warning);
  const lost = uncoveredOf(parts.uncovered.filter(({ loses }) => loses === undefined));
  const found = [...databases.flatMap((one) => one.warnings), ...lost, ...(ledger?.warnings() ?? [])];
  const { fresh, known: before } = splitKnown(found, start.knownFrom?.manifest, input.inconsistencies);
  for (const warning of fresh) warn(warning);
  const known = [...before, ...uncoveredOf(parts.uncovered.filter(({ loses }) => loses === "nothing"))];
  const outcome: Outcome = warnings.length > 0 ? "warning" : "ok";
  // A reference that came from a repository could run a command: it stays in `holdfast.yaml`.
  const { databasePassword: _, ...description } = input.crm;
  const manifest: Manifest = {
    format: 1,
    crm: { name: input.crm.name, platform: input.crm.platform, ...(parts.version && { version: parts.version }) },
    description,
    kind: start.kind,
    outcome,
    startedAt: began.toISOString(),
    finishedAt: run.now().toISOString(),
    ...(start.parent && { parent: start.parent.stored.id }),
    ...(start.lastFull && start.kind !== "full" && { lastFull: start.lastFull }),
    databases: databases.map((one) => one.manifest),
    folders: folders.map((one) => one.manifest),
    config: config.map(({ name, path }) => ({ name, path })),
    warnings,
    known,
    program: engine.program,
  };
  run.report({ type: "phase", phase: "snapshot" });
  const tree = await writeSnapshotTree(upload, input.crm.name, manifest, { databases, folders, config }, began);
  const rows = sumRows(databases);
  const files = sumFiles(folders, start.kind);
  const basis = await predictionBasis(start, backupsOf(snapshots, input.crm.name), indexed, signal);
  const filesFound = { files: files.files, bytes: folders.reduce((total, { bytes }) => total + bytes, 0) };
  const stored = await upload.finish({
    time: began.toISOString(),
    ...(start.parent && { parent: start.parent.stored.id }),
    tree,
    paths: [`/${input.crm.name}`],
    ...engine.host,
    tags: snapshotTags(start.kind, outcome),
    programVersion: engine.program,
    summary: summarise(upload.stats(), folders, rows.readBytes, began, run.now()),
  });
  const parity = await updateParityOf(repository, input.repository, inner);
  const protection = await protectRepository(engine, repository, stored.id, inner);
  warnings.push(...(protection?.warnings ?? []));
  return {
    type: "backup",
    crm: input.crm.name,
    snapshot: stored.id,
    time: stored.snapshot.time,
    kind: start.kind,
    outcome: warnings.length > 0 ? "warning" : "ok",
    ...(manifest.parent && { parent: manifest.parent }),
    ...(manifest.lastFull && { lastFull: manifest.lastFull }),
    rows,
    files,
    changes: databases.flatMap((one) => one.changes),
    sincePreviousBytes: rows.sincePreviousBytes + files.sincePreviousBytes,
    sinceFullBytes: rows.sinceFullBytes + files.sinceFullBytes,
    storedBytes: upload.stats().storedBytes,
    durationMs: run.now().getTime() - started.getTime(),
    prediction: prediction(basis, expectedRows, rememberedFiles(basis, filesFound)),
    ...(parity && { parity }),
    ...(protection && { lock: protection.report }),
    warnings,
    known,
  };
}

function uncoveredOf(uncovered: readonly Uncovered[]): readonly Warning[] {
  return uncovered.map(({ subject, reason }) => ({ code: "not-covered", subject, detail: reason }));
}

/** What `backup` would do (`--dry-run`): nothing is written anywhere. */
export async function predictBackup(engine: Engine, input: BackupInput, run: Run): Promise<BackupPrediction> {
  const parts = await platformNamed(engine, input.crm.platform).parts(input.crm);
  await using repository = await openFor(engine, input.repository, run);
  const snapshots = await repository.snapshots(run.signal);
  const indexed = await repository.index(run.signal);
  const start = await startingPoint(snapshots, input.crm.name, input.kind, indexed, run.signal);
  const addressOf = await addressesOf(engine, input.crm, parts, run.signal);
  const basis = await predictionBasis(start, backupsOf(snapshots, input.crm.name), indexed, run.signal);
  const rows = await estimateRows(engine, parts, addressOf, run.signal);
  return prediction(basis, rows, await lookAtFiles(parts, start, run.signal));
}
