import type { ChangeMethod, FollowedRows } from "../../database/database.ts";
import type { Id, TreeNode } from "../../format/tree.ts";
import { layout, runName } from "../layout.ts";
import { BaseWriter, type WrittenBase } from "./base-writer.ts";
import type { CaptureTableOptions, TableCapture } from "./capture-table.ts";
import type { ChangedRow } from "./changed-rows.ts";
import { compareRows } from "./compare-rows.ts";
import { followedRows } from "./followed-rows.ts";
import { LineWindow } from "./line-window.ts";
import { Overlay } from "./overlay.ts";
import { RangeTally, serialiseRanges, totalBytes, totalRows } from "./ranges-file.ts";
import { storeFile } from "./rows-writer.ts";
import { RunWriter, type RunWriterOptions } from "./run-writer.ts";
import type { BaseChunk } from "./stored-base.ts";
import { loadChunk, type TableFolder } from "./stored-parts.ts";
import { baseBefore, type TableBefore, folderNamed } from "./table-before.ts";
import { runsOutweigh } from "./table-sizes.ts";
import type { Reading, TableSource } from "./table-source.ts";
import { toldRows } from "./told-rows.ts";
import { storeTree, virtualFile, virtualFolder } from "./virtual-nodes.ts";

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

/** Captures a table as it is read in one way: what it is compared with is left as it was, should another attempt follow. */
export class CaptureAttempt {
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
    const input = { folder, before, reader, followed, audit, pause: () => source.pause() };
    const found = await toldRows(input, mark, (batches) => source.counted(batches));
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
