import type { RowKey, TableSchema } from "../../database/database.ts";
import type { Id } from "../../format/tree.ts";
import { layout } from "../layout.ts";
import type { ColumnSigns } from "../../lib/row-signature.ts";
import { storeSearch } from "./search-file.ts";
import type { CutKey } from "./cut-hash.ts";
import { keysHeader } from "./keys-file.ts";
import { type CutChunk, LineCutter } from "./line-cutter.ts";
import { keyAt, type RowOrder } from "./row-order.ts";
import { type BlobSink, RowsWriter, storeFile } from "./rows-writer.ts";
import type { TableSizes } from "./table-sizes.ts";
import { type KnownTree, storeTree, virtualFile } from "./virtual-nodes.ts";

export interface RunWriterOptions {
  readonly sink: BlobSink;
  readonly table: TableSchema;
  readonly order: RowOrder;
  readonly cutKey: CutKey;
  readonly sizes: TableSizes;
  /** What of each column a search finds; absent: no `search` is written. */
  readonly signs?: ColumnSigns | undefined;
}

/** Writes a run: rows that are new or changed, and keys that are gone, given in key order. */
export class RunWriter {
  readonly #options: RunWriterOptions;
  readonly #rows: ChunkedFile;
  readonly #deleted: ChunkedFile;
  /** Entries, and bytes of their lines. */
  entries = 0;
  /** Of the entries, those that are keys of rows that are gone. */
  deleted = 0;
  bytes = 0;

  constructor(options: RunWriterOptions) {
    this.#options = options;
    this.#rows = new ChunkedFile(options, options.order, "r");
    // A line of `deleted` is a key and nothing else.
    this.#deleted = new ChunkedFile(options, { ...options.order, keyLength: 0 }, "d");
  }

  /** `undefined`: deleted. A promise, to be awaited, only when chunks have to be stored. */
  add(key: RowKey, line: Buffer | undefined): Promise<void> | undefined {
    this.entries++;
    if (line === undefined) this.deleted++;
    this.bytes += line ? line.length + 1 : key.length + 1;
    return line ? this.#rows.add(line) : this.#deleted.add(Buffer.from(key, "latin1"));
  }

  /** The folder's tree; a run that is the one `before` again keeps its times. */
  async finish(time: string, before: KnownTree | undefined): Promise<Id> {
    const { sink, table } = this.#options;
    const rows = await this.#rows.finish();
    const deleted = await this.#deleted.finish();
    const search = await storeSearch(sink, this.#options.signs, rows.signed);
    const keys = Buffer.from(keysHeader(table) + rows.keys + deleted.keys, "latin1");
    const nodes = [
      virtualFile(layout.rows, rows.content, rows.bytes, time),
      virtualFile(layout.deleted, deleted.content, deleted.bytes, time),
      virtualFile(layout.keys, await storeFile(sink, keys, "hot"), keys.length, time),
      ...(search ? [virtualFile(layout.search, search.content, search.bytes, time)] : []),
    ];
    return storeTree(sink.store, nodes, before);
  }
}

/** Lines, cut and stored. */
class ChunkedFile {
  readonly #order: RowOrder;
  readonly #cutter: LineCutter;
  readonly #writer: RowsWriter;

  constructor(options: RunWriterOptions, order: RowOrder, file: "r" | "d") {
    this.#order = order;
    this.#cutter = new LineCutter(options.sizes, order, options.cutKey);
    this.#writer = new RowsWriter({
      sink: options.sink,
      stream: "hot",
      file,
      blobMax: options.sizes.blobMax,
      known: "likely",
      signs: file === "r" ? options.signs : undefined,
    });
  }

  add(line: Buffer): Promise<void> | undefined {
    this.#cutter.add(line, 0, line.length);
    this.#cutter.endLine();
    return this.#cutter.hasReady ? this.#write(this.#cutter.take()) : undefined;
  }

  async finish(): Promise<Awaited<ReturnType<RowsWriter["finish"]>> & { readonly bytes: number }> {
    await this.#write(this.#cutter.finish());
    return { ...(await this.#writer.finish()), bytes: this.#writer.bytes };
  }

  async #write(chunks: readonly CutChunk[]): Promise<void> {
    for (const { bytes, ends } of chunks) {
      await this.#writer.add(bytes, ends.length, keyAt(this.#order, bytes, 0, (ends[0] ?? 0) - 1));
    }
  }
}
