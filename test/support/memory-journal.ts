import { setTimeout as wait } from "node:timers/promises";
import { type JournalDatabase, reachedTo, withSegment } from "../../src/contents/journal/journal-file.ts";
import type { SealedSegment } from "../../src/contents/journal/journal-writer.ts";
import type { Journal } from "../../src/contents/journal/open-journal.ts";
import { readSegment } from "../../src/contents/journal/segment.ts";
import { touchedBetween, type TouchedRows } from "../../src/contents/journal/touched-keys.ts";
import type { DatabaseManifest } from "../../src/contents/manifest.ts";
import type { DatabaseAddress, DatabaseEngine, DatabaseSnapshot } from "../../src/database/database.ts";
import { FollowStream } from "../../src/engine/follow-stream.ts";

/** A database's journal in memory, kept from now on. */
export interface MemoryJournal extends AsyncDisposable {
  /** What was touched since the moment of a manifest, once the journal has got to the snapshot's. */
  touched(parent: DatabaseManifest, snapshot: DatabaseSnapshot): Promise<TouchedRows | undefined>;
}

export async function memoryJournal(
  engine: DatabaseEngine,
  address: DatabaseAddress,
  name: string,
): Promise<MemoryJournal> {
  const { log } = engine;
  if (!log) throw new Error("no log");
  const stop = new AbortController();
  const { signal } = stop;
  const options = { signal, name: "memory", mostLagBytes: 2 ** 40, intervalMs: 100, silenceMs: 60_000 };
  const feed = await log.follow(address, options);
  let database: JournalDatabase = { name, spans: [], outside: [] };
  const stream = new FollowStream("test", database);
  stream.begin(feed);
  const segments: SealedSegment[] = [];
  const take = (): void => {
    stream.seal();
    for (const one of stream.waiting) {
      database = withSegment(database, one.header, one.id);
      segments.push(one);
    }
    stream.stored(stream.waiting.length);
    if (stream.last) database = reachedTo(database, stream.last);
  };
  let failure: unknown;
  const reading = (async () => {
    for await (const changes of feed.changes()) await stream.add(changes, signal);
  })().catch((error: unknown) => {
    if (!signal.aborted) failure = error;
  });
  return {
    async touched(parent, snapshot) {
      const from = log.pointOf(parent.position);
      const here = log.pointOf(snapshot.position);
      if (!from || !here) throw new Error("no position");
      const to = { position: (await snapshot.logEnd?.()) ?? here.position, time: here.time };
      const end = performance.now() + 60_000;
      for (;;) {
        if (failure !== undefined) throw failure;
        take();
        const journal: Pick<Journal, "databases" | "segments"> = {
          databases: [database],
          async *segments() {
            for (const { header, bytes } of segments) yield { header, changes: () => readSegment(bytes) };
          },
        };
        if (database.spans.some((span) => span.from.position > from.position)) return undefined;
        const found = await touchedBetween(journal, { database: name, from, to }, signal);
        if (found) return found;
        if (performance.now() > end) throw new Error(`the journal does not get to ${to.position}`);
        await wait(20);
      }
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await feed[Symbol.asyncDispose]();
      await reading;
    },
  };
}
