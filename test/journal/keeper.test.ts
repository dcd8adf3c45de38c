import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChangeFeed, LogPoint } from "../../src/database/change-feed.ts";
import { openFor } from "../../src/engine/access.ts";
import { FollowStream } from "../../src/engine/follow-stream.ts";
import { JournalKeeper, keeperTiming } from "../../src/engine/journal-keeper.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { localStorage } from "../../src/storage/local.ts";
import { endingStorage } from "../support/ending-storage.ts";
import { resticOn } from "../support/restic.ts";
import { limits, smallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

test("what a run stored that was killed before it was named is not taken for named by the next", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const { access, run, description } = crm;
  const keep = async (at: number | undefined, seal: "a segment" | "nothing"): Promise<void> => {
    const ending = at === undefined ? undefined : ({ at, kind: "dead before" } as const);
    // Locks have a connection of their own, whose operations are not counted.
    let opened = 0;
    const engine = {
      ...crm.engine,
      openStorage: (location: string) =>
        opened++ === 0 ? endingStorage(localStorage(location), ending) : localStorage(location),
    };
    await using repository = await openFor(engine, access, run);
    await using keeper = new JournalKeeper({
      ...{ engine, repository, run, crm: description.name },
      limits: { ...limits, workers: 1 },
      timing: keeperTiming,
    });
    await keeper.open();
    const stream = new FollowStream(description.name, keeper.writer.database("main"));
    if (seal === "a segment") {
      const point = { position: "1", time: "2026-03-12T14:00:00.000Z" };
      stream.begin(feedAt(point));
      await stream.add([{ type: "tables", digest: "none", outside: [] }], run.signal);
      stream.seal();
      assert.equal(await keeper.store(stream.waiting), "stored");
    }
    await keeper.publishIfDue("now");
  };
  // Killed before what lists the segment is stored, and then right behind that, before an index names it.
  for (const at of [2, 3]) {
    const killed = keep(at, at === 2 ? "a segment" : "nothing");
    await assert.rejects(killed, (error) => isHoldfastError(error, "storage-failed"), `${at}`);
  }
  await keep(undefined, "nothing");
  await resticOn(access.location, access.password).check();
});

test("what was taken up and not named yet is found again, whoever put it into an index meanwhile", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const { access, run, description, engine } = crm;
  const heads: (number | undefined)[] = [];
  /** Stores one segment more and ends as if it was killed: nothing is named. */
  const keep = async (position: number): Promise<void> => {
    await using repository = await openFor(engine, access, run);
    await using keeper = new JournalKeeper({
      ...{ engine, repository, run, crm: description.name },
      limits: { ...limits, workers: 1 },
      timing: keeperTiming,
    });
    await keeper.open();
    const known = keeper.writer.database("main");
    heads.push(known.head?.number);
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
  };
  await keep(1);
  await keep(2);
  // It names what a run left behind that was cut off.
  await crm.backup();
  await keep(3);
  assert.deepEqual(heads, [undefined, 1, 2]);
});

/** Where it begins; nobody reads it. */
function feedAt(start: LogPoint): ChangeFeed {
  return {
    history: "one",
    start,
    changes: () => assert.fail(),
    acknowledge: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}
