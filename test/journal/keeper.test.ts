import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { journalsOf, openJournal } from "../../src/contents/journal/open-journal.ts";
import { segmentsBehind } from "../../src/contents/journal/span-segments.ts";
import type { SealedSegment } from "../../src/contents/journal/journal-writer.ts";
import type { Change } from "../../src/database/change-feed.ts";
import { openFor } from "../../src/engine/access.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { FollowStream } from "../../src/engine/follow-stream.ts";
import { keeperTiming } from "../../src/engine/journal-keeper.ts";
import { prune } from "../../src/engine/prune.ts";
import { repair } from "../../src/engine/repair.ts";
import { HoldfastError, isHoldfastError } from "../../src/lib/errors.ts";
import type { IndexedRepository, StoredSnapshot } from "../../src/repository/repository.ts";
import { localStorage } from "../../src/storage/local.ts";
import type { FileKind, Storage, StoredFile } from "../../src/storage/storage.ts";
import { endingStorage } from "../support/ending-storage.ts";
import { resticOn } from "../support/restic.ts";
import { feedAt, keeperOf, keepOne, numbersIn, sealOne } from "../support/journal-keeping.ts";
import { limits, type SmallCrm, smallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

test("what a run stored that was killed before it was named is not taken for named by the next", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const { access, run, description } = crm;
  const keep = async (at: number | undefined, seal: "a segment" | "nothing"): Promise<void> => {
    const ending = at === undefined ? undefined : ({ at, kind: "dead before" } as const);
    const engine = {
      ...crm.engine,
      openStorage: (location: string): Storage => {
        const whole = localStorage(location);
        const counted = endingStorage(whole, ending);
        // What is done for the lock is not counted.
        const of = ({ kind }: StoredFile): Storage => (kind === "lock" ? whole : counted);
        return {
          ...counted,
          save: (file, bytes, signal) => of(file).save(file, bytes, signal),
          remove: (file, signal) => of(file).remove(file, signal),
        };
      },
    };
    await using repository = await openFor(engine, access, run);
    await using keeper = keeperOf(crm, engine, repository);
    await keeper.open(run.signal);
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

test("what was acknowledged outlives a backup, a repair of the index and a prune before it is named, and is found on another machine", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const { engine, access, run } = crm;
  const pruneAll = () => prune(engine, { repository: access, limits, ...pruning }, run);
  const repairIndex = async (): Promise<void> => {
    const input = { repository: access, what: "index", lost: "leave", limits } as const;
    const { id } = await repair(engine, input, run);
    await repair(engine, { ...input, plan: id }, run);
  };
  await crm.backup();
  // Before any snapshot names the journal, behind one that does, and then two in a row.
  let position = 0;
  for (const then of [pruneAll, repairIndex, () => crm.backup(), pruneAll]) {
    await keepOne(crm, { ...engine, stateFolder: join(folder.path, `machine ${position}`) }, ++position, "killed");
    await then();
    const numbers = Array.from({ length: position }, (_, at) => at + 1);
    assert.deepEqual(await numbersIn(crm), numbers);
    // By now whatever put them into an index is no matter.
    await pruneAll();
    assert.deepEqual(await numbersIn(crm), numbers);
  }
  const elsewhere = { ...engine, stateFolder: join(folder.path, "elsewhere") };
  assert.equal(await keepOne(crm, elsewhere, ++position, "named"), position - 1);
  // Nothing but what a snapshot names is kept any longer.
  await pruneAll();
  const { total, keep, wasteLeftBytes } = await prune(
    engine,
    { repository: access, limits, ...pruning, mode: "plan" },
    run,
  );
  assert.deepEqual([keep, wasteLeftBytes], [total, 0]);
  assert.deepEqual(await numbersIn(crm), [1, 2, 3, 4, 5]);
  await resticOn(access.location, access.password).check();
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
    ...savingBy(crm.engine, async (kind, save) => {
      if (kind === "snapshot") throw new HoldfastError("storage-failed", { reason: "test" });
      await save();
    }),
    stateFolder: join(folder.path, machine),
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

test("what a try stored that failed all the same stands in the journal once, and what comes next behind it", async () => {
  for (const between of ["nothing", "named"] as const) {
    using folder = temporaryFolder();
    const crm = await smallCrm(folder.path);
    const { access, run, description } = crm;
    let state: "well" | "unanswered" = "well";
    const engine = savingBy(crm.engine, async (kind, save) => {
      await save();
      if (state === "unanswered" && kind === "data") throw new HoldfastError("storage-unreachable", {});
    });
    await using repository = await openFor(engine, access, run);
    await using keeper = keeperOf(crm, engine, repository);
    await keeper.open(run.signal);
    const stream = new FollowStream(description.name, keeper.writer.database("main"));
    stream.begin(feedAt({ position: "0", time: "2026-03-12T14:00:00.000Z" }));
    await sealOne(stream, 1, run.signal);
    state = "unanswered";
    await assert.rejects(keeper.store(stream.waiting), (error) => isHoldfastError(error, "storage-unreachable"));
    state = "well";
    if (between === "named") assert.equal(await keeper.publishIfDue("now"), "published");
    keeper.endRest();
    await sealOne(stream, 2, run.signal);
    assert.equal(await keeper.store(stream.waiting), "stored");
    stream.stored(2);
    await sealOne(stream, 3, run.signal);
    assert.equal(await keeper.store(stream.waiting), "stored");
    assert.equal(await keeper.publishIfDue("now"), "published");
    assert.deepEqual(await numbersIn(crm), [1, 2, 3], between);
    await resticOn(access.location, access.password).check();
  }
});

test("what was acknowledged and is there no more is stored again, also when that fails once", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const { access, run, description } = crm;
  let failing: FileKind | undefined;
  const engine = savingBy(crm.engine, async (kind, save) => {
    if (kind === failing) throw new HoldfastError("storage-unreachable", {});
    await save();
  });
  await using repository = await openFor(engine, access, run);
  await using keeper = keeperOf(crm, engine, repository);
  await keeper.open(run.signal);
  const stream = new FollowStream(description.name, keeper.writer.database("main"));
  stream.begin(feedAt({ position: "0", time: "2026-03-12T14:00:00.000Z" }));
  await sealOne(stream, 1, run.signal);
  assert.equal(await keeper.store(stream.waiting), "stored");
  stream.stored(1);
  const fails = async (kind: FileKind): Promise<void> => {
    failing = kind;
    await assert.rejects(keeper.publishIfDue("now"), (error) => isHoldfastError(error, "storage-unreachable"));
    failing = undefined;
  };
  // Nobody may say of files what only a look says that is not named.
  const look = { tree: "ab".repeat(32), ended: "2026-03-12T14:00:01.000Z" };
  const stop = new AbortController();
  const named = keeper
    .name(look, { from: "2026-03-12T14:00:00.000Z", to: look.ended }, stop.signal)
    .catch(() => "not named");
  await fails("snapshot");
  assert.deepEqual(keeper.writer.known.files.spans, []);
  stop.abort();
  assert.equal(await named, "not named");
  await resticOn(access.location, access.password).output("prune");
  await fails("data");
  await using other = await openFor(crm.engine, access, run);
  await using _lock = await other.lock("exclusive", { signal: run.signal, now: run.now, waitMs: 0 });
  assert.equal(await keeper.publishIfDue("now"), "not-yet");
  await _lock[Symbol.asyncDispose]();
  assert.equal(await keeper.publishIfDue("now"), "published");
  assert.deepEqual(await numbersIn(crm), [1]);
  // Behind another segment than the newest nobody knows that nothing happened.
  keeper.reached("main", { position: "9", time: "2026-03-12T14:00:09.000Z" }, "cd".repeat(32));
  assert.equal(keeper.writer.database("main").spans[0]?.to.position, "1");
});

test("a clock that is set back loses nothing: what is named last is the newest, and stands last", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const at = (time: string): SmallCrm => ({ ...crm, run: { ...crm.run, now: () => new Date(time) } });
  assert.equal(await keepOne(at("2026-03-12T15:30:00.000Z"), crm.engine, 1, "named"), undefined);
  assert.equal(await keepOne(at("2026-03-12T14:29:00.000Z"), crm.engine, 2, "named"), 1);
  assert.equal(await keepOne(at("2026-03-12T14:30:00.000Z"), crm.engine, 3, "named"), 2);
  assert.deepEqual(await numbersIn(crm), [1, 2, 3]);
  await prune(crm.engine, { repository: crm.access, limits, ...pruning }, crm.run);
  assert.deepEqual(await numbersIn(crm), [1, 2, 3]);
  assert.equal(await keepOne(at("2026-03-12T16:00:00.000Z"), crm.engine, 4, "named"), 3);
  assert.deepEqual(await numbersIn(crm), [1, 2, 3, 4]);
});

test("a gap stays before the first backup is there, and where the server's clock is behind", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const { engine, access, run, description } = crm;
  await using repository = await openFor(engine, access, run);
  const now = (): Date => new Date("2026-03-12T14:10:00.000Z");
  await using keeper = keeperOf({ ...crm, run: { ...run, now } }, engine, repository);
  await keeper.open(run.signal);
  const stream = new FollowStream(description.name, keeper.writer.database("main"));
  const [start, end] = ["00", "05"].map((minute, at) => ({
    position: `${at}`,
    time: `2026-03-12T14:${minute}:00.000Z`,
  }));
  assert.ok(start && end);
  stream.begin(feedAt(start));
  const gap = { tables: [{ schema: "", name: "deal" }], reason: "log-form", from: start, to: end } as const;
  const changes: Change[] = [
    { type: "gap", ...gap },
    { type: "reached", point: { ...end, position: "2" } },
  ];
  await stream.add(changes, run.signal);
  stream.seal();
  assert.equal(await keeper.store(stream.waiting), "stored");
  assert.equal(await keeper.publishIfDue("now"), "published");
  const indexed = await repository.index(run.signal);
  const journal = await openJournal(indexed, await repository.snapshots(run.signal), description.name, run.signal);
  assert.deepEqual(journal?.databases[0]?.spans[0]?.gaps, [gap]);
});

test("what was told behind a place is found also where the server's clock is hours ahead", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const { engine, access, run, description } = crm;
  // By the server's clock it is two in the afternoon.
  for (const [hour, position] of [1, 2, 3].entries()) {
    const now = (): Date => new Date(`2026-03-12T0${hour + 7}:00:00.000Z`);
    await keepOne({ ...crm, run: { ...run, now } }, engine, position, "named");
  }
  await using repository = await openFor(engine, access, run);
  const indexed = await repository.index(run.signal);
  const journal = await openJournal(indexed, await repository.snapshots(run.signal), description.name, run.signal);
  const span = journal?.databases[0]?.spans.at(-1);
  assert.ok(journal && span);
  const behind = async (position: string): Promise<readonly number[]> => {
    const point = { position, time: "2026-03-12T14:00:01.000Z" };
    const found: number[] = [];
    for await (const { header } of segmentsBehind(journal, "main", span, point, run.signal)) found.push(header.number);
    return found;
  };
  assert.deepEqual(await behind("0"), [1, 2, 3]);
  assert.deepEqual((await behind("1")).slice(-2), [2, 3]);
  // Of a journal that has let go what was told first.
  const late = {
    databases: journal.databases,
    segments: (...asked: Parameters<typeof journal.segments>) => journal.segments(asked[0], asked[1], 2, asked[3]),
  };
  await assert.rejects(
    segmentsBehind(late, "main", span, { position: "0", time: span.from.time }, run.signal).next(),
    (error) => isHoldfastError(error, "repository-damaged"),
  );
});

