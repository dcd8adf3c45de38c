import { setTimeout as delay } from "node:timers/promises";
import type { StorageTraffic } from "../lib/storage-reach.ts";
import { createTurns, type Turns } from "../lib/turns.ts";
import type { Storage, StorageRetention, StorageThaw } from "./storage.ts";

export interface LimitOptions extends StorageTraffic {
  /** Milliseconds that only grow. */
  readonly clock: () => number;
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/**
 * The same storage, with so many bytes a second each way and so many requests at once, of all that use this one together. A
 * file goes as fast as the line lets it, and the next one waits until the average is right.
 */
export function withLimits(storage: Storage, options: LimitOptions): Storage {
  const pause = options.pause ?? defaultPause;
  const pacer = (bytesPerSecond: number | undefined) => createPacer(bytesPerSecond, options.clock, pause);
  const [up, down] = [pacer(options.uploadBytesPerSecond), pacer(options.downloadBytesPerSecond)];
  const atOnce = options.requests ?? Infinity;
  const turn = createTurns(atOnce);
  return {
    ...storage,
    traits: { ...storage.traits, connections: Math.min(storage.traits.connections, atOnce) },
    create: (signal) => turn(() => storage.create(signal)),
    save: (file, bytes, signal) =>
      turn(async () => {
        await up(bytes.length, signal);
        await storage.save(file, bytes, signal);
      }),
    load: (file, range, signal) =>
      turn(async () => {
        if (range !== undefined) {
          await down(range.length, signal);
          return await storage.load(file, range, signal);
        }
        // How much it is is known when it is there: what comes after waits for it.
        await down(0, signal);
        const bytes = await storage.load(file, undefined, signal);
        await down(bytes.length, signal);
        return bytes;
      }),
    stat: (file, signal) => turn(() => storage.stat(file, signal)),
    list: (kind, signal) => listInTurn(turn, storage.list(kind, signal)),
    remove: (file, signal) => turn(() => storage.remove(file, signal)),
    ...(storage.retention && { retention: retentionInTurn(storage.retention, turn) }),
    ...(storage.thaw && { thaw: thawInTurn(storage.thaw, turn) }),
  };
}

async function* listInTurn<T>(turn: Turns, listing: AsyncIterable<T>): AsyncGenerator<T> {
  const pending = listing[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await turn(() => pending.next());
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    await pending.return?.();
  }
}

function retentionInTurn(retention: StorageRetention, turn: Turns): StorageRetention {
  return {
    lock: retention.lock,
    until: (file, signal) => turn(() => retention.until(file, signal)),
    extend: (file, until, signal) => turn(() => retention.extend(file, until, signal)),
    tryToDestroy: (file, signal) => turn(() => retention.tryToDestroy(file, signal)),
    hidden: (signal, only) => listInTurn(turn, retention.hidden(signal, only)),
    loadHidden: (file, signal) => turn(() => retention.loadHidden(file, signal)),
    extendHidden: (file, until, signal) => turn(() => retention.extendHidden(file, until, signal)),
    destroyHidden: (file, signal) => turn(() => retention.destroyHidden(file, signal)),
  };
}

function thawInTurn(thaw: StorageThaw, turn: Turns): StorageThaw {
  return {
    state: (file, signal) => turn(() => thaw.state(file, signal)),
    request: (file, days, signal) => turn(() => thaw.request(file, days, signal)),
  };
}

type Pacer = (bytes: number, signal: AbortSignal) => Promise<void>;

function createPacer(bytesPerSecond: number | undefined, clock: () => number, pause: LimitOptions["pause"]): Pacer {
  if (bytesPerSecond === undefined) return async () => undefined;
  let freeAt = -Infinity;
  return async (bytes, signal) => {
    const now = clock();
    const start = Math.max(now, freeAt);
    freeAt = start + (bytes / bytesPerSecond) * 1000;
    if (start > now) await pause?.(start - now, signal);
  };
}

async function defaultPause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal });
}
