import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { sqliteEngine } from "../../src/database/sqlite/sqlite.ts";
import { openFor } from "../../src/engine/access.ts";
import { keeperTiming } from "../../src/engine/journal-keeper.ts";
import { listSnapshots } from "../../src/engine/snapshots.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { following } from "../support/following.ts";
import { feedAt, keeperOf, keepOne } from "../support/journal-keeping.ts";
import { hashOfLive, hashOfPoint } from "../support/live-hash.ts";
import { momentOf, withPoint } from "../support/open-moment.ts";
import { smallCrm, type SmallCrm } from "../support/small-crm.ts";
import { followed } from "../support/survival.ts";
import { temporaryFolder } from "../support/temp-folder.ts";
import { until } from "../support/until.ts";

const timing = { ...keeperTiming, publishMs: 300, restMs: 50, rollUpMs: 1e9 };
const filesTiming = {
  lookMs: 100,
  unwatchedMs: 100,
  sweepMs: 200,
  settleMs: 0,
  longestSettleMs: 1000,
  storeMs: 300,
  storesAtOnce: 1,
};

/** What is in the repository, but for locks, which come and go. */
function filesIn({ access }: SmallCrm): readonly string[] {
  return ["data", "index", "snapshots"].flatMap((folder) =>
    readdirSync(join(access.location, folder), { recursive: true }).map((name) => `${folder}/${String(name)}`),
  );
}

function on(crm: SmallCrm, machine: string): SmallCrm {
  return { ...crm, engine: { ...crm.engine, stateFolder: join(crm.folder, machine) } };
}

/** Up to when every moment can be had, of rows and of files. */
async function reachOf({ engine, access, run }: SmallCrm): Promise<readonly string[]> {
  const { journal, files } = await listSnapshots(engine, { repository: access }, run);
  return [...journal, ...files].map(({ spans }) => spans.at(-1)?.to ?? "");
}

test("while nothing happens nothing is written, and this machine knows all the same how far the journal has got", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const url = `sqlite:${crm.database}`;
  await using running = await followed(crm, { timing, filesTiming });
  await crm.backup();
  crm.sql("UPDATE contact SET name = 'named' WHERE id = 1");
  const hash = await hashOfLive(sqliteEngine, url);
  await running.durable(new Date(Date.now() + 500).toISOString());
  await wait(1000);
  const before = filesIn(crm);
  const quiet = new Date().toISOString();
  const isKnown = async (): Promise<boolean> => (await reachOf(crm)).every((to) => to > quiet);
  await until(isKnown);
  await wait(1500);
  assert.deepEqual(filesIn(crm), before);
  assert.equal(await withPoint(crm, momentOf({ time: quiet }), hashOfPoint), hash);
  // Nobody else knows it yet, and nobody is told what is not so.
  const elsewhere = on(crm, "elsewhere");
  assert.ok((await reachOf(elsewhere)).every((to) => to < quiet));
  await assert.rejects(withPoint(elsewhere, momentOf({ time: quiet }), hashOfPoint), (error) =>
    isHoldfastError(error, "moment-unreachable"),
  );

  // What happens then is in the repository as soon as ever, and by that everybody knows the time before.
  crm.sql("UPDATE contact SET name = 'renamed' WHERE id = 2");
  await running.durable(new Date(Date.now() + 500).toISOString());
  await until(async () => ((await reachOf(elsewhere))[0] ?? "") > quiet);
  assert.equal(await withPoint(elsewhere, momentOf({ time: quiet }), hashOfPoint), hash);
});

test("a sign of life is written now and then though nothing happens", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  await using running = await followed(crm, { timing: { ...timing, aliveMs: 700 }, filesTiming });
  const elsewhere = on(crm, "elsewhere");
  for (let round = 0; round < 2; round++) {
    const now = new Date().toISOString();
    await until(async () => ((await reachOf(elsewhere))[0] ?? "") > now);
  }
  await running.end();
});

test("how far an idle journal had got outlives a kill, as far as it belongs to the journal that is there", async () => {
  using folder = temporaryFolder();
  const made = await smallCrm(folder.path);
  const run = { ...made.run, now: () => new Date("2026-03-12T13:00:00.000Z") };
  const crm = { ...made, run };
  const { engine, access } = crm;
  await keepOne(crm, engine, 1, "named");
  const reached = { position: "7", time: "2026-03-12T14:30:00.000Z" };
  const span = { from: "2026-03-12T13:00:00.000Z", to: "2026-03-12T14:30:00.000Z" };
  const opened = async (of: SmallCrm, use: "look" | "reach" = "look"): Promise<readonly unknown[]> => {
    await using repository = await openFor(of.engine, access, run);
    await using keeper = keeperOf(of, of.engine, repository, { ...timing, publishMs: 0 });
    await keeper.open(run.signal);
    keeper.endRest();
    if (use === "reach") {
      assert.equal(await keeper.publishIfDue("now"), "published");
      keeper.reached("main", reached, keeper.writer.database("main").head?.id);
      keeper.looked(span);
      await wait(5);
      assert.equal(await keeper.publishIfDue(), "not-yet");
    }
    const { databases, files } = keeper.writer.known;
    return [databases[0]?.spans.at(-1)?.to, files.spans.at(-1)];
  };
  assert.deepEqual(await opened(crm, "reach"), [reached, span]);
  assert.deepEqual(await opened(crm), [reached, span]);
  const first = { position: "1", time: "2026-03-12T14:00:01.000Z" };
  assert.deepEqual(await opened(on(crm, "elsewhere")), [first, undefined]);
  // Another one has gone on: what is noted here says nothing of that.
  await keepOne(on(crm, "elsewhere"), on(crm, "elsewhere").engine, 2, "named");
  assert.deepEqual((await opened(crm))[0], { position: "2", time: "2026-03-12T14:00:02.000Z" });
});

test("a server that keeps much of its log for us, which others write, is told how far it was read though nothing happens", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const acknowledged: string[] = [];
  let heldBytes = 1000;
  const feed = {
    ...feedAt({ position: "1", time: new Date().toISOString() }),
    get heldBytes(): number {
      return heldBytes;
    },
    acknowledge: async (position: string) => void acknowledged.push(position),
    async *changes() {
      yield [{ type: "tables", digest: "one", outside: [] } as const];
      for (let position = 2; ; position++) {
        await wait(50);
        yield [{ type: "reached", point: { position: `${position}`, time: new Date().toISOString() } } as const];
        if (position === 9) break;
      }
      await wait(3_600_000, undefined, { ref: false, signal: stop.signal });
    },
  };
  const stop = new AbortController();
  const log = { pointOf: () => undefined, follow: async () => feed };
  const engine = { ...crm.engine, databases: [{ ...sqliteEngine, log }] };
  await using running = following({ ...crm, engine }, { timing, filesTiming });
  await running.event((event) => event.type === "journal" && event.position === "9");
  await wait(800);
  const before = filesIn(crm).length;
  assert.ok(!acknowledged.includes("9"));
  heldBytes = 65 << 20;
  await until(() => acknowledged.includes("9"));
  assert.ok(filesIn(crm).length > before);
  stop.abort();
});
