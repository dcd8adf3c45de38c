import { hash } from "node:crypto";
import type { Id } from "../format/tree.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { Warning } from "../lib/events.ts";
import type { Run } from "../lib/run.ts";
import type { Repository, StoredSnapshot } from "../repository/repository.ts";
import type { NeededFiles } from "../repository/stored-files.ts";
import { storedFileAt, storedPath } from "../storage/layout.ts";
import type { Catalogue, SetKind, VolumeFile } from "../volumes/catalogue.ts";
import { type Drive, setPattern, type VolumeName, volumeText } from "../volumes/drive.ts";
import { openVolume } from "../volumes/read-volume.ts";
import { VolumeAccess } from "../volumes/volume-access.ts";
import { writeVolume } from "../volumes/write-volume.ts";
import { openFor } from "./access.ts";
import { type DriveChoice, type Engine, openDriveOf, type RepositoryAccess } from "./engine.ts";
import { baseOf, exportedSets, forgetSet, rememberSet, type ExportedSet } from "./exported-sets.ts";
import { lockOptions } from "./lock-options.ts";

export interface ExportInput {
  readonly repository: RepositoryAccess;
  readonly to: DriveChoice;
  /** Absent: incremental where there is a set already, else full. */
  readonly kind?: SetKind;
  /** What the set is called; absent: by its day and kind. */
  readonly set?: string;
  /** What becomes of a set that was begun and is not complete: `new` fails, if there is one. */
  readonly unfinished: "fail" | "resume" | "discard";
  /** Where volumes are whose sets this machine has forgotten. */
  readonly learnFrom?: DriveChoice;
  /** The text of a volume's label. */
  readonly label: (facts: VolumeLabel) => string;
  /** Asks somebody to put in a medium; false: nobody will. Absent: there is nobody. */
  readonly askVolume?: (volume: string) => Promise<boolean>;
  readonly waitMs: number;
}

export interface VolumeLabel {
  readonly volume: VolumeName;
  readonly catalogue: Catalogue;
  readonly location: string;
  readonly program: string;
  readonly hostname: string;
}

export interface ExportReport {
  readonly type: "export";
  readonly set: string;
  readonly kind: SetKind;
  readonly base?: string;
  /** Volumes of the set, and how many of them this run wrote. */
  readonly volumes: number;
  readonly written: number;
  readonly snapshots: readonly Id[];
  readonly files: number;
  readonly bytes: number;
  readonly warnings: readonly Warning[];
  readonly durationMs: number;
}

/**
 * Writes a set of volumes: the repository's own files, so that a full set unpacks to a repository, and another one,
 * unpacked over what it stands on, adds its own snapshots. Each volume is read back before it counts; a run that was cut
 * off is resumed at the volume.
 */
export async function exportVolumes(engine: Engine, input: ExportInput, run: Run): Promise<ExportReport> {
  const started = run.now();
  await using repository = await openFor(engine, input.repository, run);
  await using lock = await repository.lock("shared", lockOptions(input, run));
  const signal = AbortSignal.any([run.signal, lock.lost]);
  if (input.learnFrom !== undefined) await learn(engine, repository.id, input.learnFrom, signal);
  const sets = await exportedSets(engine, repository.id);
  const stored = await repository.storedFiles(signal);
  const warnings = lostPacks(stored);
  for (const warning of warnings) run.report({ type: "warning", warning });
  let set = await beginOrResume(engine, repository, stored, input, sets, { ...run, signal });
  await using drive = openDriveOf(engine, input.to);
  run.report({ type: "phase", phase: "export", subject: drive.name });
  const totalBytes = bytesOf(set.catalogue.files);
  let doneBytes = bytesOf(set.catalogue.files.slice(0, set.next?.file));
  let written = 0;
  while (set.next !== undefined) {
    const volumes = [...set.catalogue.volumes, set.next];
    const catalogue = { ...set.catalogue, volumes };
    const volume = { set: catalogue.set, number: volumes.length };
    const isThere =
      written === 0 && input.unfinished === "resume" && (await holdsAlready(drive, volume, catalogue, signal));
    await putIn(drive, volume, isThere ? "write again" : "write", input, signal);
    const { next } = await writeVolume(drive, {
      volume,
      catalogue,
      label: input.label({ volume, catalogue, location: repository.location, program: engine.program, ...engine.host }),
      load: (file, loadSignal) => loadFile(repository, file, loadSignal),
      signal,
      onBytes: (bytes) => {
        doneBytes = Math.min(totalBytes, doneBytes + bytes);
        run.report({
          type: "progress",
          phase: "export",
          doneBytes,
          totalBytes,
          doneItems: written,
          subject: volumeText(volume),
        });
      },
    });
    await drive.accept(signal);
    written++;
    set = { catalogue, ...(next && { next }) };
    await rememberSet(engine, set);
  }
  const { catalogue } = set;
  return {
    type: "export",
    set: catalogue.set,
    kind: catalogue.kind,
    ...(catalogue.base !== undefined && { base: catalogue.base }),
    volumes: catalogue.volumes.length,
    written,
    snapshots: catalogue.snapshots.map(({ id }) => id),
    files: catalogue.files.length,
    bytes: totalBytes,
    warnings,
    durationMs: run.now().getTime() - started.getTime(),
  };
}

function lostPacks({ lostPacks: { size } }: NeededFiles): readonly Warning[] {
  return size === 0 ? [] : [{ code: "packs-lost", subject: String(size) }];
}

