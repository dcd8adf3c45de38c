import { HoldfastError } from "../../src/lib/errors.ts";
import type { Storage } from "../../src/storage/storage.ts";

/** What happens at the `at`-th operation (counted from 1), before or after it took effect. */
export interface Fault {
  readonly at: number;
  readonly when: "before" | "after";
  readonly kind: "kill" | "fail" | "full";
}

export interface FaultStorage extends Storage {
  /** Operations seen so far: run once without a fault to learn how many there are. */
  operations(): number;
}

/**
 * The same storage, counting its changing operations (`create`, `save`, `remove`) and failing, or killing this process
 * as `kill -9` does, at a chosen one. Reads are not counted: a process that dies reading has changed nothing more.
 */
export function faultStorage(storage: Storage, fault?: Fault): FaultStorage {
  let count = 0;
  const counted = async <T>(operation: () => Promise<T>): Promise<T> => {
    count += 1;
    const hit = fault !== undefined && fault.at === count ? fault : undefined;
    if (hit?.when === "before") strike(hit);
    const result = await operation();
    if (hit?.when === "after") strike(hit);
    return result;
  };
  return {
    location: storage.location,
    traits: storage.traits,
    create: (signal) => counted(() => storage.create(signal)),
    save: (file, bytes, signal) => counted(() => storage.save(file, bytes, signal)),
    load: (file, range, signal) => storage.load(file, range, signal),
    stat: (file, signal) => storage.stat(file, signal),
    list: (kind, signal) => storage.list(kind, signal),
    remove: (file, signal) => counted(() => storage.remove(file, signal)),
    [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
    operations: () => count,
  };
}

function strike(fault: Fault): void {
  if (fault.kind === "kill") process.kill(process.pid, "SIGKILL");
  throw new HoldfastError(fault.kind === "full" ? "storage-full" : "storage-failed", { reason: "test fault" });
}