test("what a repair had to leave out at the end of a journal is missed there", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const { engine, access, run } = crm;
  for (const position of [1, 2, 3]) await keepOne(crm, engine, position, "named");
  await using repository = await openFor(engine, access, run);
  const opened = async () => {
    const snapshots = await repository.snapshots(run.signal);
    return openJournal(await repository.index(run.signal), snapshots, crm.description.name, run.signal);
  };
  {
    await using keeper = keeperOf(crm, engine, repository);
    await keeper.open(run.signal);
    keeper.looked({ from: "2126-03-12T14:00:00.000Z", to: "2126-03-12T14:01:00.000Z" });
    assert.equal(await keeper.publishIfDue("now"), "published");
    const indexed = await repository.index(run.signal);
    const journal = await opened();
    assert.equal(journal?.files.spans.length, 1);
    const [pack = ""] = indexed.packsWith(journal?.databases[0]?.head?.id ?? "");
    rmSync(join(access.location, "data", pack.slice(0, 2), pack));
  }
  for (const what of ["packs", "snapshots"] as const) {
    const input = { repository: access, what, lost: "leave", limits } as const;
    const { id } = await repair(engine, input, run);
    assert.ok((await repair(engine, { ...input, plan: id }, run)).applied);
  }
  await resticOn(access.location, access.password).check();
  await assert.rejects(numbersIn(crm), (error) => isHoldfastError(error, "repository-damaged"));
  // Nobody knows whether it had to leave out what was seen of files, too.
  assert.deepEqual((await opened())?.files.spans, []);
});

