import { kindOf } from "./points.ts";
import type { Engine } from "./engine.ts";
import type { AddressOf } from "./database-address.ts";
import { databaseEngineFor } from "./engine.ts";
import type { BackupPrediction } from "./backup.ts";
import type { StartingPoint } from "./starting-point.ts";
import type { Manifest } from "../contents/manifest.ts";
import { openSnapshot } from "../contents/open-snapshot.ts";
import type { CrmParts } from "../crm/platform.ts";
import { isHoldfastError } from "../lib/errors.ts";
import type { BlobReader, StoredSnapshot } from "../repository/repository.ts";
import { predictFolder } from "../contents/folders/predict-folder.ts";
import { nameFromText } from "../lib/byte-name.ts";

/**
 * Speed and density of a CRM that was never backed up: 2-core machine of the benchmark (`docs/bench.md`), text and office
 * files. A file costs time and room however small it is: 3.4 s for 100,000 of them, and some 100 bytes each for its
 * entry in a folder, its seal and its line in the index. A row of a table takes 2.6 µs.
 */
const guess = { bytesPerMs: 350_000, storedShare: 0.5, msPerFile: 0.033, bytesPerFile: 100, msPerRow: 0.0026 };
/** What each backup takes and stores, however little it is about: start and key; the snapshot, its folders, the index. */
const overhead = { ms: 500, bytes: 3000 };
/** Of what the first incremental or differential reads: most of a CRM is as it was. */
const firstChangedShare = 0.01;

/** What a prediction goes by. */
export interface PredictionBasis {
  readonly start: StartingPoint;
  /** The newest backup of the same kind, else the newest. */
  readonly model?: StoredSnapshot;
  /** What that backup found. */
  readonly modelManifest?: Manifest;
}

/** `backups`: this CRM's, oldest first. */
export async function predictionBasis(
  start: StartingPoint,
  backups: readonly StoredSnapshot[],
  reader: BlobReader,
  signal: AbortSignal,
): Promise<PredictionBasis> {
  const { parent, kind } = start;
  const model = backups.findLast((stored) => kindOf(stored) === kind) ?? backups.at(-1);
  if (!model || !parent) return { start };
  if (model.id === parent.stored.id) return { start, model, modelManifest: parent.manifest };
  try {
    return { start, model, modelManifest: (await openSnapshot(reader, model, signal)).manifest };
  } catch (error) {
    if (!isHoldfastError(error, "repository-damaged")) throw error;
    return { start, model, modelManifest: parent.manifest };
  }
}

export interface RowsToCome {
  readonly tables: number;
  readonly rows: number;
  readonly bytes: number;
}

export interface FilesToCome {
  readonly files: number;
  /** What is to be read of them; all that they have. */
  readonly bytes: number;
  readonly allBytes: number;
}

/**
 * What the backup is likely to read, store and take: the source is what was counted of it, cost and room are those of
 * the newest backup of the same kind, else of the newest full, else a guess.
 */
export function prediction(basis: PredictionBasis, rows: RowsToCome, files: FilesToCome): BackupPrediction {
  const { kind } = basis.start;
  const readBytes = rows.bytes + files.bytes;
  const size = rows.bytes + files.allBytes;
  const source = { kind, rows: rows.rows, files: files.files, readBytes, fileBytes: files.bytes, size };
  const growth = growthOf(rows, files, basis.modelManifest);
  return {
    kind,
    tables: rows.tables,
    rows: rows.rows,
    files: files.files,
    readBytes,
    ...costs(source, basis.model, growth),
  };
}

/** Tables by the databases' own estimates. */
export async function estimateRows(
  engine: Engine,
  { databases }: CrmParts,
  addressOf: AddressOf,
  signal: AbortSignal,
): Promise<RowsToCome> {
  const sum = { tables: 0, rows: 0, bytes: 0 };
  for (const { url } of databases) {
    await using source = await databaseEngineFor(engine, url).connect(addressOf(url), { signal });
    const size = await source.estimate(signal);
    sum.tables += size.tables;
    sum.rows += size.rows;
    sum.bytes += size.bytes;
  }
  return sum;
}

