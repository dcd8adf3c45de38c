import type { MasterKey } from "../format/crypto.ts";
import type { Limits } from "../lib/limits.ts";
import { lowerPriority } from "../lib/posix.ts";
import { Throttle, throttleBytes } from "./throttle.ts";
import { WorkerPool } from "./worker-pool.ts";
import type { WriteWorkerSetup } from "./write-messages.ts";

/** Threads are kept for so long after the last use: a restore calls `writeFiles` again and again. */
const keptMs = 1000;

/** The threads of `writeFiles`, kept from one call to the next. They do not keep the process alive. */
export class WriterThreads {
  readonly #key: MasterKey;
  #pool: WorkerPool | undefined;
  #limits: Limits | undefined;
  #throttle: Throttle | undefined;
  #users = 0;
  #closing: NodeJS.Timeout | undefined;

  constructor(key: MasterKey) {
    this.#key = key;
  }

  /** Starts the first thread, which loads its code while others look for what there is to write. */
  warmUp(limits: Limits): void {
    const pool = this.#poolFor(limits);
    pool.warmUp();
    if (this.#users === 0) this.#closeSoon(pool);
  }

  /** Once `signal` is aborted, what the threads have in hand is no longer held to a rate: everybody waits for its end. */
  take(limits: Limits, signal: AbortSignal): Disposable & { readonly pool: WorkerPool } {
    clearTimeout(this.#closing);
    const pool = this.#poolFor(limits);
    const throttle = this.#throttle;
    this.#users++;
    const release = () => {
      throttle?.release();
      if (this.#pool === pool) this.#pool = undefined;
    };
    signal.addEventListener("abort", release, { once: true });
    return {
      pool,
      [Symbol.dispose]: () => {
        signal.removeEventListener("abort", release);
        this.#users--;
        if (this.#users === 0) this.#closeSoon(pool);
      },
    };
  }

  #poolFor(limits: Limits): WorkerPool {
    if (this.#pool !== undefined && (this.#users > 0 || sameLimits(limits, this.#limits))) return this.#pool;
    if (this.#pool !== undefined) this.#close(this.#pool);
    // Inherited by the threads that the pool starts.
    if (limits.priority === "low") lowerPriority();
    const memory = new SharedArrayBuffer(throttleBytes);
    this.#throttle = new Throttle(memory, limits.writeBytesPerSecond);
    const setup: WriteWorkerSetup = {
      role: "write",
      key: this.#key,
      throttle: memory,
      writeBytesPerSecond: limits.writeBytesPerSecond,
    };
    const pool = new WorkerPool({
      size: limits.workers,
      setup,
      onFailure: () => {
        if (this.#pool === pool) this.#pool = undefined;
      },
    });
    this.#pool = pool;
    this.#limits = limits;
    return pool;
  }

  #closeSoon(pool: WorkerPool): void {
    clearTimeout(this.#closing);
    this.#closing = setTimeout(() => this.#close(pool), keptMs).unref();
  }

  #close(pool: WorkerPool): void {
    if (this.#pool === pool) this.#pool = undefined;
    void pool.close();
  }
}

function sameLimits(a: Limits, b: Limits | undefined): boolean {
  return a.workers === b?.workers && a.priority === b.priority && a.writeBytesPerSecond === b.writeBytesPerSecond;
}
