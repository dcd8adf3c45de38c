import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { journalsOf } from "../../src/contents/journal/open-journal.ts";
import { sqliteEngine } from "../../src/database/sqlite/sqlite.ts";
import { openFor } from "../../src/engine/access.ts";
import { backup } from "../../src/engine/backup.ts";
import { copySnapshots } from "../../src/engine/copy.ts";
import { forget } from "../../src/engine/forget.ts";
import { keeperTiming } from "../../src/engine/journal-keeper.ts";
import { backupsOf } from "../../src/engine/points.ts";
import { prune } from "../../src/engine/prune.ts";
import { HoldfastError } from "../../src/lib/errors.ts";
import { localStorage } from "../../src/storage/local.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { keepOne, numbersIn } from "../support/journal-keeping.ts";
import { hashOfLive, hashOfPoint } from "../support/live-hash.ts";
import { momentOf, withPoint } from "../support/open-moment.ts";
import { resticOn } from "../support/restic.ts";
import { limits, smallCrm, type SmallCrm } from "../support/small-crm.ts";
import { followed } from "../support/survival.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/** The same CRM as its copy has it. */
function copyOf(crm: SmallCrm): SmallCrm {
  return { ...crm, access: { location: join(crm.folder, "../offsite"), password: "another horse" } };
}

async function copy(crm: SmallCrm, to = copyOf(crm).access): Promise<void> {
  const { engine, access, run } = crm;
  const input = { name: "offsite", points: [], missing: "create", limits, waitMs: 60_000 } as const;
  const { damaged } = await copySnapshots(engine, { from: access, to, ...input }, run);
  assert.deepEqual(damaged, []);
}

function atTime(crm: SmallCrm, time: string): SmallCrm {
  return { ...crm, run: { ...crm.run, now: () => new Date(time) } };
}

async function backUpAt(crm: SmallCrm, time: string): Promise<void> {
  const { engine, access: repository, description, configFile, run } = atTime(crm, time);
  const input = { crm: description, configFile, repository, limits, waitMs: 0, inconsistencies: "warn" } as const;
  await backup(engine, input, run);
}

async function forgetOldest({ engine, access, run, description }: SmallCrm): Promise<void> {
  await using repository = await openFor(engine, access, run);
  const [oldest] = backupsOf(await repository.snapshots(run.signal), description.name);
  assert.ok(oldest);
  await using lock = await repository.lock("exclusive", { signal: run.signal, now: run.now, waitMs: 60_000 });
  await repository.removeSnapshots([oldest.id], { signal: run.signal, lock });
}

/** How many snapshots of journals go with what `forget` forgets, which is nothing else. */
async function forgetNothing({ engine, access, run }: SmallCrm): Promise<number> {
  const what = { kind: "policy", policies: { byCrm: {}, others: { last: 100 } } } as const;
  const input = { repository: access, what, zone: "UTC", mode: "apply", waitMs: 60_000 } as const;
  const { remove, supersededJournals } = await forget(engine, input, run);
  assert.deepEqual(remove, []);
  return supersededJournals;
}

async function pruneAll({ engine, access, run }: SmallCrm): Promise<void> {
  const input = { maxRepackBytes: Infinity, maxUnused: { bytes: 0 }, keepMarkedMs: 0, waitMs: 60_000, limits } as const;
  await prune(engine, { repository: access, mode: "apply", ...input }, run);
}

/** How many snapshots a journal has. */
async function journalsIn({ engine, access, run, description }: SmallCrm): Promise<number> {
  await using repository = await openFor(engine, access, run);
  return journalsOf(await repository.snapshots(run.signal), description.name).length;
}

