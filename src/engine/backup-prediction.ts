import { existsSync } from "node:fs";
import { kindOf } from "./points.ts";
import type { Engine } from "./engine.ts";
import type { AddressOf } from "./database-address.ts";
import { databaseEngineFor } from "./engine.ts";
import type { BackupPrediction } from "./backup.ts";
import type { StartingPoint } from "./starting-point.ts";
import type { CrmParts } from "../crm/platform.ts";
import type { StoredSnapshot } from "../repository/repository.ts";
import { predictFolder } from "../contents/folders/predict-folder.ts";
import { nameFromText } from "../lib/byte-name.ts";
import type { Run } from "../lib/run.ts";

/**
 * Speed and density of a CRM that was never backed up: 2-core machine of the benchmark (`docs/bench.md`), text and office
 * files. A file costs time and room however small it is: 4.2 s for 100,000 of them, and some 100 bytes each for its
 * entry in a folder, its seal and its line in the index. A row of a table takes 2.6 µs.
 */
const firstGuess = { bytesPerMs: 350_000, storedShare: 0.5, msPerFile: 0.04, bytesPerFile: 100, msPerRow: 0.0026 };
const overheadMs = 500;
/** What a file or a row costs beside its bytes is part of the rates that an earlier backup gives. */
const measured = { msPerFile: 0, bytesPerFile: 0, msPerRow: 0 };
/** Of what the first incremental or differential reads: most of a CRM is as it was. */
const firstChangedShare = 0.01;

export interface PredictionInput {
  readonly parts: CrmParts;
  readonly addressOf: AddressOf;
  readonly start: StartingPoint;
  /** This CRM's backups, oldest first. */
  readonly backups: readonly StoredSnapshot[];
  /**
   * `look`: folders are walked, as a dry run does. `remember`: where there is an earlier backup its numbers serve, since
   * a backup should not walk a million files twice for the sake of a number in its report.
   */
  readonly files: "look" | "remember";
}

/**
 * What the backup is likely to read, store and take: the source is counted as it is now (folders by `lstat`, tables by
 * the database's own estimate), shares and speed are those of the newest backup of the same kind, else of the newest
 * full, else a guess.
 */
export async function predict(engine: Engine, input: PredictionInput, run: Run): Promise<BackupPrediction> {
  const { parts, addressOf, start } = input;
  const kind = start.kind;
  let tables = 0;
  let rows = 0;
  let rowBytes = 0;
  for (const { url } of parts.databases) {
    await using source = await databaseEngineFor(engine, url).connect(addressOf(url), { signal: run.signal });
    const size = await source.estimate(run.signal);
    tables += size.tables;
    rows += size.rows;
    rowBytes += size.bytes;
  }
  const { files, bytes: fileBytes } = await predictFiles(input, run);
  const readBytes = rowBytes + fileBytes;
  const model = modelOf(input);
  const { storedShare, bytesPerMs, msPerFile, bytesPerFile, msPerRow } = rates(model);
  const sameKind = model === undefined || kindOf(model) === kind;
  return {
    kind,
    tables,
    rows,
    files,
    readBytes,
    storedBytes: Math.round(readBytes * (sameKind ? storedShare : firstChangedShare) + files * bytesPerFile),
    durationMs: Math.round(overheadMs + readBytes / bytesPerMs + files * msPerFile + rows * msPerRow),
  };
}

async function predictFiles(
  { parts, start, files, ...input }: PredictionInput,
  run: Run,
): Promise<{ readonly files: number; readonly bytes: number }> {
  const { parent, kind } = start;
  if (files === "remember" && parent) {
    const { folders } = parent.manifest;
    const model = modelOf({ start, backups: input.backups });
    const added = model && kindOf(model) === kind ? (model.snapshot.summary?.dataAdded ?? 0) : 0;
    return {
      files: folders.reduce((total, folder) => total + folder.files, 0),
      bytes: kind === "full" ? folders.reduce((total, folder) => total + folder.bytes, 0) : added,
    };
  }
  const sum = { files: 0, bytes: 0 };
  for (const { path, excludes } of parts.folders) {
    if (!existsSync(path)) continue;
    const seen = await predictFolder({
      path: nameFromText(path),
      excludes,
      ...(parent && kind !== "full" && { changedSince: new Date(parent.stored.snapshot.time) }),
      signal: run.signal,
    });
    sum.files += seen.files;
    sum.bytes += seen.bytesToRead;
  }
  return sum;
}

/** The newest backup of the same kind, else the newest. */
function modelOf({ start, backups }: Pick<PredictionInput, "start" | "backups">): StoredSnapshot | undefined {
  return backups.findLast((stored) => kindOf(stored) === start.kind) ?? backups.at(-1);
}

function rates(model: StoredSnapshot | undefined): typeof firstGuess {
  const summary = model?.snapshot.summary;
  if (!summary || summary.totalBytesProcessed === 0) return firstGuess;
  const tookMs = Date.parse(summary.backupEnd) - Date.parse(summary.backupStart);
  return {
    ...measured,
    storedShare: summary.dataAddedPacked / summary.totalBytesProcessed,
    bytesPerMs: summary.totalBytesProcessed / Math.max(tookMs, 1),
  };
}
