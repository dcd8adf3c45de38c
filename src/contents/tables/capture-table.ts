import type { RowBatch, TableReader, TableSchema } from "../../database/database.ts";
import type { Id, Tree, TreeNode } from "../../format/tree.ts";
import { HoldfastError } from "../../lib/errors.ts";
import type { BlobReader, Upload } from "../../repository/repository.ts";
import { layout, runName } from "../layout.ts";
import type { BackupKind } from "../manifest.ts";
import { type BaseBefore, BaseWriter, OrderError } from "./base-writer.ts";
import { compareRows } from "./compare-rows.ts";
import { type CutKey, cutKeyFrom } from "./cut-hash.ts";
import type { KeysFile } from "./keys-file.ts";
import { LineWindow } from "./line-window.ts";
import { Overlay } from "./overlay.ts";
import { type RangeSums, RangeTally, serialiseRanges, totalBytes, totalRows } from "./ranges-file.ts";
import { rowOrder, type RowOrder, type RowRules } from "./row-order.ts";
import { type BlobSink, storeFile } from "./rows-writer.ts";
import { RunWriter } from "./run-writer.ts";
import { sortedRows } from "./sorted-rows.ts";
import type { BaseChunk } from "./stored-base.ts";
import { loadChunk, loadPart, type TableFolder } from "./stored-parts.ts";
import { openTableFolder, type TableFolderParts } from "./stored-table.ts";
import { runsOutweigh, sizesFor, tableSizes, type TableSizes } from "./table-sizes.ts";
import { virtualFile, virtualFolder, virtualTree } from "./virtual-nodes.ts";

export interface CaptureTableOptions {
  readonly reader: TableReader;
  readonly rules: RowRules;
  readonly kind: BackupKind;
  /** Tree of this table's folder in the snapshot compared with. */
  readonly parent?: Id;
  readonly store: Upload;
  /** Reads what the parent holds. */
  readonly blobs: BlobReader;
  /** `repository.secret("rows")`. */
  readonly cutKey: Buffer;
  /** RFC 3339: given to what is new in the tree. */
  readonly time: string;
  /** Sees every row once, in batches as they are read. */
  readonly onBatch?: (table: TableSchema, batch: RowBatch) => void;
  readonly onProgress?: (rows: number, bytes: number) => void;
  readonly signal: AbortSignal;
  /** For tests. */
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
}

/** Captures one table into a folder of the snapshot. */
export async function captureTable(options: CaptureTableOptions): Promise<TableCapture> {
  const keyed = options.reader.table.keyLength > 0;
  if (!keyed) return new Capture(options, "sorted-here", options.onBatch).run();
  try {
    return await new Capture(options, "by-key", options.onBatch).run();
  } catch (error) {
    if (!(error instanceof OrderError)) throw error;
  }
  try {
    return await new Capture(options, "sorted-here", undefined).run();
  } catch (error) {
    if (!(error instanceof OrderError)) throw error;
    const { schema, name } = options.reader.table;
    throw new HoldfastError("database-unreadable", { table: `${schema}.${name}`, reason: "two rows with one key" });
  }
}

/** What the snapshot compared with holds of the table. */
interface Before extends TableFolderParts {
  readonly tree: Tree;
  readonly runFiles: readonly KeysFile[];
}

interface Sizes {
  entries: number;
  bytes: number;
}

type Reading = "by-key" | "sorted-here";

class Capture {
  readonly #options: CaptureTableOptions;
  readonly #reading: Reading;
  readonly #onBatch: CaptureTableOptions["onBatch"];
  readonly #order: RowOrder;
  readonly #folder: TableFolder;
  readonly #cutKey: CutKey;
  readonly #sink: BlobSink;
  #readRows = 0;
  #readBytes = 0;

