import { stat } from "node:fs/promises";
import { MessageChannel, Worker } from "node:worker_threads";

import { HoldfastError } from "../../lib/errors.ts";
import { handled } from "../../lib/handled.ts";
import type { DatabaseSnapshot, RowBatch, RowKey, TableReader, TableSchema } from "../database.ts";
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

/** A database from this size on is read by two threads: a second one takes 0.05 s and 15 MB. */
const twoThreadsFrom = 64 * 1024 * 1024;
/** Parts of a table that they read in turn, and batches of each: one is at hand while the one before is taken. */
const partsAhead = 4;
const batchesOfPart = 8;

/**
 * One moment of a database, held open and read by threads of its own (`snapshot-thread.ts`). They begin to read the
 * first table at once, since whoever takes a snapshot reads it.
 */
export async function openSnapshot(url: string, path: string, signal: AbortSignal): Promise<DatabaseSnapshot> {
  const threads = await startThreads(url, path);
  const close = async (): Promise<void> => void (await Promise.all(threads.map((thread) => thread.close())));
  const cancel = () => {
    for (const thread of threads) thread.send({ type: "cancel" });
  };
  signal.addEventListener("abort", cancel, { once: true });
  try {
    const [leader] = threads;
    const { schema, position, together } = await leader.opened;
    const readers: SnapshotThreads = together ? threads : [leader];
    await Promise.all(readers.map((thread) => thread.opened));
    signal.throwIfAborted();
    const start = (read: TableRead): Promise<Reading> => startReading(readers, read);
    const [first] = schema.tables;
    let begun = first && handled(start({ ...whole, table: first }));
    return {
      schema,
      position,
      reader: (table) =>
        remoteReader(leader, table, (read) => {
          const isBegun = begun !== undefined && read.table === first && isWhole(read);
          const reading = isBegun && begun ? begun : start(read);
          if (isBegun) begun = undefined;
          return reading;
        }),
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    // Whoever cancelled says why.
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}

/** The first leads. */
type SnapshotThreads = readonly [SnapshotThread, ...SnapshotThread[]];

/** The first one chooses the moment. A second one, where it is worth it, follows if it can. */
async function startThreads(url: string, path: string): Promise<SnapshotThreads> {
  const { size } = await stat(path);
  if (size < twoThreadsFrom) return [new SnapshotThread({ url, path })];
  const { port1, port2 } = new MessageChannel();
  return [
    new SnapshotThread({ url, path, other: { port: port1, leads: true } }),
    new SnapshotThread({ url, path, other: { port: port2, leads: false } }),
  ];
}

type TableRead = Omit<ReadRequest, "type" | "reading">;

const whole = { range: {}, targetBytes: undefined };

function isWhole({ range, targetBytes }: TableRead): boolean {
  if ("only" in range) return false;
  return range.after === undefined && range.upTo === undefined && targetBytes === undefined;
}

/** By all threads where it is a large table as a whole, else by the one that leads. */
async function startReading(threads: SnapshotThreads, read: TableRead): Promise<Reading> {
  const [leader] = threads;
  const { table } = read;
  const cuts = threads.length > 1 && isWhole(read) ? await leader.ask<readonly RowKey[]>({ type: "cuts", table }) : [];
  return cuts.length === 0 ? leader.begin(read, batchesAhead) : inTurn(threads, table, cuts);
}

/** Reads the parts of a table, each by the next thread, and gives their batches in the order of the table. */
function inTurn(threads: readonly SnapshotThread[], table: TableSchema, cuts: readonly RowKey[]): Reading {
  const ranges = [...cuts, undefined].map((upTo, at) => {
    const after = cuts[at - 1];
    return { ...(after !== undefined && { after }), ...(upTo !== undefined && { upTo }) };
  });
  const begun: Reading[] = [];
  let next = 0;
  const beginNext = (): void => {
    const range = ranges[next];
    const thread = threads[next % threads.length];
    if (range === undefined || thread === undefined) return;
    begun.push(thread.begin({ table, range, targetBytes: undefined }, batchesOfPart));
    next++;
  };
  for (let part = 0; part < partsAhead; part++) beginNext();
  return {
    async next() {
      for (let [current] = begun; current !== undefined; [current] = begun) {
        const batch = await current.next();
        if (batch !== undefined) return batch;
        current.end();
        begun.shift();
        beginNext();
      }
      return undefined;
    },
    end() {
      for (const reading of begun) reading.end();
    },
  };
}

function remoteReader(
  leader: SnapshotThread,
  table: TableSchema,
  start: (read: TableRead) => Promise<Reading>,
): TableReader {
  return {
    table,
    estimatedRows: () => leader.ask<number>({ type: "count", table }),
    async *read(range, signal, targetBytes) {
      let reading: Reading | undefined;
      try {
        reading = await start({ table, range, targetBytes });
        for (;;) {
          signal.throwIfAborted();
          const batch = await reading.next();
          if (batch === undefined) return;
          yield batch;
        }
      } catch (error) {
        throw databaseFailure("database-unreadable", { subject: table.name }, error);
      } finally {
        reading?.end();
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
    this.#worker = new Worker(new URL(file, import.meta.url), {
      workerData: data,
      transferList: data.other ? [data.other.port] : [],
    });
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

  begin(read: TableRead, batches: number): Reading {
    const reading = ++this.#readings;
    const next = async (): Promise<ReadLines | undefined> => {
      const memory = this.#spare.pop();
      const answer = await this.ask<ReadLines | undefined>({ type: "next", reading, memory });
      if (answer === undefined && memory !== undefined) this.#spare.push(memory);
      return answer;
    };
    const begun = this.ask<undefined>({ type: "read", reading, ...read });
    const ahead = Array.from({ length: batches }, next);
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
