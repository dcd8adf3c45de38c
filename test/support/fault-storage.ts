import { type ErrorCode, HoldfastError } from "../../src/lib/errors.ts";
import type { Storage } from "../../src/storage/storage.ts";

/**
 * What happens at the `at`-th operation (counted from 1), before or after it took effect.
 *
 * `kill`: this process ends as by `kill -9`. `fail`, `full`: that operation fails. `expired`, `clock`: from then on
 * everything is refused, reads too, as of a login that has run out or of a clock that somebody set.
 */
export interface Fault {
  readonly at: number;
  readonly when: "before" | "after";
  readonly kind: "kill" | "fail" | "full" | "expired" | "clock";
}

export interface FaultStorage extends Storage {
  /** Operations seen so far: run once without a fault to learn how many there are. */
  operations(): number;
}

/** Of one process: operations on all storages that it opens are counted together. */
export interface FaultCounter {
  operations: number;
}

const refusals: Readonly<Partial<Record<Fault["kind"], ErrorCode>>> = {
  expired: "storage-login",
  clock: "storage-clock",
};

/**
 * The same storage, counting its changing operations (`create`, `save`, `remove`) and failing, or killing this process
 * as `kill -9` does, at a chosen one. Reads are not counted: a process that dies reading has changed nothing more.
 */
export function faultStorage(storage: Storage, fault?: Fault, counter: FaultCounter = { operations: 0 }): FaultStorage {
  const refuseLate = (): void => {
    const code = fault && refusals[fault.kind];
    if (code === undefined || fault === undefined) return;
    const isOver = fault.when === "before" ? counter.operations >= fault.at : counter.operations > fault.at;
    if (isOver) throw new HoldfastError(code, { location: storage.location, reason: "test fault" });
  };
  const counted = async <T>(operation: () => Promise<T>): Promise<T> => {
    counter.operations += 1;
    const hit = fault !== undefined && fault.at === counter.operations ? fault : undefined;
    refuseLate();
    if (hit?.when === "before") strike(hit);
    const result = await operation();
    if (hit?.when === "after") strike(hit);
    return result;
  };
  const asked = async <T>(operation: () => Promise<T>): Promise<T> => {
    refuseLate();
    return operation();
  };
  return {
    ...storage,
    create: (signal) => counted(() => storage.create(signal)),
    save: (file, bytes, signal) => counted(() => storage.save(file, bytes, signal)),
    load: (file, range, signal) => asked(() => storage.load(file, range, signal)),
    stat: (file, signal) => asked(() => storage.stat(file, signal)),
    async *list(kind, signal) {
      refuseLate();
      yield* storage.list(kind, signal);
    },
    remove: (file, signal) => counted(() => storage.remove(file, signal)),
    operations: () => counter.operations,
  };
}

function strike({ kind }: Fault): void {
  if (kind === "kill") process.kill(process.pid, "SIGKILL");
  if (refusals[kind] !== undefined) return;
  throw new HoldfastError(kind === "full" ? "storage-full" : "storage-failed", { reason: "test fault" });
}
