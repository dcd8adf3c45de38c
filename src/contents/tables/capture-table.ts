/**
 * Tables in a snapshot.
 *
 * A table is a *base*, which is every row as lines in key order, and up to eight *runs* of changes on top of it, each
 * with whole rows and with keys that are gone. A full backup writes a base, a differential one run on the base of the
 * last full, an incremental one more run on what its parent had; every snapshot's tree names all that it needs. Base
 * and runs are cut into chunks at row ends (`line-cutter.ts`), listed in `keys` (`keys-file.ts`), and summed up in
 * `ranges` (`ranges-file.ts`), which can be compared with any copy of the table.
 *
 * Writing: `captureTable` reads the table once (`table-source.ts`), compares it with the base and the runs of the
 * snapshot before in one pass (`compare-rows.ts`), and writes a run or a base (`capture-attempt.ts`), anew where the rows turn
 * out to come in another order.
 * Reading: `openTable` (`stored-table.ts`) gives rows of base and runs together, or one row by its key.
 * Memory stays below some 60 MB whatever the size of the table.
 */
import type {
  ChangeMethod,
  FollowedRows,
  RowBatch,
  RowKey,
  TableReader,
  TableSchema,
} from "../../database/database.ts";
import type { Id } from "../../format/tree.ts";
import type { ColumnSigns } from "../../lib/row-signature.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { isDamage } from "../../repository/damage.ts";
import type { BlobReader } from "../../repository/repository.ts";
import type { BackupKind } from "../manifest.ts";
import type { Pace } from "../pace.ts";
import { OrderError } from "./base-writer.ts";
import { CaptureAttempt } from "./capture-attempt.ts";
import { cutKeyFrom } from "./cut-hash.ts";
import { totalBytes } from "./ranges-file.ts";
import { rowOrder, type RowRules, type RowOrder } from "./row-order.ts";
import type { BlobSink } from "./rows-writer.ts";
import type { TableFolder } from "./stored-parts.ts";
import { openBefore, type TableBefore } from "./table-before.ts";
import { type TableSizes, sizesFor, tableSizes } from "./table-sizes.ts";
import { type Reading, TableSource } from "./table-source.ts";

export interface CaptureTableOptions {
  readonly reader: TableReader;
  readonly rules: RowRules;
  readonly kind: BackupKind;
  /** Tree of this table's folder in the snapshot compared with. */
  readonly parent?: Id;
  readonly store: BlobSink["store"];
  /** Reads what the parent holds. */
  readonly blobs: BlobReader;
  /** `repository.secret("rows")`. */
  readonly cutKey: Buffer;
  /** RFC 3339: given to what is new in the tree. */
  readonly time: string;
  /** `reader.mark` of the snapshot compared with: an incremental backup may ask the database what changed since. */
  readonly mark?: string | undefined;
  /** Which ranges are read in full, whatever the database tells: those whose number leaves this rest when divided by `auditEvery`. */
  readonly audit: number;
  /** What the journal says was touched since: keys of rows, or the rows themselves. Comes before `mark`, and is checked as that is. */
  readonly touched?: readonly RowKey[] | FollowedRows | undefined;
  /** Sees every row once, in batches as they are read. Where it is given, all rows are read. */
  readonly onBatch?: (table: TableSchema, batch: RowBatch) => void;
  readonly onProgress?: (rows: number, bytes: number) => void;
  /** How fast rows may be read; absent: no limit. */
  readonly pace?: Pace | undefined;
  readonly signal: AbortSignal;
  /** What of each column a search finds; absent: nothing is written for searches. */
  readonly signs?: ColumnSigns | undefined;
  /** Absent: `tableSizes`. */
  readonly sizes?: TableSizes;
}

export interface TableCapture {
  /** Tree of the table's folder. */
  readonly tree: Id;
  /** Names of the parts of the base and of the runs, oldest first. */
  readonly partNames: readonly string[];
  readonly runs: readonly { readonly name: string }[];
  /** The table as it is now. */
  readonly rows: number;
  readonly bytes: number;
  readonly readRows: number;
  readonly readBytes: number;
  /** What the run holds, or the base where there was nothing to compare with. */
  readonly changedRows: number;
  readonly changedBytes: number;
  /** Lines that differ from the snapshot compared with, and from the table's last full; all when there is none. */
  readonly sincePreviousBytes: number;
  readonly sinceFullBytes: number;
  /** Rows that differ from the snapshot compared with, and how many of them are gone; absent: nothing was compared. */
  readonly sincePrevious: { readonly entries: number; readonly deleted: number } | undefined;
  /** What the repository grew by, trees left out. */
  readonly storedBytes: number;
  /** Tree id of the base. */
  readonly base: Id;
  /**
   * Why a base was written: asked for, nothing to compare with, another schema, no key, or runs that outweighed it.
   * Absent: a run was written, or nothing.
   */
  readonly newBase?: "asked" | "first" | "schema" | "unkeyed" | "folded";
  /** The engine's order was not that of keys, so the rows were sorted here. */
  readonly sorted: boolean;
  /** How what changed was found; absent where nothing was compared with. */
  readonly method?: ChangeMethod;
}

/**
 * Captures one table into a folder of the snapshot. Where the one that it would start from is damaged, all rows are
 * stored anew: nobody shall be without a backup for that, and blobs that come back make older snapshots whole again.
 */
export async function captureTable(options: CaptureTableOptions): Promise<TableCapture> {
  const { reader, rules, onBatch, onProgress, pace, signal } = options;
  const order = rowOrder(reader.table, rules);
  const source = new TableSource({ reader, order, onBatch, onProgress, pace, signal });
  try {
    return await captureFrom(options, order, source);
  } catch (error) {
    if (options.parent === undefined || !isDamage(error)) throw error;
    const { parent: _damaged, ...rest } = options;
    return await captureFrom(rest, order, source);
  }
}

async function captureFrom(options: CaptureTableOptions, order: RowOrder, source: TableSource): Promise<TableCapture> {
  const { reader, signal } = options;
  const { table } = reader;
  const sink: BlobSink = { store: options.store, storedBytes: 0 };
  const cutKey = cutKeyFrom(options.cutKey);
  const subject = `${table.schema}/${table.name}`;
  const folder: TableFolder = { reader: options.blobs, order, subject, signal };
  const before = options.parent === undefined ? undefined : await openBefore(folder, options.parent, table);
  const sizes = await chunkSizes(options, before);
  const capture = (reading: Reading): Promise<TableCapture> =>
    new CaptureAttempt({
      options,
      source,
      reading,
      folder,
      before,
      writing: { sink, table, order, cutKey, sizes, signs: options.signs },
    }).run();
  if (table.keyLength === 0) return capture("sorted-here");
  try {
    return await capture("by-key");
  } catch (error) {
    if (!(error instanceof OrderError)) throw error;
  }
  try {
    return await capture("sorted-here");
  } catch (error) {
    if (!(error instanceof OrderError)) throw error;
    throw new HoldfastError("database-unreadable", { subject, detail: "two rows with one key" });
  }
}

async function chunkSizes(
  { sizes = tableSizes, reader, signal }: CaptureTableOptions,
  before: TableBefore | undefined,
): Promise<TableSizes> {
  if (before) return sizesFor(sizes, totalBytes(before.ranges));
  const rows = await reader.estimatedRows();
  if (rows < fewRows) return sizes;
  for await (const batch of reader.read({}, signal)) {
    return sizesFor(sizes, (batch.lines.length / Math.max(batch.rows, 1)) * rows);
  }
  return sizes;
}

/** Tables with fewer rows do not need larger chunks. */
const fewRows = 5_000_000;