  constructor(options: CaptureTableOptions, reading: Reading, onBatch: CaptureTableOptions["onBatch"]) {
    const { table } = options.reader;
    this.#options = options;
    this.#reading = reading;
    this.#onBatch = onBatch;
    this.#order = rowOrder(table, options.rules);
    this.#cutKey = cutKeyFrom(options.cutKey);
    this.#sink = { store: options.store, storedBytes: 0 };
    this.#folder = {
      reader: options.blobs,
      order: this.#order,
      subject: `${table.schema}/${table.name}`,
      signal: options.signal,
    };
  }

  async run(): Promise<TableCapture> {
    const found = await this.#before();
    if (typeof found !== "object") return this.#first(found);
    if (this.#order.keyLength === 0) return this.#again(found, "unkeyed");
    return this.#options.kind === "full" ? this.#again(found, "asked") : this.#changes(found);
  }

  /** Nothing to compare with: every row into a new base. */
  async #first(reason: "first" | "schema"): Promise<TableCapture> {
    const sizes = await this.#sizes(undefined);
    const base = this.#baseWriter(sizes, undefined);
    for await (const { lines } of this.#rows(this.#onBatch)) await base.add(lines, 0, lines.length);
    const written = await base.finish();
    const all = { entries: written.rows, bytes: written.bytes };
    const { keyLength } = this.#order;
    return this.#finish(undefined, written, [], undefined, {
      changed: all,
      sinceParent: all,
      sinceFull: all,
      newBase: keyLength === 0 && reason === "first" ? "unkeyed" : reason,
    });
  }

  /** A new base on the cuts of the one before, and what changed since. */
  async #again(before: Before, reason: "asked" | "unkeyed"): Promise<TableCapture> {
    const sizes = await this.#sizes(before);
    const base = this.#baseWriter(sizes, before);
    const own = this.#order.keyLength === 0 ? undefined : this.#runWriter(sizes);
    const { sinceBase, sinceParent } = await this.#compare(before, { base, own }, this.#onBatch);
    const written = await base.finish();
    return this.#finish(before, written, [], await this.#ownTree(own, before), {
      changed: sinceParent,
      sinceParent,
      sinceFull: sinceBase,
      newBase: reason,
    });
  }

  /** A run on the base that is there; a new base only when runs outweigh it. */
  async #changes(before: Before): Promise<TableCapture> {
    const { kind, time } = this.#options;
    const sizes = await this.#sizes(before);
    const own = this.#runWriter(sizes);
    const merges = kind === "differential" || before.runs.length >= sizes.maxRuns;
    const merged = merges ? this.#runWriter(sizes) : undefined;
    const tally = new RangeTally(before.ranges, this.#order);
    const { sinceBase, sinceParent, baseBytes } = await this.#compare(before, { own, merged, tally }, this.#onBatch);
    const amounts = { changed: merged ? sinceBase : sinceParent, sinceParent, sinceFull: sinceBase };
    const ownTree = await this.#ownTree(own, before);
    const runBytes = merged ? sinceBase.bytes : sinceParent.bytes + fileBytes(before.runFiles);
    if (own.entries > 0 && runsOutweigh(sizes, runBytes, baseBytes)) {
      // Read again, at the same moment: rows that were unchanged have not been kept.
      const base = this.#baseWriter(sizes, before);
      await this.#compare({ ...before, runFiles: [] }, { base }, undefined);
      const written = await base.finish();
      return this.#finish(before, written, [], ownTree, { ...amounts, newBase: "folded" });
    }
    const runs = merged ? [] : [...before.runs];
    if (merged && merged.entries > 0) {
      const old = await this.#treeIn(before.runs.find((run) => run.name === runName(1))?.tree);
      runs.push({ name: runName(1), tree: await merged.finish(time, old) });
    } else if (!merged && own.entries > 0 && ownTree !== undefined) {
      runs.push({ name: nextRunName(before.runs), tree: ownTree });
    }
    const kept = { tree: before.baseTree, partNames: before.partNames, ranges: before.ranges };
    return this.#finish(before, kept, runs, ownTree, amounts);
  }

  async #compare(
    before: Before,
    writers: {
      readonly base?: BaseWriter;
      readonly own?: RunWriter | undefined;
      readonly merged?: RunWriter | undefined;
      readonly tally?: RangeTally;
    },
    onBatch: CaptureTableOptions["onBatch"],
  ): Promise<{ readonly sinceBase: Sizes; readonly sinceParent: Sizes; readonly baseBytes: number }> {
    const sinceBase: Sizes = { entries: 0, bytes: 0 };
    const sinceParent: Sizes = { entries: 0, bytes: 0 };
    let baseBytes = 0;
    const { base, own, merged, tally } = writers;
    const window = new LineWindow(this.#rows(onBatch));
    const counted = async function* (chunks: AsyncIterable<BaseChunk>): AsyncGenerator<BaseChunk, void> {
      for await (const chunk of chunks) {
        baseBytes += chunk.bytes;
        yield chunk;
      }
    };
    try {
      await compareRows(
        {
          order: this.#order,
          window,
          overlay: await Overlay.open(this.#folder, before.runFiles),
          chunks: counted(before.base.chunks()),
          load: (chunk) => loadChunk(this.#folder, chunk),
          rangeStarts: new Set(before.ranges.flatMap(({ firstKey }) => firstKey ?? [])),
          signal: this.#options.signal,
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

  async #finish(
    before: Before | undefined,
    base: {
      readonly tree: Id;
      readonly partNames: readonly string[];
      readonly ranges: readonly RangeSums[];
    },
    runs: readonly { readonly name: string; readonly tree: Id }[],
    own: Id | undefined,
    amounts: {
      readonly changed: Sizes;
      readonly sinceParent: Sizes;
      readonly sinceFull: Sizes;
      readonly newBase?: NonNullable<TableCapture["newBase"]>;
    },
  ): Promise<TableCapture> {
    const { store, time } = this.#options;
    const runNodes = runs.map(({ name, tree }) => virtualFolder(name, tree, time));
    const oldRuns = await this.#treeIn(before?.tree.nodes.find((node) => node.name === layout.runs)?.subtree);
    const ranges = serialiseRanges(base.ranges);
    const nodes: TreeNode[] = [
      virtualFolder(layout.base, base.tree, time),
      virtualFolder(layout.runs, await store.tree(virtualTree(runNodes, oldRuns)), time),
      virtualFile(layout.ranges, await storeFile(this.#sink, ranges, "hot"), ranges.length, time),
    ];
    if (own !== undefined) nodes.push(virtualFolder(layout.own, own, time));
    return {
      tree: await store.tree(virtualTree(nodes, before?.tree)),
      partNames: base.partNames,
      runs,
      rows: totalRows(base.ranges),
      bytes: totalBytes(base.ranges),
      readRows: this.#readRows,
      readBytes: this.#readBytes,
      changedRows: amounts.changed.entries,
      changedBytes: amounts.changed.bytes,
      sincePreviousBytes: amounts.sinceParent.bytes,
      sinceFullBytes: amounts.sinceFull.bytes,
      storedBytes: this.#sink.storedBytes,
      base: base.tree,
      ...(amounts.newBase !== undefined && { newBase: amounts.newBase }),
      sorted: this.#reading === "sorted-here",
    };
  }

  /** `first`: nothing is there to compare with; `schema`: what is there has other columns. */
  async #before(): Promise<Before | "first" | "schema"> {
    const { parent, blobs, reader } = this.#options;
    if (parent === undefined) return "first";
    const parts = await openTableFolder(this.#folder, parent);
    const { fingerprint, keyLength } = parts.base.header;
    if (fingerprint !== reader.table.fingerprint || keyLength !== reader.table.keyLength) return "schema";
    const tree = await blobs.loadTree(parent, this.#options.signal);
    const runFiles: KeysFile[] = [];
    for (const run of parts.runs) runFiles.push(await loadPart(this.#folder, run.tree));
    return { ...parts, tree, runFiles };
  }

  async *#rows(onBatch: CaptureTableOptions["onBatch"]): AsyncGenerator<RowBatch, void> {
    const { reader, signal } = this.#options;
    const read = this.#counted(reader.read({}, signal), onBatch);
    yield* this.#reading === "by-key" ? read : sortedRows(read, this.#order, signal);
  }

  async *#counted(
    batches: AsyncIterable<RowBatch>,
    onBatch: CaptureTableOptions["onBatch"],
  ): AsyncGenerator<RowBatch, void> {
    const { reader, onProgress, signal } = this.#options;
    for await (const batch of batches) {
      signal.throwIfAborted();
      this.#readRows += batch.rows;
      this.#readBytes += batch.lines.length;
      onBatch?.(reader.table, batch);
      onProgress?.(batch.rows, batch.lines.length);
      yield batch;
    }
  }

  async #sizes(before: Before | undefined): Promise<TableSizes> {
    const sizes = this.#options.sizes ?? tableSizes;
    if (before) return sizesFor(sizes, totalBytes(before.ranges));
    const { reader, signal } = this.#options;
    const rows = await reader.estimatedRows();
    if (rows < 10_000_000) return sizes;
    for await (const { lines, rows: sample } of reader.read({}, signal)) {
      return sizesFor(sizes, (lines.length / Math.max(sample, 1)) * rows);
    }
    return sizes;
  }

  #baseWriter(sizes: TableSizes, before: Before | undefined): BaseWriter {
    return new BaseWriter({
      sink: this.#sink,
      table: this.#options.reader.table,
      order: this.#order,
      cutKey: this.#cutKey,
      sizes,
      time: this.#options.time,
      cuts: before ? "inherited" : "new",
      before: before && this.#baseBefore(before),
    });
  }

  #baseBefore(before: Before): BaseBefore {
    const load = this.#treeIn(before.baseTree);
    load.catch(() => {}); // told where it is awaited
    return {
      tree: load,
      part: async (name) => this.#treeIn((await load)?.nodes.find((node) => node.name === name)?.subtree),
    };
  }

  #runWriter(sizes: TableSizes): RunWriter {
    return new RunWriter({
      sink: this.#sink,
      table: this.#options.reader.table,
      order: this.#order,
      cutKey: this.#cutKey,
      sizes,
    });
  }

  /** Tree of `own/`: empty when nothing changed. */
  async #ownTree(own: RunWriter | undefined, before: Before): Promise<Id | undefined> {
    if (!own) return undefined;
    if (own.entries === 0) return this.#options.store.tree({ nodes: [] });
    const old = before.tree.nodes.find((node) => node.name === layout.own)?.subtree;
    return own.finish(this.#options.time, await this.#treeIn(old));
  }

  async #treeIn(id: Id | undefined): Promise<Tree | undefined> {
    return id === undefined ? undefined : this.#options.blobs.loadTree(id, this.#options.signal);
  }
}

function addEntry(sizes: Sizes, key: string, now: Buffer | undefined): void {
  sizes.entries++;
  sizes.bytes += (now ? now.length : key.length) + 1;
}

function fileBytes(runs: readonly KeysFile[]): number {
  let bytes = 0;
  for (const run of runs) for (const chunk of [...run.rows, ...run.deleted]) bytes += chunk.bytes;
  return bytes;
}

function nextRunName(runs: readonly { readonly name: string }[]): string {
  const last = Number(runs.at(-1)?.name ?? 0);
  return runName((Number.isSafeInteger(last) ? last : runs.length) + 1);
}
