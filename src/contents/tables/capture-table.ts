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
 * snapshot before in one pass (`compare-rows.ts`), and writes a run or a base (`run-writer.ts`, `base-writer.ts`).
 * Reading: `openTable` (`stored-table.ts`) gives rows of base and runs together, or one row by its key.
 * Memory stays below some 60 MB whatever the size of the table.
 */
import {
  type ChangeMethod,
  type FollowedRows,
  type RowBatch,
  type RowKey,
  type TableReader,
  type TableSchema,
} from "../../database/database.ts";
import type { Id, TreeNode } from "../../format/tree.ts";
import type { ColumnSigns } from "../../lib/row-signature.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { isDamage } from "../../repository/damage.ts";
import type { BlobReader } from "../../repository/repository.ts";
import { layout, runName } from "../layout.ts";
import type { BackupKind } from "../manifest.ts";
import type { Pace } from "../pace.ts";
import { BaseWriter, OrderError, type WrittenBase } from "./base-writer.ts";
import { compareRows } from "./compare-rows.ts";
import type { ChangedRow } from "./changed-rows.ts";
import { cutKeyFrom } from "./cut-hash.ts";
import { followedRows } from "./followed-rows.ts";
import { LineWindow } from "./line-window.ts";
import { Overlay } from "./overlay.ts";
import { RangeTally, serialiseRanges, totalBytes, totalRows } from "./ranges-file.ts";
import { rowOrder, type RowRules, type RowOrder } from "./row-order.ts";
import { type BlobSink, storeFile } from "./rows-writer.ts";
import { RunWriter, type RunWriterOptions } from "./run-writer.ts";
import type { BaseChunk } from "./stored-base.ts";
import { loadChunk, type TableFolder } from "./stored-parts.ts";
import { baseBefore, openBefore, type TableBefore, folderNamed } from "./table-before.ts";
import { type TableSizes, runsOutweigh, sizesFor, tableSizes } from "./table-sizes.ts";
import { type Reading, TableSource } from "./table-source.ts";
import { toldRows } from "./told-rows.ts";
import { storeTree, virtualFile, virtualFolder } from "./virtual-nodes.ts";

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
    new Capture({
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

interface CaptureInput {
  readonly options: CaptureTableOptions;
  readonly source: TableSource;
  readonly reading: Reading;
  readonly folder: TableFolder;
  readonly before: TableBefore | undefined;
  readonly writing: RunWriterOptions;
}

/** Entries of a run: rows or keys that are gone, and the bytes of their lines. */
interface Amount {
  entries: number;
  /** Of the entries, those of rows that are gone. */
  deleted: number;
  bytes: number;
}

interface Writers {
  readonly base?: BaseWriter;
  readonly own?: RunWriter | undefined;
  readonly merged?: RunWriter | undefined;
  readonly tally?: RangeTally;
}

/** What the folder of the table will hold. */
interface Result {
  readonly base: Pick<WrittenBase, "tree" | "partNames" | "ranges">;
  readonly runs: readonly { readonly name: string; readonly tree: Id }[];
  readonly own?: Id | undefined;
  readonly changed: Amount;
  readonly sinceParent: Amount;
  readonly sinceFull: Amount;
  readonly newBase?: NonNullable<TableCapture["newBase"]>;
  readonly method?: ChangeMethod;
}

class Capture {
  readonly #input: CaptureInput;

  constructor(input: CaptureInput) {
    this.#input = input;
  }

  async run(): Promise<TableCapture> {
    const { before, options, writing } = this.#input;
    if (!before) return this.#finish(await this.#first());
    if (writing.order.keyLength === 0) return this.#finish(await this.#again(before, "unkeyed"));
    const told = options.kind === "incremental" ? await this.#told(before) : undefined;
    if (told) return this.#finish(told);
    return this.#finish(options.kind === "full" ? await this.#again(before, "asked") : await this.#changes(before));
  }

  /** Nothing to compare with: every row into a new base. */
  async #first(): Promise<Result> {
    const { options, source, reading, writing } = this.#input;
    const base = new BaseWriter({ ...writing, time: options.time, cuts: "new", before: undefined });
    for await (const { lines, ends } of source.rows(reading)) await base.add(lines, 0, lines.length, ends);
    const written = await base.finish();
    const all = { entries: written.rows, deleted: 0, bytes: written.bytes };
    const newBase = options.parent !== undefined ? "schema" : writing.order.keyLength === 0 ? "unkeyed" : "first";
    return { base: written, runs: [], changed: all, sinceParent: all, sinceFull: all, newBase };
  }

  /** A new base on the cuts of the one before, and what changed since. */
  async #again(before: TableBefore, newBase: "asked" | "unkeyed"): Promise<Result> {
    const { writing } = this.#input;
    const base = this.#baseWriter(before);
    const own = writing.order.keyLength === 0 ? undefined : new RunWriter(writing);
    const { sinceBase, sinceParent } = await this.#compare(before, { base, own });
    const ownTree = own && (await this.#ownTree(own, before));
    const written = await base.finish();
    return { base: written, runs: [], own: ownTree, changed: sinceParent, sinceParent, sinceFull: sinceBase, newBase };
  }

  /** A run from what the database tells of its changes; `undefined`: the rows have to be read. */
  async #told(before: TableBefore): Promise<Result | undefined> {
    const { options, source, folder } = this.#input;
    const { reader, mark, audit } = options;
    if (options.onBatch !== undefined) return undefined;
    const followed = this.#followed();
    const found = await toldRows({ folder, before, reader, followed, audit }, mark, (batches) =>
      source.counted(batches),
    );
    return found && (await this.#runOf(before, found.rows, found.method));
  }

  #followed(): FollowedRows | undefined {
    const { touched, reader, signal } = this.#input.options;
    if (touched === undefined || "rows" in touched) return touched;
    return followedRows(reader, this.#input.writing.order, touched, signal);
  }

  async #runOf(before: TableBefore, rows: readonly ChangedRow[], method: ChangeMethod): Promise<Result | undefined> {
    const { writing } = this.#input;
    const own = new RunWriter(writing);
    const ranges = before.ranges.map((range) => ({ ...range }));
    const tally = new RangeTally(ranges, writing.order);
    for (const { key, before: was, now } of rows) {
      if (was) tally.remove(key, was);
      if (now) tally.add(key, now);
      await own.add(key, now);
    }
    const ownTree = await this.#ownTree(own, before);
    const sinceParent = { entries: own.entries, deleted: own.deleted, bytes: own.bytes };
    // A row that changed in several runs is counted in each: without its base there is nothing to compare it with.
    const sinceFull = { ...sinceParent, bytes: before.runBytes + own.bytes };
    const amounts = { own: ownTree, changed: sinceParent, sinceParent, sinceFull, method };
    if (own.entries > 0 && runsOutweigh(writing.sizes, sinceFull.bytes, totalBytes(before.ranges))) return undefined;
    const base = { tree: before.baseTree, partNames: before.partNames, ranges };
    if (before.runs.length < writing.sizes.maxRuns) {
      const added = own.entries === 0 ? [] : [{ name: nextRunName(before.runs), tree: ownTree }];
      return { ...amounts, base, runs: [...before.runs, ...added] };
    }
    return { ...amounts, base, runs: [{ name: runName(1), tree: await this.#mergedRun(before, rows) }] };
  }

  /** All runs and what changed on top of them, in one: for each key what was said last. */
  async #mergedRun(before: TableBefore, rows: readonly ChangedRow[]): Promise<Id> {
    const { options, folder, writing } = this.#input;
    const merged = new RunWriter(writing);
    const overlay = await Overlay.open(folder, before.runFiles);
    for (const { key, now } of rows) {
      while (overlay.key !== undefined && writing.order.compare(overlay.key, key) < 0) {
        await merged.add(overlay.key, overlay.line);
        await overlay.advance();
      }
      if (overlay.key === key) await overlay.advance();
      await merged.add(key, now);
    }
    for (; overlay.key !== undefined; await overlay.advance()) await merged.add(overlay.key, overlay.line);
    const runsBefore = await folderNamed(folder, before.tree, layout.runs);
    return merged.finish(options.time, runsBefore && (await folderNamed(folder, runsBefore.tree, runName(1))));
  }

  /** A run on the base that is there; a new base only when runs outweigh it. */
  async #changes(before: TableBefore): Promise<Result> {
    const { options, folder, writing } = this.#input;
    const own = new RunWriter(writing);
    const merges = options.kind === "differential" || before.runs.length >= writing.sizes.maxRuns;
    const merged = merges ? new RunWriter(writing) : undefined;
    // A copy: an attempt that ends at a row out of order must leave the sums as they were for the next one.
    const ranges = before.ranges.map((range) => ({ ...range }));
    const tally = new RangeTally(ranges, writing.order);
    const { sinceBase, sinceParent, baseBytes } = await this.#compare(before, { own, merged, tally });
    const ownTree = await this.#ownTree(own, before);
    const changed = merged ? sinceBase : sinceParent;
    const amounts = { own: ownTree, changed, sinceParent, sinceFull: sinceBase, method: "read" as const };
    const runBytes = merged ? sinceBase.bytes : before.runBytes + sinceParent.bytes;
    if (own.entries > 0 && runsOutweigh(writing.sizes, runBytes, baseBytes)) {
      // Read again, at the same moment: rows that were unchanged have not been kept.
      const base = this.#baseWriter(before);
      await this.#compare({ ...before, runFiles: [] }, { base });
      return { ...amounts, base: await base.finish(), runs: [], newBase: "folded" };
    }
    const base = { tree: before.baseTree, partNames: before.partNames, ranges };
    if (!merged) {
      const added = own.entries === 0 ? [] : [{ name: nextRunName(before.runs), tree: ownTree }];
      return { ...amounts, base, runs: [...before.runs, ...added] };
    }
    if (merged.entries === 0) return { ...amounts, base, runs: [] };
    const runsBefore = await folderNamed(folder, before.tree, layout.runs);
    const first = runsBefore && (await folderNamed(folder, runsBefore.tree, runName(1)));
    return { ...amounts, base, runs: [{ name: runName(1), tree: await merged.finish(options.time, first) }] };
  }

  async #compare(
    before: TableBefore,
    { base, own, merged, tally }: Writers,
  ): Promise<{ readonly sinceBase: Amount; readonly sinceParent: Amount; readonly baseBytes: number }> {
    const { options, source, reading, folder, writing } = this.#input;
    const sinceBase: Amount = { entries: 0, deleted: 0, bytes: 0 };
    const sinceParent: Amount = { entries: 0, deleted: 0, bytes: 0 };
    let baseBytes = 0;
    const counted = async function* (chunks: AsyncIterable<BaseChunk>): AsyncGenerator<BaseChunk, void> {
      for await (const chunk of chunks) {
        baseBytes += chunk.bytes;
        yield chunk;
      }
    };
    const window = new LineWindow(source.rows(reading));
    try {
      await compareRows(
        {
          order: writing.order,
          window,
          overlay: await Overlay.open(folder, before.runFiles),
          chunks: counted(before.base.chunks()),
          load: (chunk) => loadChunk(folder, chunk),
          rangeStarts: new Set(before.ranges.flatMap(({ firstKey }) => firstKey ?? [])),
          signal: options.signal,
        },
        {
          lines: (bytes, start, end) => base?.add(bytes, start, end),
          cut: (mark) => base?.cutHere(mark),
          sinceBase: (key, now) => {
            addEntry(sinceBase, key, now);
            return merged?.add(key, now);
          },
          sinceParent: (key, old, now) => {
            addEntry(sinceParent, key, now);
            if (old) tally?.remove(key, old);
            if (now) tally?.add(key, now);
            return own?.add(key, now);
          },
        },
      );
    } finally {
      await window.close();
    }
    return { sinceBase, sinceParent, baseBytes };
  }

  async #finish(result: Result): Promise<TableCapture> {
    const { options, source, reading, folder, before, writing } = this.#input;
    const { store, time } = options;
    const { base, runs, own } = result;
    const runNodes = runs.map(({ name, tree }) => virtualFolder(name, tree, time));
    const runsBefore = before && (await folderNamed(folder, before.tree, layout.runs));
    const ranges = serialiseRanges(base.ranges);
    const nodes: TreeNode[] = [
      virtualFolder(layout.base, base.tree, time),
      virtualFolder(layout.runs, await storeTree(store, runNodes, runsBefore), time),
      virtualFile(layout.ranges, await storeFile(writing.sink, ranges, "hot"), ranges.length, time),
    ];
    if (own !== undefined) nodes.push(virtualFolder(layout.own, own, time));
    return {
      tree: await storeTree(store, nodes, before),
      partNames: base.partNames,
      runs,
      rows: totalRows(base.ranges),
      bytes: totalBytes(base.ranges),
      readRows: source.readRows,
      readBytes: source.readBytes,
      changedRows: result.changed.entries,
      changedBytes: result.changed.bytes,
      sincePrevious: before === undefined ? undefined : result.sinceParent,
      sincePreviousBytes: result.sinceParent.bytes,
      sinceFullBytes: result.sinceFull.bytes,
      storedBytes: writing.sink.storedBytes,
      base: base.tree,
      ...(result.newBase !== undefined && { newBase: result.newBase }),
      sorted: reading === "sorted-here",
      ...(result.method !== undefined && { method: result.method }),
    };
  }

  #baseWriter(before: TableBefore): BaseWriter {
    const { options, folder, writing } = this.#input;
    const { time } = options;
    return new BaseWriter({ ...writing, time, cuts: "inherited", before: baseBefore(folder, before) });
  }

  /** Tree of `own/`: empty when nothing changed. */
  async #ownTree(own: RunWriter, before: TableBefore): Promise<Id> {
    const { options, folder } = this.#input;
    const known = await folderNamed(folder, before.tree, layout.own);
    return own.entries === 0 ? storeTree(options.store, [], known) : own.finish(options.time, known);
  }
}

function addEntry(amount: Amount, key: string, now: Buffer | undefined): void {
  amount.entries++;
  if (!now) amount.deleted++;
  amount.bytes += (now ? now.length : key.length) + 1;
}

function nextRunName(runs: readonly { readonly name: string }[]): string {
  return runName(Number(runs.at(-1)?.name ?? 0) + 1);
}
