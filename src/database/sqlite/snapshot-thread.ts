/**
 * The program of a thread that holds one moment of a database open and reads it, so that reading and what is done with
 * the rows take a processor each. Opened as it starts; then it answers requests one after the other.
 */
import { parentPort, workerData } from "node:worker_threads";

import { HoldfastError, isHoldfastError } from "../../lib/errors.ts";
import { freeMemory } from "../../lib/memory-pool.ts";
import type { RowBatch } from "../database.ts";
import { defaultTargetBytes } from "./reader.ts";
import { databaseFailure } from "./failure.ts";
import { partnerAt } from "./same-moment.ts";
import type { ReadLines, SnapshotAnswer, SnapshotRequest, SnapshotThreadData } from "./snapshot-messages.ts";
import { shareSnapshot, takeSnapshot, type MomentReaders } from "./take-snapshot.ts";

/** Bytes: some more than most batches have. */
const usualMemory = defaultTargetBytes + (defaultTargetBytes >>> 2);

const port = parentPort;
if (port === null) throw new HoldfastError("internal", { reason: "snapshot-thread.ts is the program of a thread" });
const { url, path, other } = workerData as SnapshotThreadData;
const running = new AbortController();
const readings = new Map<number, AsyncIterator<RowBatch>>();
let snapshot: MomentReaders | undefined;
let work = reply(async () => {
  if (other?.leads === false) {
    snapshot = await shareSnapshot(url, path, other.port, running.signal);
    return undefined;
  }
  const taken = await takeSnapshot(url, path, running.signal, other && partnerAt(other.port));
  snapshot = taken;
  return { schema: taken.schema, position: taken.position, together: taken.together };
});

port.on("message", (request: SnapshotRequest) => {
  if (request.type === "cancel") running.abort();
  else work = work.then(() => reply(() => answer(request)));
});

async function answer(request: Exclude<SnapshotRequest, { type: "cancel" }>): Promise<SnapshotValue> {
  switch (request.type) {
    case "cuts":
      return opened().reader(request.table).cuts();
    case "count":
      return opened().reader(request.table).estimatedRows();
    case "read": {
      const { reading, table, range, targetBytes } = request;
      const batches = opened().reader(table).read(range, running.signal, targetBytes);
      readings.set(reading, batches[Symbol.asyncIterator]());
      return undefined;
    }
    case "next": {
      const next = await readings.get(request.reading)?.next();
      return next === undefined || next.done === true ? undefined : intoShared(next.value, request.memory);
    }
    case "end":
      await readings.get(request.reading)?.return?.();
      readings.delete(request.reading);
      return undefined;
    case "close":
      await snapshot?.[Symbol.asyncDispose]();
      port?.close();
      return undefined;
  }
}

function opened(): MomentReaders {
  if (snapshot === undefined) throw new HoldfastError("internal", { reason: "no snapshot is open" });
  return snapshot;
}

type SnapshotValue = Extract<SnapshotAnswer, { value: unknown }>["value"];

async function reply(task: () => Promise<SnapshotValue>): Promise<void> {
  try {
    const value = await task();
    post({ value });
  } catch (error) {
    const {
      code,
      facts,
      stack = "",
    } = isHoldfastError(error) ? error : databaseFailure("database-unreadable", { subject: path }, error);
    post({ failure: { code, facts, detail: stack } });
  }
}

function intoShared({ lines, rows }: RowBatch, given: SharedArrayBuffer | undefined): ReadLines {
  const { length } = lines;
  const fits = given !== undefined && given.byteLength >= length;
  // So that later batches fit as well, though this one may be the end of a table. What is not written to costs nothing.
  const memory = fits ? given : new SharedArrayBuffer(Math.max(length + (length >>> 2), usualMemory));
  new Uint8Array(memory).set(lines);
  freeMemory(lines);
  return { memory, length, rows };
}

function post(message: SnapshotAnswer): void {
  port?.postMessage(message);
}
