import type { RowBatch, TableReader, TableSchema } from "../../database/database.ts";
import type { Pace } from "../pace.ts";
import type { RowOrder } from "./row-order.ts";
import { sortedRows } from "./sorted-rows.ts";

/** Whether the database gives rows in the order of keys, or they are sorted on our side. */
export type Reading = "by-key" | "sorted-here";

/** For whoever cannot begin anew when an order turns out to be another one: numbers come in the order of keys whatever the database, its texts may not. */
export function readingOf({ keyLength, columns }: TableSchema): Reading {
  // `integer[]` is none.
  const isNumber = (type: string): boolean => /^(?:small|medium|tiny|big)?int(?:eger)?\b[^[]*$/i.test(type);
  const isByKey = keyLength > 0 && columns.slice(0, keyLength).every(({ type }) => isNumber(type));
  return isByKey ? "by-key" : "sorted-here";
}

export interface TableSourceOptions {
  readonly reader: TableReader;
  readonly order: RowOrder;
  /** Sees every row once, however often the table is read. */
  readonly onBatch?: ((table: TableSchema, batch: RowBatch) => void) | undefined;
  readonly onProgress?: ((rows: number, bytes: number) => void) | undefined;
  /** How fast they may be read; absent: no limit. */
  readonly pace?: Pace | undefined;
  readonly signal: AbortSignal;
}

/** Reads one table, always at the same moment, and counts. A batch's memory is gone when the next is asked for. */
export class TableSource {
  readonly #options: TableSourceOptions;
  /** Rows that `onBatch` has seen; each reading gives them in the same order. */
  #seen = 0;
  readRows = 0;
  readBytes = 0;

  constructor(options: TableSourceOptions) {
    this.#options = options;
  }

  rows(reading: Reading): AsyncGenerator<RowBatch, void> {
    const { order, signal } = this.#options;
    return reading === "by-key" ? this.#read() : given(sortedRows(this.#read(), order, signal));
  }

  /** To be waited for after work that the server does without giving rows. */
  async pause(): Promise<void> {
    await this.#options.pace?.take(0, 0, this.#options.signal);
  }

  /** Rows that the database gives because they changed. */
  async *counted(batches: AsyncIterable<RowBatch>): AsyncGenerator<RowBatch, void> {
    for await (const batch of batches) {
      this.#options.signal.throwIfAborted();
      this.readRows += batch.rows;
      this.readBytes += batch.lines.length;
      await this.#options.pace?.take(batch.rows, batch.lines.length, this.#options.signal);
      this.#options.onProgress?.(batch.rows, batch.lines.length);
      yield batch;
    }
  }

  async *#read(): AsyncGenerator<RowBatch, void> {
    const { reader, onBatch, onProgress, pace, signal } = this.#options;
    let rows = 0;
    for await (const batch of reader.read({}, signal)) {
      signal.throwIfAborted();
      rows += batch.rows;
      this.readRows += batch.rows;
      this.readBytes += batch.lines.length;
      // A database that is read slowly is asked slowly: whoever gives the batches waits for them to be taken.
      await pace?.take(batch.rows, batch.lines.length, signal);
      if (rows > this.#seen) {
        this.#seen = rows;
        onBatch?.(reader.table, batch);
        onProgress?.(batch.rows, batch.lines.length);
      }
      yield* given([batch]);
    }
  }
}

/** Batches whose memory is given back here and by nobody else: what is given back twice is lent to two batches at once. */
async function* given(batches: AsyncIterable<RowBatch> | Iterable<RowBatch>): AsyncGenerator<RowBatch, void> {
  for await (const { release, ...kept } of batches) {
    yield kept;
    release?.();
  }
}
