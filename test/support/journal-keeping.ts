import assert from "node:assert/strict";
import { openJournal } from "../../src/contents/journal/open-journal.ts";
import type { ChangeFeed, LogPoint } from "../../src/database/change-feed.ts";
import { openFor } from "../../src/engine/access.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { FollowStream } from "../../src/engine/follow-stream.ts";
import { JournalKeeper, keeperTiming } from "../../src/engine/journal-keeper.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { limits, type SmallCrm } from "./small-crm.ts";

export async function sealOne(stream: FollowStream, position: number, signal: AbortSignal): Promise<void> {
  const point = { position: `${position}`, time: `2026-03-12T14:00:${String(position).padStart(2, "0")}.000Z` };
  await stream.add(
    [
      { type: "tables", digest: "none", outside: [] },
      { type: "reached", point },
    ],
    signal,
  );
  stream.seal();
}

/** Of all segments, as whoever reads the journal finds them. */
export async function numbersIn(
  { engine, access, run, description }: SmallCrm,
  database = "main",
  since = "2026-03-12T00:00:00.000Z",
): Promise<readonly number[]> {
  await using repository = await openFor(engine, access, run);
  const snapshots = await repository.snapshots(run.signal);
  const journal = await openJournal(await repository.index(run.signal), snapshots, description.name, run.signal);
  const numbers: number[] = [];
  for await (const { header } of journal?.segments(database, since, 0, run.signal) ?? []) {
    numbers.push(header.number);
  }
  return numbers;
}

/** Stores a segment more, and ends as if it was killed, with nothing named, or names it. The newest that it found. */
export async function keepOne(
  crm: SmallCrm,
  engine: Engine,
  position: number,
  ending: "killed" | "named",
  onOpen?: (head: number | undefined) => void,
): Promise<number | undefined> {
  const { access, run, description } = crm;
  await using repository = await openFor(engine, access, run);
  await using keeper = keeperOf(crm, engine, repository);
  await keeper.open(run.signal);
  const known = keeper.writer.database("main");
  onOpen?.(known.head?.number);
  const stream = new FollowStream(description.name, known);
  const time = `2026-03-12T14:00:0${position}.000Z`;
  stream.begin(feedAt({ position: "0", time }));
  await stream.add(
    [
      { type: "tables", digest: "none", outside: [] },
      { type: "reached", point: { position: `${position}`, time } },
    ],
    run.signal,
  );
  stream.seal();
  assert.equal(await keeper.store(stream.waiting), "stored");
  if (ending === "named") await keeper.publishIfDue("now");
  return known.head?.number;
}

export function keeperOf(
  { run, description }: SmallCrm,
  engine: Engine,
  repository: Repository,
  timing = keeperTiming,
): JournalKeeper {
  return new JournalKeeper({
    ...{ engine, repository, run, timing, crm: description.name },
    limits: { ...limits, workers: 1 },
  });
}

/** Where it begins; nobody reads it. */
export function feedAt(start: LogPoint): ChangeFeed {
  return {
    history: "one",
    start,
    changes: () => assert.fail(),
    acknowledge: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}
