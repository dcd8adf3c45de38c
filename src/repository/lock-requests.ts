import { unlessStopped } from "../lib/unless-stopped.ts";
import type { Storage } from "../storage/storage.ts";

export interface LockStorages {
  /** That of everything else. */
  readonly storage: Storage;
  /** Another way to the same storage; absent: there is none, or no need of one. */
  readonly alone?: () => Storage | Promise<Storage>;
}

/**
 * The way of a lock's requests. It is the repository's own, until that is too busy with packs to answer: then it is one of the lock's
 * own, for as long as the lock is held. A connection that may never be needed would be a quarter of a second at the beginning of each command.
 */
export class LockRequests {
  readonly #storages: LockStorages;
  readonly #patienceMs: number;
  #alone: Promise<Storage> | undefined;

  constructor(storages: LockStorages, patienceMs: number) {
    this.#storages = storages;
    this.#patienceMs = patienceMs;
  }

  /** What may be asked twice. */
  async ask<T>(signal: AbortSignal, request: (storage: Storage, signal: AbortSignal) => Promise<T>): Promise<T> {
    const { storage, alone } = this.#storages;
    if (alone !== undefined && this.#alone === undefined) {
      const stopping = AbortSignal.any([signal, AbortSignal.timeout(this.#patienceMs)]);
      try {
        return await unlessStopped(request(storage, stopping), stopping);
      } catch (error) {
        if (signal.aborted || !stopping.aborted) throw error;
      }
      this.#alone ??= this.#open(alone);
    }
    return await this.once(signal, request);
  }

  /** What may come about later where it is not waited for: goes the way that answered last. */
  async once<T>(signal: AbortSignal, request: (storage: Storage, signal: AbortSignal) => Promise<T>): Promise<T> {
    const going = async (): Promise<T> => request((await this.#alone) ?? this.#storages.storage, signal);
    return await unlessStopped(going(), signal);
  }

  /** The way of its own, if there came to be one. */
  async close(): Promise<void> {
    const opened = await this.#alone?.catch(() => undefined);
    this.#alone = undefined;
    await opened?.[Symbol.asyncDispose]();
  }

  #open(alone: () => Storage | Promise<Storage>): Promise<Storage> {
    const opening = (async () => alone())();
    opening.catch(() => {
      if (this.#alone === opening) this.#alone = undefined;
    });
    return opening;
  }
}
