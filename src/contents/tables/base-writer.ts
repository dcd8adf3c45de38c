import type { RowKey, TableSchema } from "../../database/database.ts";
import { sumBits, viewOf } from "../../database/rows.ts";
import type { Id, TreeNode } from "../../format/tree.ts";
import { layout, partName } from "../layout.ts";
import type { ColumnSigns } from "../../lib/row-signature.ts";
import { storeSearch } from "./search-file.ts";
import type { CutKey } from "./cut-hash.ts";
import { keysHeader } from "./keys-file.ts";
import { type CutChunk, type CutMark, LineCutter } from "./line-cutter.ts";
import { emptyRange, type RangeSums } from "./ranges-file.ts";
import { ascendsByBytes, keyAt, keyEnd, type RowOrder } from "./row-order.ts";
import { type BlobSink, RowsWriter, storeFile } from "./rows-writer.ts";
import type { TableSizes } from "./table-sizes.ts";
import { type KnownTree, storeTree, virtualFile, virtualFolder } from "./virtual-nodes.ts";

export interface BaseWriterOptions {
  readonly sink: BlobSink;
  readonly table: TableSchema;
  readonly order: RowOrder;
  readonly cutKey: CutKey;
  readonly sizes: TableSizes;
  readonly time: string;
  /** What of each column a search finds; absent: no `search` is written. */
  readonly signs?: ColumnSigns | undefined;
  /** Whether cuts of a base before are given. */
  readonly cuts: "new" | "inherited";
  /** The base before, whose unchanged parts keep their times. */
  readonly before: BaseBefore | undefined;
}

export interface BaseBefore extends KnownTree {
  part(name: string): Promise<KnownTree | undefined>;
}

export interface WrittenBase {
  readonly tree: Id;
  readonly partNames: readonly string[];
  readonly ranges: readonly RangeSums[];
  readonly rows: number;
  readonly bytes: number;
}

/** Thrown when lines do not come in key order: they must be sorted here then. */
export class OrderError extends Error {}

/** Writes a base: every row, in parts, with the sums of its ranges. */
export class BaseWriter {
  readonly #options: BaseWriterOptions;
  readonly #cutter: LineCutter;
  readonly #parts: TreeNode[] = [];
  readonly #ranges: RangeSums[] = [];
  #part: RowsWriter;
  #lastKey: RowKey | undefined;
  #rows = 0;
  #bytes = 0;

  constructor(options: BaseWriterOptions) {
    this.#options = options;
    this.#cutter = new LineCutter(options.sizes, options.order, options.cutKey);
    this.#part = this.#newPart();
  }

  /** Takes whole lines, whose ends may be known; a promise, to be awaited, only when chunks have to be stored. */
  add(bytes: Buffer, start: number, end: number, ends?: Int32Array): Promise<void> | undefined {
    this.#cutter.add(bytes, start, end, ends);
    return this.#cutter.hasReady ? this.#write(this.#cutter.take()) : undefined;
  }

  /** A cut of the base before lies here. */
  cutHere(mark: CutMark): void {
    this.#cutter.cutHere(mark);
  }

