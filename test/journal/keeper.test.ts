import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { journalsOf, openJournal } from "../../src/contents/journal/open-journal.ts";
import type { ChangeFeed, LogPoint } from "../../src/database/change-feed.ts";
import { openFor } from "../../src/engine/access.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { FollowStream } from "../../src/engine/follow-stream.ts";
import { JournalKeeper, keeperTiming } from "../../src/engine/journal-keeper.ts";
import { HoldfastError, isHoldfastError } from "../../src/lib/errors.ts";
import type { IndexedRepository, Repository, StoredSnapshot } from "../../src/repository/repository.ts";
import { localStorage } from "../../src/storage/local.ts";
import { endingStorage } from "../support/ending-storage.ts";
import { resticOn } from "../support/restic.ts";
import { limits, type SmallCrm, smallCrm } from "../support/small-crm.ts";
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
    await using keeper = keeperOf(crm, engine, repository);
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
  const heads = [await keepOne(crm, crm.engine, 1, "killed"), await keepOne(crm, crm.engine, 2, "killed")];
  // It names what a run left behind that was cut off.
  await crm.backup();
  heads.push(await keepOne(crm, crm.engine, 3, "killed"));
  assert.deepEqual(heads, [undefined, 1, 2]);
});

test("whoever reads sees what an index names and no snapshot yet, in every order of reading, and on another machine too", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const { access, run, description } = crm;
  await using repository = await openFor(crm.engine, access, run);
  const read = async (indexed: IndexedRepository, snapshots: readonly StoredSnapshot[]) => {
    const journal = await openJournal(indexed, snapshots, description.name, run.signal);
    const numbers: number[] = [];
    for await (const { header } of journal?.segments("main", "2026-03-12T00:00:00.000Z", 0, run.signal) ?? []) {
      numbers.push(header.number);
    }
    const [database] = journal?.databases ?? [];
    assert.equal(database?.head?.number, numbers.at(-1));
    assert.equal(database?.spans.at(-1)?.to.position, String(numbers.length));
    return numbers;
  };
  const readNow = async () => {
    const snapshots = await repository.snapshots(run.signal);
    return read(await repository.index(run.signal), snapshots);
  };
  /** Everything is stored but the snapshot; what it knows of its runs before is elsewhere. */
  const withoutSnapshot = (machine: string): Engine => ({
    ...crm.engine,
    stateFolder: join(folder.path, machine),
    openStorage: (location) => {
      const storage = localStorage(location);
      return {
        ...storage,
        save: async (file, bytes, signal) => {
          if (file.kind === "snapshot") throw new HoldfastError("storage-failed", { reason: "test" });
          await storage.save(file, bytes, signal);
        },
      };
    },
  });
  const fails = async (position: number, machine: string, head: number | undefined): Promise<void> => {
    let seen: number | undefined;
    const kept = keepOne(crm, withoutSnapshot(machine), position, "named", (number) => (seen = number));
    await assert.rejects(kept, (error) => isHoldfastError(error, "storage-failed"));
    assert.equal(seen, head);
  };
  // The very first, and a second try that names more than the first.
  await fails(1, "one", undefined);
  assert.deepEqual(await readNow(), [1]);
  await fails(2, "two", 1);
  assert.deepEqual(await readNow(), [1, 2]);
  assert.equal(await keepOne(crm, { ...crm.engine, stateFolder: join(folder.path, "three") }, 3, "named"), 2);
  assert.deepEqual(await readNow(), [1, 2, 3]);

  // Behind a snapshot; one that reads while the next is written has the old list, and an index of any age.
  const listed = await repository.snapshots(run.signal);
  const before = await repository.index(run.signal);
  await fails(4, "four", 3);
  const between = await repository.index(run.signal);
  assert.deepEqual(await read(between, listed), [1, 2, 3, 4]);
  assert.equal(await keepOne(crm, crm.engine, 5, "named"), 4);
  // The snapshot of the list is superseded by now, and gone.
  assert.ok(
    !(await repository.snapshots(run.signal)).some(({ id }) => id === journalsOf(listed, description.name).at(-1)?.id),
  );
  const after = await repository.index(run.signal);
  assert.equal(await keepOne(crm, crm.engine, 6, "killed"), 5);
  for (const indexed of [before, between, after, await repository.index(run.signal)]) {
    assert.deepEqual(await read(indexed, listed), [1, 2, 3, 4, 5, 6]);
  }
  await resticOn(access.location, access.password).check();
});

/** Stores a segment more, and ends as if it was killed, with nothing named, or names it. The newest that it found. */
async function keepOne(
  crm: SmallCrm,
  engine: Engine,
  position: number,
  ending: "killed" | "named",
  onOpen?: (head: number | undefined) => void,
): Promise<number | undefined> {
  const { access, run, description } = crm;
  await using repository = await openFor(engine, access, run);
  await using keeper = keeperOf(crm, engine, repository);
  await keeper.open();
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

function keeperOf({ run, description }: SmallCrm, engine: Engine, repository: Repository): JournalKeeper {
  return new JournalKeeper({
    ...{ engine, repository, run, crm: description.name },
    limits: { ...limits, workers: 1 },
    timing: keeperTiming,
  });
}

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