test("a copy has one journal, with every moment that one of its backups leads to, also when the first has forgotten that", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const offsite = copyOf(crm);
  const states: { readonly time: string; readonly hash: string }[] = [];
  const change = async (running: Awaited<ReturnType<typeof followed>>, statement: string): Promise<void> => {
    crm.sql(statement);
    const hash = await hashOfLive(sqliteEngine, `sqlite:${crm.database}`);
    // A difference is of the time when it is looked.
    const time = new Date(Date.now() + 1000).toISOString();
    await running.durable(time);
    states.push({ time, hash });
  };
  const asTheyWere = async (): Promise<void> => {
    for (const state of states) assert.equal(await withPoint(offsite, momentOf(state), hashOfPoint), state.hash);
  };
  // Each is named in a snapshot of its own, and none is rolled up.
  const timing = { ...keeperTiming, publishMs: 1500, restMs: 200 };
  {
    await using running = await followed(crm, { timing });
    await crm.backup();
    await change(running, "UPDATE contact SET name = 'one' WHERE id = 1");
    await change(running, "UPDATE contact SET name = 'two' WHERE id = 2");
    await running.end();
  }
  assert.ok((await journalsIn(crm)) > 1);
  await copy(crm);
  assert.equal(await journalsIn(offsite), 1);
  await asTheyWere();
  {
    await using running = await followed(crm, { timing });
    await crm.backup();
    await forgetOldest(crm);
    await change(running, "DELETE FROM contact WHERE id > 100");
    await running.end();
  }
  await copy(crm);
  await pruneAll(offsite);
  assert.equal(await journalsIn(offsite), 1);
  await asTheyWere();
  // Nothing is new.
  await copy(crm);
  assert.equal(await journalsIn(offsite), 1);
  await resticOn(offsite.access.location, offsite.access.password).check();
});

test("the journal of a copy has the days that a backup there needs, and none before", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const offsite = copyOf(crm);
  const at = (time: string): SmallCrm => atTime(crm, time);
  const numbers = (where: SmallCrm) => numbersIn(where, "main", "2026-03-01T00:00:00.000Z");
  await backUpAt(crm, "2026-03-10T12:00:00.000Z");
  await keepOne(at("2026-03-10T13:00:00.000Z"), crm.engine, 1, "named");
  await keepOne(at("2026-03-11T13:00:00.000Z"), crm.engine, 2, "named");
  await copy(crm);
  await backUpAt(crm, "2026-03-13T12:00:00.000Z");
  await forgetOldest(crm);
  await keepOne(at("2026-03-13T13:00:00.000Z"), crm.engine, 3, "named");
  assert.deepEqual(await numbers(crm), [3]);
  await copy(crm);
  await pruneAll(offsite);
  assert.deepEqual([await numbers(offsite), await journalsIn(offsite)], [[1, 2, 3], 1]);
  await forgetOldest(offsite);
  await keepOne(at("2026-03-14T13:00:00.000Z"), crm.engine, 4, "named");
  await copy(crm);
  await pruneAll(offsite);
  assert.deepEqual([await numbers(offsite), await journalsIn(offsite)], [[3, 4], 1]);
  await resticOn(offsite.access.location, offsite.access.password).check();
});

test("where follow may only add, its snapshots go with what is forgotten; a journal of another follow stays while a backup may need it", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(join(folder.path, "one"));
  const other = await smallCrm(join(folder.path, "two"));
  const offsite = copyOf(crm);
  const openStorage = (location: string): Storage => {
    const storage = localStorage(location);
    return {
      ...storage,
      remove: async (file, signal) => {
        if (file.kind !== "lock") throw new HoldfastError("storage-append-only", { location });
        await storage.remove(file, signal);
      },
    };
  };
  await backUpAt(crm, "2026-03-12T12:00:00.000Z");
  for (const position of [1, 2, 3]) await keepOne(crm, { ...crm.engine, openStorage }, position, "named");
  assert.equal(await journalsIn(crm), 3);
  assert.deepEqual([await forgetNothing(crm), await journalsIn(crm)], [2, 1]);
  assert.deepEqual(await numbersIn(crm), [1, 2, 3]);

  await copy(crm, offsite.access);
  await keepOne(other, other.engine, 4, "named");
  await copy(other, offsite.access);
  assert.deepEqual([await forgetNothing(offsite), await journalsIn(offsite)], [0, 2]);
  // Nor does it go when the newer one is gone on with there.
  await keepOne({ ...other, access: offsite.access }, other.engine, 5, "named");
  assert.deepEqual([await journalsIn(offsite), await forgetNothing(offsite)], [2, 0]);
});
