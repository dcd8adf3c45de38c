import type { Storage } from "./storage.ts";

/** Kept for whoever comes next: from one step of a command to the next, not from one command to another. */
const keptMs = 2000;

/** `brief`: a few small files; somebody else may use it at the same time. */
export type StorageUse = "brief" | "long";

interface Kept {
  readonly name: string;
  readonly opening: Promise<Storage>;
  readonly uses: readonly StorageUse[];
  /** While nobody uses it. */
  readonly closing?: NodeJS.Timeout;
}

/**
 * Connections that nobody uses at the moment. To plan a restore and to apply it, to find a key and to take a lock each open the repository
 * and close it: over SSH or TLS that is a handshake each time, of a quarter of a second and more. So what is closed is kept open for a
 * moment, and lent again under the same name; and what is used briefly is lent to somebody else beside.
 */
export class IdleStorages {
  #kept: readonly Kept[] = [];

  /** Two that have the same `name` are opened alike, credentials included. */
  async take(name: string, open: () => Promise<Storage>, use: StorageUse = "long"): Promise<Storage> {
    const named = this.#kept.filter((one) => one.name === name && !one.uses.includes("long"));
    const found = named.find(({ uses }) => uses.length === 0) ?? named[0];
    clearTimeout(found?.closing);
    const taken: Kept = { name, opening: found?.opening ?? open(), uses: [...(found?.uses ?? []), use] };
    this.#replace(found, taken);
    const storage = await taken.opening.catch((error: unknown) => {
      this.#drop(taken.opening);
      throw error;
    });
    let isLent = true;
    return {
      ...storage,
      [Symbol.asyncDispose]: async () => {
        if (isLent) this.#giveBack(storage, taken.opening, use);
        isLent = false;
      },
    };
  }

  #giveBack(storage: Storage, opening: Promise<Storage>, use: StorageUse): void {
    const kept = this.#kept.find((one) => one.opening === opening);
    if (kept === undefined) return;
    const { name, uses } = kept;
    const left = uses.toSpliced(uses.indexOf(use), 1);
    if (left.length > 0) return this.#replace(kept, { name, opening, uses: left });
    const closing = setTimeout(() => {
      this.#drop(opening);
      void close(storage);
    }, keptMs).unref();
    this.#replace(kept, { name, opening, uses: [], closing });
  }

  #replace(old: Kept | undefined, kept: Kept): void {
    this.#kept = [...this.#kept.filter((one) => one !== old), kept];
  }

  #drop(opening: Promise<Storage>): void {
    this.#kept = this.#kept.filter((one) => one.opening !== opening);
  }
}

/** Nobody is there any more to be told of a failure, and nothing is lost by one. */
async function close(storage: Storage): Promise<void> {
  await Promise.resolve(storage[Symbol.asyncDispose]()).catch(() => undefined);
}