test("whoever prunes in between, and deletes at once, does not end it", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const { access, run, description } = crm;
  await using repository = await openFor(crm.engine, access, run);
  await using keeper = keeperOf(crm, crm.engine, repository, { ...keeperTiming, rollUpMs: 0 });
  await keeper.open(run.signal);
  // What the journal has of a database stays where it is until something happens there again: here, so long that nobody has it at hand.
  const [main, other] = ["main", "other"].map(
    (name) => new FollowStream(description.name, keeper.writer.database(name)),
  );
  assert.ok(main && other);
  for (const stream of [main, other]) stream.begin(feedAt({ position: "0", time: "2026-03-12T14:00:00.000Z" }));
  const keep = async (stream: FollowStream, position: number): Promise<void> => {
    await sealOne(stream, position, run.signal);
    assert.equal(await keeper.store(stream.waiting), "stored");
    stream.stored(1);
    assert.equal(await keeper.publishIfDue("now"), "published");
    keeper.endRest();
  };
  const numbers = Array.from({ length: 18 }, (_, at) => at + 1);
  await keep(other, 1);
  for (const number of numbers) await keep(main, number);
  await resticOn(access.location, access.password).output("prune", "--max-unused", "0");
  await keep(other, 2);
  assert.deepEqual(await numbersIn(crm), numbers);
  assert.deepEqual(await numbersIn(crm, "other"), [1, 2]);
  await resticOn(access.location, access.password).check();
});