  async finish(): Promise<WrittenBase> {
    const { sink, before } = this.#options;
    await this.#write(this.#cutter.finish());
    await this.#finishPart();
    if (this.#ranges.length === 0) this.#ranges.push(emptyRange(undefined));
    return {
      tree: await storeTree(sink.store, this.#parts, before),
      partNames: this.#parts.map((_, index) => partName(index)),
      ranges: this.#ranges,
      rows: this.#rows,
      bytes: this.#bytes,
    };
  }

  async #write(chunks: readonly CutChunk[]): Promise<void> {
    for (const { bytes, ends, mark } of chunks) {
      const firstKey = keyAt(this.#options.order, bytes, 0, (ends[0] ?? 0) - 1);
      if (this.#startsPart(mark)) await this.#finishPart();
      const range = this.#rangeFor(mark, firstKey);
      const rows = ends.length;
      this.#digest(bytes, ends, range);
      range.rows += rows;
      range.bytes += bytes.length;
      this.#rows += rows;
      this.#bytes += bytes.length;
      await this.#part.add(bytes, rows, firstKey);
    }
  }

  /** Inherited ends of parts hold unless the part is far too small; new ones come where it grew too large. */
  #startsPart(mark: CutMark): boolean {
    const { sizes, cuts } = this.#options;
    const inherited = mark === "part" || mark === "part-and-range";
    if (this.#part.bytes === 0) return false;
    if (this.#part.keysBytes >= sizes.keysMax) return true;
    return this.#part.bytes >= (inherited ? sizes.part / 4 : cuts === "inherited" ? sizes.part * 1.5 : sizes.part);
  }

  #rangeFor(mark: CutMark, firstKey: RowKey): RangeSums {
    const { sizes, cuts, order } = this.#options;
    const last = this.#ranges.at(-1);
    const inherited = mark === "range" || mark === "part-and-range";
    // Rows of a table without a key are read back in any order, so only the sum of all can be compared. Ranges are
    // held in memory, so a long key needs a range that is worth it.
    const least = inherited ? sizes.range / 4 : cuts === "inherited" ? sizes.range * 2 : sizes.range;
    if (last && (order.keyLength === 0 || last.bytes < least || last.bytes < firstKey.length * 64)) return last;
    const range = emptyRange(last ? firstKey : undefined);
    this.#ranges.push(range);
    return range;
  }

  /** Adds the rows' hashes to the range and checks their order. */
  #digest(bytes: Buffer, ends: Int32Array, range: RangeSums): void {
    const { order } = this.#options;
    const { keyLength } = order;
    const rowSum = { low: 0, high: 0 };
    const keySum = keyLength === 0 ? rowSum : { low: 0, high: 0 };
    const view = viewOf(bytes);
    // Of the row before; none for the first, which is compared with the last of the chunk before.
    let before = -1;
    let beforeEnd = -1;
    let at = 0;
    for (const next of ends) {
      const end = next - 1;
      const stop = keyEnd(order, bytes, at, end);
      const plain = keyLength === 1 && before >= 0 && ascendsByBytes(bytes, before, beforeEnd, at, stop) === "yes";
      if (!plain) this.#inOrder(bytes, before, beforeEnd, at, stop);
      order.addHash(rowSum, view, at, end);
      if (keyLength > 0) order.addHash(keySum, view, at, stop);
      before = at;
      beforeEnd = stop;
      at = next;
    }
    this.#lastKey = bytes.toString("latin1", before, beforeEnd);
    range.keySum = BigInt.asUintN(64, range.keySum + sumBits(keySum));
    range.rowSum = BigInt.asUintN(64, range.rowSum + sumBits(rowSum));
  }

  #inOrder(bytes: Buffer, before: number, beforeEnd: number, at: number, stop: number): void {
    const { order } = this.#options;
    const last = before < 0 ? this.#lastKey : bytes.toString("latin1", before, beforeEnd);
    const step = last === undefined ? -1 : order.compare(last, bytes.toString("latin1", at, stop));
    if (step > 0 || (step === 0 && order.keyLength > 0)) throw new OrderError();
  }

  async #finishPart(): Promise<void> {
    const { sink, table, time, before } = this.#options;
    const { content, keys, signed } = await this.#part.finish();
    const search = await storeSearch(sink, this.#options.signs, signed);
    const keysBytes = Buffer.from(keysHeader(table) + keys, "latin1");
    const nodes = [
      virtualFile(layout.rows, content, this.#part.bytes, time),
      virtualFile(layout.keys, await storeFile(sink, keysBytes, "hot"), keysBytes.length, time),
      ...(search ? [virtualFile(layout.search, search.content, search.bytes, time)] : []),
    ];
    const name = partName(this.#parts.length);
    this.#parts.push(virtualFolder(name, await storeTree(sink.store, nodes, await before?.part(name)), time));
    this.#part = this.#newPart();
  }

  #newPart(): RowsWriter {
    const { sink, sizes, cuts } = this.#options;
    return new RowsWriter({
      sink,
      stream: "bulk",
      file: "r",
      blobMax: sizes.blobMax,
      known: cuts === "inherited" ? "likely" : "unlikely",
      signs: this.#options.signs,
    });
  }
}
