import { Worker } from "node:worker_threads";

import { HoldfastError } from "../../lib/errors.ts";
import type { DatabaseSnapshot, RowBatch, TableReader, TableSchema } from "../database.ts";
import { databaseFailure } from "./failure.ts";
import type {
  OpenedSnapshot,
  ReadLines,
  ReadRequest,
  SnapshotAnswer,
  SnapshotRequest,
  SnapshotThreadData,
} from "./snapshot-messages.ts";

/** Batches that are read ahead of whoever takes them, 512 KiB each: enough to bridge a pause of 0.1 s. */
const batchesAhead = 32;

/**
 * One moment of a database, held open and read by a thread of its own (`snapshot-thread.ts`). It begins to read the
 * first table at once, since whoever takes a snapshot reads it.
 */
export async function openSnapshot(url: string, path: string, signal: AbortSignal): Promise<DatabaseSnapshot> {
  const thread = new SnapshotThread({ url, path });
  const cancel = () => thread.send({ type: "cancel" });
  signal.addEventListener("abort", cancel, { once: true });
  try {
    const { schema, position } = await thread.opened;
    signal.throwIfAborted();
    const [first] = schema.tables;
    let begun = first && thread.begin({ ...whole, table: first });
    const begin = (read: TableRead): Reading => {
      const isBegun = begun !== undefined && read.table === first && isWhole(read);
      const reading = isBegun && begun ? begun : thread.begin(read);
      if (isBegun) begun = undefined;
      return reading;
    };
    return {
      schema,
      position,
      reader: (table) => remoteReader(thread, table, begin),
      [Symbol.asyncDispose]: () => thread.close(),
    };
  } catch (error) {
    await thread.close();
    // Whoever cancelled says why.
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}

type TableRead = Omit<ReadRequest, "type" | "reading">;

const whole = { range: {}, targetBytes: undefined };

function isWhole({ range, targetBytes }: TableRead): boolean {
  if ("only" in range) return false;
  return range.after === undefined && range.upTo === undefined && targetBytes === undefined;
}

function remoteReader(thread: SnapshotThread, table: TableSchema, begin: (read: TableRead) => Reading): TableReader {
  return {
    table,
    estimatedRows: () => thread.ask<number>({ type: "count", table }),
    async *read(range, signal, targetBytes) {
      const reading = begin({ table, range, targetBytes });
      try {
        for (;;) {
          signal.throwIfAborted();
          const batch = await reading.next();
          if (batch === undefined) return;
          yield batch;
        }
      } catch (error) {
        throw databaseFailure("database-unreadable", { subject: table.name }, error);
      } finally {
        reading.end();
      }
    },
  };
}

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

/** One reading of a table, some batches ahead of whoever takes them. */
interface Reading {
  /** `undefined` after the last. */
  next(): Promise<RowBatch | undefined>;
  end(): void;
}

/** The thread, seen from outside. */
class SnapshotThread {
  readonly #worker: Worker;
  /** It answers in the order in which it is asked. */
  readonly #waiting: Waiting[] = [];
  readonly #ended = Promise.withResolvers<void>();
  #failure: unknown;
  #readings = 0;
  /** Memory of batches that were given back. */
  readonly #spare: SharedArrayBuffer[] = [];
  readonly opened: Promise<OpenedSnapshot>;

  constructor(data: SnapshotThreadData) {
    const file = import.meta.url.endsWith(".ts") ? "./snapshot-thread.ts" : "./snapshot-thread.js";
    this.#worker = new Worker(new URL(file, import.meta.url), { workerData: data });
    this.opened = this.#answer<OpenedSnapshot>();
    this.#worker.on("message", (answer: SnapshotAnswer) => this.#receive(answer));
    this.#worker.on("error", (error) => this.#fail(error));
    this.#worker.on("exit", () => {
      this.#fail(new HoldfastError("internal", { reason: "the thread of a database ended" }));
      this.#ended.resolve();
    });
  }

  send(request: SnapshotRequest): void {
    this.#worker.postMessage(request);
  }

  ask<T>(request: SnapshotRequest): Promise<T> {
    this.send(request);
    return this.#answer<T>();
  }

  begin(read: TableRead): Reading {
    const reading = ++this.#readings;
    const next = () => this.ask<ReadLines | undefined>({ type: "next", reading, memory: this.#spare.pop() });
    const begun = this.ask<undefined>({ type: "read", reading, ...read });
    const ahead = Array.from({ length: batchesAhead }, next);
    return {
      next: async () => {
        await begun;
        const answer = await ahead.shift();
        if (answer === undefined) return undefined;
        ahead.push(next());
        const { memory, length, rows } = answer;
        return { lines: Buffer.from(memory, 0, length), rows, release: () => void this.#spare.push(memory) };
      },
      end: () => void this.ask({ type: "end", reading }),
    };
  }

  async close(): Promise<void> {
    this.send({ type: "cancel" });
    void this.ask({ type: "close" });
    await this.#ended.promise;
  }

  #answer<T>(): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    promise.catch(() => undefined); // told where it is awaited, which may be never
    if (this.#failure === undefined) this.#waiting.push({ resolve, reject });
    else reject(this.#failure);
    return promise;
  }

  #receive(answer: SnapshotAnswer): void {
    const waiting = this.#waiting.shift();
    if ("failure" in answer) {
      const { code, facts, detail } = answer.failure;
      waiting?.reject(new HoldfastError(code, facts, detail));
    } else waiting?.resolve(answer.value as never);
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }
}
