import { HoldfastError } from "../../src/lib/errors.ts";
import type { Storage } from "../../src/storage/storage.ts";

/**
 * How it ends at the `at`-th changing operation (counted from 1). `dead`: as for a process that was killed right before
 * or right after it, nothing happens any more. `full`: nothing more can be saved; removing goes on working.
 */
export interface Ending {
  readonly at: number;
  readonly kind: "dead before" | "dead after" | "full";
}

export interface EndingStorage extends Storage {
  /** Changing operations (`save`, `remove`) so far: run once without an end to learn how many there are. */
  operations(): number;
}

export function endingStorage(storage: Storage, ending?: Ending): EndingStorage {
  let count = 0;
  let isDead = false;
  const dead = (): HoldfastError => new HoldfastError("storage-failed", { reason: "killed" });
  const alive = <T>(operation: () => T): T => {
    if (isDead) throw dead();
    return operation();
  };
  const changing = async (operation: () => Promise<void>, what: "save" | "remove"): Promise<void> => {
    if (isDead) throw dead();
    count += 1;
    if (ending === undefined || count < ending.at) return operation();
    if (ending.kind === "full") {
      if (what === "save") throw new HoldfastError("storage-full", { path: "test" });
      return operation();
    }
    isDead = true;
    if (ending.kind === "dead after") await operation();
    throw dead();
  };
  return {
    location: storage.location,
    traits: storage.traits,
    create: (signal) => alive(() => storage.create(signal)),
    save: (file, bytes, signal) => changing(() => storage.save(file, bytes, signal), "save"),
    load: async (file, range, signal) => alive(() => storage.load(file, range, signal)),
    stat: async (file, signal) => alive(() => storage.stat(file, signal)),
    list: (kind, signal) => alive(() => storage.list(kind, signal)),
    remove: (file, signal) => changing(() => storage.remove(file, signal), "remove"),
    [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
    operations: () => count,
  };
}
