import { hash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { type HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { Storage, StorageRetention, StorageThaw } from "./storage.ts";

export interface RetryOptions {
  /** Milliseconds; absent: the process' own, which stands still while the machine sleeps, and which nobody sets. */
  readonly clock?: () => number;
  /** How long one operation is tried in all. restic's own limit is 15 minutes. */
  readonly limitMs?: number;
  /** The first pause; each further one is twice as long, up to one minute. */
  readonly firstPauseMs?: number;
  /** 0 ≤ x < 1: pauses are spread by ±50 %, so that many clients do not come back at the same moment. */
  readonly random?: () => number;
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly onRetry?: (error: HoldfastError, pauseMs: number) => void;
}

const longestPauseMs = 60_000;

/**
 * The same storage, which tries again what failed for a passing reason (`storage-unreachable`). Nothing else is tried
 * again: waiting does not free a disk or grant a right.
 */
export function withRetry(storage: Storage, options: RetryOptions = {}): Storage {
  const again = retrier(options);
  return {
    location: storage.location,
    traits: storage.traits,
    create: (signal) => again(signal, () => storage.create(signal)),

    save: (file, bytes, signal) =>
      again(signal, async (attempt) => {
        // Its answer may be all that was lost. What is locked is looked after by the storage itself.
        const look = attempt > 1 && file.kind !== "config" && storage.retention === undefined;
        if (look && (await storage.stat(file, signal)) === bytes.length) return;
        try {
          await storage.save(file, bytes, signal);
        } catch (error) {
          // `config` has a fixed name: after a lost answer, what is there may be what we sent.
          const mayBeOurs = attempt > 1 && file.kind === "config" && isHoldfastError(error, "storage-exists");
          if (!mayBeOurs || !(await storage.load(file, undefined, signal)).equals(bytes)) throw error;
        }
      }),

    load: async (file, range, signal) => {
      const load = () => again(signal, () => storage.load(file, range, signal));
      const bytes = await load();
      // What came over a bad line is asked for once more. Packs are looked through blob by blob, by who reads them.
      const isNamedByHash = range === undefined && file.kind !== "config" && file.kind !== "data";
      return isNamedByHash && hash("sha256", bytes, "hex") !== file.name ? await load() : bytes;
    },
    stat: (file, signal) => again(signal, () => storage.stat(file, signal)),

    list: (kind, signal) =>
      listAgain(
        again,
        signal,
        () => storage.list(kind, signal),
        ({ name }) => name,
      ),

    remove: (file, signal) => again(signal, () => storage.remove(file, signal)),
    ...(storage.retention && { retention: retentionAgain(storage.retention, again) }),
    ...(storage.thaw && { thaw: thawAgain(storage.thaw, again) }),
    [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
  };
}

/** A list that is begun anew where it broke off, each found once. Only what is new ends the time for which it is tried. */
async function* listAgain<T>(
  again: Again,
  signal: AbortSignal,
  begin: () => AsyncIterable<T>,
  nameOf: (found: T) => string,
): AsyncGenerator<T> {
  const seen = new Set<string>();
  let pending = begin()[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await again(signal, async (attempt) => {
        if (attempt > 1) pending = begin()[Symbol.asyncIterator]();
        for (;;) {
          const found = await pending.next();
          if (found.done === true || !seen.has(nameOf(found.value))) return found;
        }
      });
      if (next.done === true) return;
      seen.add(nameOf(next.value));
      yield next.value;
    }
  } finally {
    // Whoever has found what he was looking for reads no further: a folder or a connection would stay open.
    await pending.return?.();
  }
}

function retentionAgain(retention: StorageRetention, again: Again): StorageRetention {
  return {
    lock: retention.lock,
    until: (file, signal) => again(signal, () => retention.until(file, signal)),
    extend: (file, until, signal) => again(signal, () => retention.extend(file, until, signal)),
    tryToDestroy: (file, signal) =>
      again(signal, async (attempt) => {
        try {
          return await retention.tryToDestroy(file, signal);
        } catch (error) {
          // Its answer may be all that was lost.
          if (attempt === 1 || !isHoldfastError(error, "storage-not-found")) throw error;
          return "destroyed";
        }
      }),
    loadHidden: (file, signal) => again(signal, () => retention.loadHidden(file, signal)),
    extendHidden: (file, until, signal) => again(signal, () => retention.extendHidden(file, until, signal)),
    hidden: (signal, only) =>
      listAgain(
        again,
        signal,
        () => retention.hidden(signal, only),
        ({ path, version }) => `${path} ${version}`,
      ),
    destroyHidden: (file, signal) => again(signal, () => retention.destroyHidden(file, signal)),
  };
}

function thawAgain(thaw: StorageThaw, again: Again): StorageThaw {
  return {
    state: (file, signal) => again(signal, () => thaw.state(file, signal)),
    request: (file, days, signal) => again(signal, () => thaw.request(file, days, signal)),
  };
}

type Again = <T>(signal: AbortSignal, operation: (attempt: number) => Promise<T>) => Promise<T>;

function retrier(options: RetryOptions): Again {
  const { clock = processClock, limitMs = 900_000, firstPauseMs = 500 } = options;
  const { random = Math.random, pause = defaultPause, onRetry } = options;
  return async (signal, operation) => {
    const start = clock();
    for (let attempt = 1; ; attempt++) {
      try {
        return await operation(attempt);
      } catch (error) {
        signal.throwIfAborted();
        if (!isHoldfastError(error, "storage-unreachable")) throw error;
        const pauseMs = Math.min(firstPauseMs * 2 ** (attempt - 1), longestPauseMs) * (0.5 + random());
        if (clock() - start + pauseMs > limitMs) throw error;
        onRetry?.(error, pauseMs);
        await pause(pauseMs, signal);
      }
    }
  };
}

function processClock(): number {
  return performance.now();
}

async function defaultPause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal });
}
