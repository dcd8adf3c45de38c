import { setTimeout as delay } from "node:timers/promises";
import type { StorageTraffic } from "../lib/storage-reach.ts";
import { createTurns } from "../lib/turns.ts";
import type { Storage } from "./storage.ts";

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
    async *list(kind, signal) {
      const pending = storage.list(kind, signal)[Symbol.asyncIterator]();
      try {
        for (;;) {
          const next = await turn(() => pending.next());
          if (next.done === true) return;
          yield next.value;
        }
      } finally {
        await pending.return?.();
      }
    },
    remove: (file, signal) => turn(() => storage.remove(file, signal)),
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