async function beginOrResume(
  engine: Engine,
  repository: Repository,
  stored: NeededFiles,
  input: ExportInput,
  sets: readonly ExportedSet[],
  run: Run,
): Promise<ExportedSet> {
  const unfinished = sets.find(({ next }) => next !== undefined);
  if (input.unfinished === "resume") {
    if (unfinished === undefined) throw new HoldfastError("export-nothing", {});
    return unfinished;
  }
  if (unfinished !== undefined) {
    if (input.unfinished === "fail") throw new HoldfastError("export-unfinished", { set: unfinished.catalogue.set });
    await forgetSet(engine, unfinished);
  }
  const complete = sets.filter((set) => set !== unfinished);
  const kind = input.kind ?? (complete.length === 0 ? "full" : "incremental");
  const { base, known } = baseOf(complete, kind);
  const created = run.now();
  const name = input.set ?? freeName(`holdfast-${created.toISOString().slice(0, 10)}-${kind}`, sets);
  if (!setPattern.test(name) || sets.some(({ catalogue }) => catalogue.set === name)) {
    throw new HoldfastError("usage", {
      problem: "bad-value",
      what: "--name",
      value: name,
      expected: "a-z, 0-9, ., _, -",
    });
  }
  const files = await filesToWrite(repository, stored, known, run.signal);
  const wanted = new Set(files.map(({ path }) => path));
  const isNew = ({ id }: StoredSnapshot): boolean => wanted.has(`snapshots/${id}`);
  const snapshots = (await repository.snapshots(run.signal)).filter(isNew);
  if (snapshots.length === 0) throw new HoldfastError("export-nothing", { ...(base !== undefined && { base }) });
  const set: ExportedSet = {
    catalogue: {
      format: 1,
      set: name,
      kind,
      repository: repository.id,
      created: created.toISOString(),
      ...(base !== undefined && { base }),
      snapshots: snapshots.map(({ id, snapshot: { time, paths } }) => ({ id, time, paths })),
      files,
      volumes: [],
    },
    next: { file: 0, offset: 0, begins: "file" },
  };
  await rememberSet(engine, set);
  return set;
}

/** In the order in which they may be read one after the other: a snapshot only after all that it needs. */
const order = ["config", "key", "data", "index", "snapshot"];

async function filesToWrite(
  repository: Repository,
  stored: NeededFiles,
  known: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<readonly VolumeFile[]> {
  const files: VolumeFile[] = [];
  const found = stored.files.toSorted((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
  for (const { kind, name, size } of found) {
    const path = storedPath({ kind, name });
    // By its config each set is known for the repository's: another's must not be imported over it.
    if (kind !== "config" && known.has(path)) continue;
    const sha256 = kind === "config" ? await configHash(repository, signal) : name;
    files.push({ path, size, sha256 });
  }
  return files;
}

async function configHash(repository: Repository, signal: AbortSignal): Promise<string> {
  return hash("sha256", await repository.loadStoredFile({ kind: "config", name: "" }, signal), "hex");
}

async function loadFile(repository: Repository, file: VolumeFile, signal: AbortSignal): Promise<Buffer> {
  try {
    return await repository.loadStoredFile(storedFileAt(file.path), signal);
  } catch (error) {
    // Pruned since the set was begun.
    if (isHoldfastError(error, "storage-not-found"))
      throw new HoldfastError("export-outdated", { path: file.path }, error);
    throw error;
  }
}

/** Whether a volume is written that nobody has noted: the run that wrote it was cut off right behind it. */
async function holdsAlready(
  drive: Drive,
  volume: VolumeName,
  { repository, created }: Catalogue,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const there = await drive.inventory(signal);
    if (!there.some((one) => volumeText(one) === volumeText(volume))) return false;
    const { catalogue } = (await openVolume(drive, volume, signal)).head;
    return catalogue.repository === repository && catalogue.created === created;
  } catch (error) {
    if (isHoldfastError(error, "storage-not-found") || isHoldfastError(error, "volume-damaged")) return false;
    throw error;
  }
}

async function putIn(
  drive: Drive,
  volume: VolumeName,
  purpose: "write" | "write again",
  { askVolume }: ExportInput,
  signal: AbortSignal,
): Promise<void> {
  while (!(await drive.load(volume, purpose, signal))) {
    if ((await askVolume?.(volumeText(volume))) === true) continue;
    throw new HoldfastError("volume-needed", { volume: volumeText(volume), drive: drive.name });
  }
}

/** Sets of this repository that volumes tell of. */
async function learn(engine: Engine, repository: Id, from: DriveChoice, signal: AbortSignal): Promise<void> {
  await using drive = openDriveOf(engine, from);
  const access = new VolumeAccess(drive);
  for (const catalogue of await access.sets(signal)) {
    if (catalogue.repository !== repository) continue;
    // A set that was cut off holds less than its catalogue says: one that stands on it could never be read.
    if (await access.isComplete(catalogue, signal)) await rememberSet(engine, { catalogue });
  }
}

function freeName(wanted: string, sets: readonly ExportedSet[]): string {
  const taken = new Set(sets.map(({ catalogue }) => catalogue.set));
  for (let number = 1; ; number++) {
    const name = number === 1 ? wanted : `${wanted}-${number}`;
    if (!taken.has(name)) return name;
  }
}

function bytesOf(files: readonly VolumeFile[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}
