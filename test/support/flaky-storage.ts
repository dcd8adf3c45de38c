import { setTimeout as delay } from "node:timers/promises";
import { HoldfastError } from "../../src/lib/errors.ts";
import type { Storage, StoredFile } from "../../src/storage/storage.ts";
import type { SeededRandom } from "./seeded-random.ts";

/**
 * What goes wrong with a request elsewhere. `refused`, `throttled`: nothing happened. `cut`: of an answer a part came.
 * `lost`: it was done, and nobody was told. `slow`: it takes its time. `corrupted`: one byte of what was read is another,
 * and nothing on the way saw it; not again among the next reads of that file, and never `config`, which has no sum.
 */
export const flaws = ["refused", "throttled", "cut", "lost", "slow", "corrupted"] as const;
type Flaw = (typeof flaws)[number];
const silentFlaws = flaws.filter((flaw) => flaw !== "corrupted");

export interface FlakyOptions {
  readonly random: SeededRandom;
  /** One request in so many fails, or is slow. */
  readonly oneIn: number;
  /** For how many requests a listing may not show yet what was saved. */
  readonly listingLag?: number;
}

export interface FlakyStorage extends Storage {
  readonly counts: Record<Flaw, number>;
  /** Files that were sent although they were stored already. */
  readonly needless: () => number;
  readonly requests: () => number;
  /** Bytes of files that arrived. */
  readonly sent: () => number;
}

/** The same storage behind a network and a service that fail at random. All that fails is `storage-unreachable`. */
export function flakyStorage(storage: Storage, { random, oneIn, listingLag = 0 }: FlakyOptions): FlakyStorage {
  const counts = Object.fromEntries(flaws.map((flaw) => [flaw, 0])) as Record<Flaw, number>;
  const stored = new Set<string>();
  /** So many reads of each file are right before one may be corrupted again: there are several on their way at once. */
  const rightAgain = new Map<string, number>();
  const fresh = new Map<string, number>();
  let needless = 0;
  let requests = 0;
  let sent = 0;

  async function request<T>(work: () => Promise<T>, corrupt?: (result: T) => boolean): Promise<T> {
    requests++;
    const flaw = random.oneIn(oneIn) ? random.pick(corrupt ? flaws : silentFlaws) : undefined;
    const fail = () => new HoldfastError("storage-unreachable", { reason: flaw ?? "?" });
    if (flaw === "refused" || flaw === "throttled") {
      counts[flaw]++;
      throw fail();
    }
    if (flaw === "slow") await delay(random.below(5));
    const result = await work();
    if (flaw !== undefined && (flaw !== "corrupted" || corrupt?.(result) === true)) counts[flaw]++;
    if (flaw === "lost" || flaw === "cut") throw fail();
    return result;
  }

  const pathOf = ({ kind, name }: StoredFile): string => `${kind} ${name}`;
  return {
    ...storage,
    counts,
    needless: () => needless,
    requests: () => requests,
    sent: () => sent,
    create: (signal) => request(() => storage.create(signal)),
    save: (file, bytes, signal) =>
      request(async () => {
        if (stored.has(pathOf(file))) needless++;
        await storage.save(file, bytes, signal);
        sent += bytes.length;
        stored.add(pathOf(file));
        fresh.set(pathOf(file), requests + listingLag);
      }),
    load: (file, range, signal) =>
      request(
        async () => {
          const left = rightAgain.get(pathOf(file)) ?? 0;
          if (left > 1) rightAgain.set(pathOf(file), left - 1);
          else rightAgain.delete(pathOf(file));
          return await storage.load(file, range, signal);
        },
        (bytes) => {
          const path = pathOf(file);
          if (rightAgain.has(path) || file.kind === "config" || bytes.length === 0) return false;
          rightAgain.set(path, 10);
          const at = random.below(bytes.length);
          bytes[at] = (bytes[at] ?? 0) ^ 1;
          return true;
        },
      ),
    stat: (file, signal) => request(() => storage.stat(file, signal)),
    async *list(kind, signal) {
      await request(async () => undefined);
      for await (const one of storage.list(kind, signal)) {
        if ((fresh.get(pathOf({ kind, name: one.name })) ?? 0) > requests) continue;
        yield one;
        if (random.oneIn(50 * oneIn)) throw new HoldfastError("storage-unreachable", { reason: "cut" });
      }
    },
    remove: (file, signal) => request(() => storage.remove(file, signal)),
  };
}
