import { kindOf } from "./points.ts";
import type { Engine } from "./engine.ts";
import { databaseEngineFor } from "./engine.ts";
import type { BackupPrediction } from "./backup.ts";
import type { StartingPoint } from "./starting-point.ts";
import type { CrmParts } from "../crm/platform.ts";
import type { StoredSnapshot } from "../repository/repository.ts";
import { predictFolder } from "../contents/folders/predict-folder.ts";
import { nameFromText } from "../lib/byte-name.ts";
import type { Run } from "../lib/run.ts";

/** Speed and density of a CRM that was never backed up: 2-core machine of the benchmark, text and office files. */
const firstGuess = { bytesPerMs: 150_000, storedShare: 0.5, overheadMs: 500 };

export interface PredictionInput {
  readonly parts: CrmParts;
  readonly start: StartingPoint;
  /** This CRM's backups, oldest first. */
  readonly backups: readonly StoredSnapshot[];
}

/**
 * What the backup is likely to read, store and take: the source is counted as it is now (folders by `lstat`, tables by
 * the database's own estimate), shares and speed are those of the newest backup of the same kind, else of the newest
 * full, else a guess.
 */
export async function predict(engine: Engine, input: PredictionInput, run: Run): Promise<BackupPrediction> {
  const { parts, start } = input;
  const kind = start.kind;
  let tables = 0;
  let rows = 0;
  let rowBytes = 0;
  for (const { url } of parts.databases) {
    await using source = await databaseEngineFor(engine, url).connect(url, run.signal);
    const size = await source.estimate(run.signal);
    tables += size.tables;
    rows += size.rows;
    rowBytes += size.bytes;
  }
  let files = 0;
  let fileBytes = 0;
  for (const folder of parts.folders) {
    const seen = await predictFolder({
      path: nameFromText(folder.path),
      excludes: folder.excludes,
      ...(start.parent && kind !== "full" && { changedSince: new Date(start.parent.stored.snapshot.time) }),
      signal: run.signal,
    });
    files += seen.files;
    fileBytes += seen.bytesToRead;
  }
  const readBytes = rowBytes + fileBytes;
  const model = input.backups.findLast((stored) => kindOf(stored) === kind) ?? input.backups.at(-1);
  const { storedShare, bytesPerMs } = rates(model);
  return {
    kind,
    tables,
    rows,
    files,
    readBytes,
    storedBytes: Math.round((kind === "full" && !start.parent ? readBytes : fileBytes + rowBytes) * storedShare),
    durationMs: Math.round(firstGuess.overheadMs + readBytes / bytesPerMs),
  };
}

function rates(model: StoredSnapshot | undefined): { readonly storedShare: number; readonly bytesPerMs: number } {
  const summary = model?.snapshot.summary;
  if (!summary || summary.totalBytesProcessed === 0) return firstGuess;
  const tookMs = Date.parse(summary.backupEnd) - Date.parse(summary.backupStart);
  return {
    storedShare: summary.dataAddedPacked / summary.totalBytesProcessed,
    bytesPerMs: summary.totalBytesProcessed / Math.max(tookMs, 1),
  };
}