/** Folders as they are now, walked by `lstat`: what a dry run does. */
export async function lookAtFiles(
  { folders }: CrmParts,
  { parent, kind }: StartingPoint,
  signal: AbortSignal,
): Promise<FilesToCome> {
  const sum = { files: 0, bytes: 0, allBytes: 0 };
  for (const { path, excludes } of folders) {
    const seen = await predictFolder({
      path: nameFromText(path),
      excludes,
      ...(parent && kind !== "full" && { changedSince: new Date(parent.stored.snapshot.time) }),
      signal,
    });
    sum.files += seen.files;
    sum.bytes += seen.bytesToRead;
    sum.allBytes += seen.bytes;
  }
  return sum;
}

/**
 * Folders as the earlier backup had them, since a backup should not walk a million files twice for the sake of a number in
 * its report; of a first one, as it found them itself.
 */
export function rememberedFiles(basis: PredictionBasis, found: Pick<FilesToCome, "files" | "bytes">): FilesToCome {
  const { model } = basis;
  const { parent, kind } = basis.start;
  if (!parent) return { ...found, allBytes: found.bytes };
  const { folders } = parent.manifest;
  const addedBytes = model && kindOf(model) === kind ? (model.snapshot.summary?.dataAdded ?? 0) : 0;
  const allBytes = folders.reduce((total, folder) => total + folder.bytes, 0);
  return {
    files: folders.reduce((total, folder) => total + folder.files, 0),
    bytes: kind === "full" ? allBytes : Math.max(0, addedBytes - overhead.bytes),
    allBytes,
  };
}

interface SourceSize {
  readonly kind: BackupPrediction["kind"];
  readonly rows: number;
  readonly files: number;
  /** What is to be read; of files alone; everything that the CRM has. */
  readonly readBytes: number;
  readonly fileBytes: number;
  readonly size: number;
}

type Costs = Pick<BackupPrediction, "storedBytes" | "durationMs">;

/**
 * How many times as large the CRM is as when it was backed up then: rows by their number, since a database's pages are not what its rows
 * come to, and a backup that was told what changed has not read the others.
 */
function growthOf(rows: RowsToCome, files: FilesToCome, then: Manifest | undefined): number {
  if (!then) return 1;
  const rowsThen = then.databases.flatMap(({ tables }) => tables).reduce((sum, table) => sum + table.rows, 0);
  const filesThen = then.folders.reduce((sum, { bytes }) => sum + bytes, 0);
  const bytesPerRow = rows.rows === 0 ? 0 : rows.bytes / rows.rows;
  const sizeThen = rowsThen * bytesPerRow + filesThen;
  return sizeThen === 0 ? 1 : (rows.rows * bytesPerRow + files.allBytes) / sizeThen;
}

/**
 * As the model had it, grown as the CRM has: rates per byte of a backup that read little say nothing, since what it took
 * is mostly what each backup takes.
 */
function costs(source: SourceSize, model: StoredSnapshot | undefined, growth: number): Costs {
  const { kind, rows, files, readBytes, fileBytes, size } = source;
  const summary = model?.snapshot.summary;
  const sameKind = model !== undefined && kindOf(model) === kind;
  if (!summary || (kind === "full" && !sameKind)) {
    const { bytesPerMs, storedShare, msPerFile, bytesPerFile, msPerRow } = guess;
    return {
      storedBytes: Math.round(overhead.bytes + readBytes * storedShare + files * bytesPerFile),
      durationMs: Math.round(overhead.ms + readBytes / bytesPerMs + files * msPerFile + rows * msPerRow),
    };
  }
  const tookMs = Date.parse(summary.backupEnd) - Date.parse(summary.backupStart);
  const workMs = Math.max(0, tookMs - overhead.ms) * growth;
  const fixedBytes = Math.min(overhead.bytes, summary.dataAddedPacked);
  const storedBytes = (summary.dataAddedPacked - fixedBytes) * growth;
  if (!sameKind) {
    return {
      storedBytes: Math.round(fixedBytes + storedBytes * firstChangedShare),
      durationMs: Math.round(overhead.ms + (size === 0 ? 0 : (workMs * readBytes) / size)),
    };
  }
  const more = kind === "full" ? 0 : Math.max(0, fileBytes - summary.dataAdded);
  return {
    storedBytes: Math.round(fixedBytes + storedBytes + more * guess.storedShare),
    durationMs: Math.round(overhead.ms + workMs + more / guess.bytesPerMs),
  };
}
