import type { Storage } from "./storage.ts";

/** Kept for whoever comes next: from one step of a command to the next, not from one command to another. */
const keptMs = 2000;

interface Idle {
  readonly name: string;
  readonly storage: Storage;
  readonly closing: NodeJS.Timeout;
}

/**
 * Connections that nobody uses at the moment. To plan a restore and to apply it, to find a key and to take a lock each open the repository
 * and close it: over SSH or TLS that is a handshake each time, of a quarter of a second and more. So what is closed is kept open for a
 * moment, and lent again under the same name.
 */
export class IdleStorages {
  #idle: readonly Idle[] = [];

  /** Two that have the same `name` are opened alike, credentials included. */
  async take(name: string, open: () => Promise<Storage>): Promise<Storage> {
    const found = this.#idle.find((one) => one.name === name);
    if (found) {
      clearTimeout(found.closing);
      this.#idle = this.#idle.filter((one) => one !== found);
    }
    const storage = found?.storage ?? (await open());
    let isLent = true;
    return {
      ...storage,
      [Symbol.asyncDispose]: async () => {
        if (isLent) this.#keep(name, storage);
        isLent = false;
      },
    };
  }

  #keep(name: string, storage: Storage): void {
    const closing = setTimeout(() => {
      this.#idle = this.#idle.filter((one) => one !== idle);
      void close(storage);
    }, keptMs).unref();
    const idle: Idle = { name, storage, closing };
    this.#idle = [...this.#idle, idle];
  }
}

/** Nobody is there any more to be told of a failure, and nothing is lost by one. */
async function close(storage: Storage): Promise<void> {
  await Promise.resolve(storage[Symbol.asyncDispose]()).catch(() => undefined);
}