test("what somebody has pruned since the index was read is stored again", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const { access, run, description, attachments } = crm;
  const restic = resticOn(access.location, access.password);
  // A piece of a long segment is equal to a file of a backup.
  const piece = Buffer.from("B\t1\t2026-03-12T14:00:01.000Z\n");
  writeFileSync(join(attachments, "piece"), piece);
  const { snapshot } = await crm.backup();
  await using repository = await openFor(crm.engine, access, run);
  await using keeper = keeperOf(crm, crm.engine, repository);
  await keeper.open(run.signal);
  const stream = new FollowStream(description.name, keeper.writer.database("main"));
  stream.begin(feedAt({ position: "0", time: "2026-03-12T14:00:00.000Z" }));
  const keep = async (segments: readonly SealedSegment[]): Promise<void> => {
    assert.equal(await keeper.store(segments), "stored");
    stream.stored(1);
    assert.equal(await keeper.publishIfDue("now"), "published");
    keeper.endRest();
  };
  await sealOne(stream, 1, run.signal);
  await keep(stream.waiting);
  await restic.output("forget", "--prune", "--max-unused", "0", snapshot);
  await sealOne(stream, 2, run.signal);
  const [sealed] = stream.waiting;
  assert.ok(sealed);
  const header = { ...sealed.header, rest: [hash("sha256", piece, "hex")] };
  const bytes = Buffer.from(`${JSON.stringify(header)}\n`);
  await keep([{ header, bytes, rest: [piece], id: hash("sha256", bytes, "hex") }]);
  assert.deepEqual(await numbersIn(crm), [1, 2]);
  await restic.check();
});

test("of two that follow the same, one ends, and the journal can be read", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const { access, run, description } = crm;
  await using repository = await openFor(crm.engine, access, run);
  await using one = keeperOf(crm, crm.engine, repository);
  await using other = keeperOf(crm, crm.engine, repository);
  const both = [one, other];
  for (const keeper of both) await keeper.open(run.signal);
  const streams = both.map((keeper) => new FollowStream(description.name, keeper.writer.database("main")));
  for (const stream of streams) stream.begin(feedAt({ position: "0", time: "2026-03-12T14:00:00.000Z" }));
  const keep = async (at: number, position: number): Promise<void> => {
    const [keeper, stream] = [both[at], streams[at]];
    assert.ok(keeper && stream);
    await sealOne(stream, position, run.signal);
    assert.equal(await keeper.store(stream.waiting), "stored");
    stream.stored(1);
    await keeper.publishIfDue("now");
    keeper.endRest();
  };
  // Each tells the same log by itself, and cuts it where it does.
  await keep(0, 1);
  await keep(1, 2);
  await assert.rejects(keep(0, 3), (error) => isHoldfastError(error, "follow-other"));
  await keep(1, 3);
  assert.deepEqual(await numbersIn(crm), [1, 2]);
});

test("a look at the files that ends while the journal is named is in the next snapshot", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const { access, run, description } = crm;
  let onSnapshot: (() => void) | undefined;
  const engine = savingBy(crm.engine, async (kind, save) => {
    if (kind === "snapshot") onSnapshot?.();
    await save();
  });
  await using repository = await openFor(engine, access, run);
  await using keeper = keeperOf(crm, engine, repository, { ...keeperTiming, publishMs: 0 });
  await keeper.open(run.signal);
  const stream = new FollowStream(description.name, keeper.writer.database("main"));
  stream.begin(feedAt({ position: "0", time: "2026-03-12T14:00:00.000Z" }));
  await sealOne(stream, 1, run.signal);
  assert.equal(await keeper.store(stream.waiting), "stored");
  // Later than now: what was before the oldest backup, of which there is none, is let go.
  const from = "2126-03-12T14:00:00.000Z";
  const [first, second] = ["2126-03-12T14:01:00.000Z", "2126-03-12T14:02:00.000Z"];
  keeper.looked({ from, to: first });
  onSnapshot = () => {
    onSnapshot = undefined;
    keeper.looked({ from, to: second });
  };
  for (const to of [first, second]) {
    keeper.endRest();
    assert.equal(await keeper.publishIfDue("soon"), "published");
    const snapshots = await repository.snapshots(run.signal);
    const journal = await openJournal(await repository.index(run.signal), snapshots, description.name, run.signal);
    assert.deepEqual(journal?.files.spans, [{ from, to }]);
  }
});

/** With a storage that saves each file by `around`. */
function savingBy(engine: Engine, around: (kind: FileKind, save: () => Promise<void>) => Promise<void>): Engine {
  const openStorage = (location: string): Storage => {
    const storage = localStorage(location);
    return {
      ...storage,
      save: (file, bytes, signal) => around(file.kind, () => storage.save(file, bytes, signal)),
    };
  };
  return { ...engine, openStorage };
}

const pruning = {
  mode: "apply",
  keepMarkedMs: 0,
  waitMs: 0,
  maxRepackBytes: Infinity,
  maxUnused: { bytes: 0 },
} as const;
