import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Change, ChangeFeed, FeedPlace } from "../../src/database/change-feed.ts";
import { sqliteEngine } from "../../src/database/sqlite/sqlite.ts";
import { openFor } from "../../src/engine/access.ts";
import { HoldfastError, isHoldfastError } from "../../src/lib/errors.ts";
import { following } from "../support/following.ts";
import { momentOf, withPoint } from "../support/open-moment.ts";
import { postgres } from "../support/postgres-capture.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { smallCrm } from "../support/small-crm.ts";
import { followed } from "../support/survival.ts";
import { temporaryFolder } from "../support/temp-folder.ts";
import { until } from "../support/until.ts";

/** What a server is told to be safe, and what it tells. */
interface ToldServer {
  readonly acknowledged: string[];
  readonly feed: ChangeFeed;
}

function serverThat(
  place: Pick<ChangeFeed, "history" | "start" | "startedAnew">,
  tell: () => AsyncIterable<readonly Change[]>,
): ToldServer {
  const acknowledged: string[] = [];
  const acknowledge = async (position: string): Promise<void> => void acknowledged.push(position);
  return { acknowledged, feed: { ...place, changes: tell, acknowledge, [Symbol.asyncDispose]: async () => {} } };
}

test("the last transaction that the log has can be given by its time, and so can the moment that a refusal names", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const start = { position: String(Date.now()).padStart(15, "0"), time: new Date().toISOString() };
  const second = new Date(Date.now() + 20_000).toISOString().slice(0, 19);
  const point = { position: String(Date.parse(`${second}Z`)).padStart(15, "0"), time: `${second}.049750Z` };
  const backedUp = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const { feed } = serverThat({ history: "sqlite", start }, async function* () {
    yield [{ type: "tables", digest: "one", outside: [] }];
    await backedUp.promise;
    yield [
      { type: "begin", transaction: "740", time: point.time },
      { type: "commit", point },
    ];
    await ended.promise;
  });
  assert.ok(sqliteEngine.log);
  const log = { ...sqliteEngine.log, follow: async () => feed };
  const running = await followed({ ...crm, engine: { ...crm.engine, databases: [{ ...sqliteEngine, log }] } });
  await crm.backup();
  backedUp.resolve();
  await running.durable(point.time);
  ended.resolve();
  await running.end();
  // What a person types is rounded up.
  const typed = new Date(`${second}.050Z`);
  await withPoint(crm, { kind: "moment", time: typed, transaction: "740" }, async () => {});
  const isNamed = (error: unknown): boolean =>
    isHoldfastError(error, "moment-unreachable") && error.facts["before"] === `${second}.049Z`;
  await assert.rejects(
    withPoint(crm, { kind: "moment", time: typed }, async () => {}),
    isNamed,
  );
  await withPoint(crm, momentOf({ time: `${second}.049Z` }), async () => {});
});

test("a server that has come to the address, or was put back, is not told that places of the log before it are safe", async () => {
  for (const history of ["two", "one"]) await isNotTold(history);
});

/** `history`: of the second server; that of the first is "one". */
async function isNotTold(history: string): Promise<void> {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const time = new Date().toISOString();
  const [locked, broken, ended] = [0, 1, 2].map(() => Promise.withResolvers<void>());
  const before = serverThat({ history: "one", start: { position: "500", time } }, async function* () {
    await locked?.promise;
    yield [
      { type: "tables", digest: "one", outside: [] },
      { type: "reached", point: { position: "900", time } },
    ];
    await broken?.promise;
    throw new HoldfastError("database-unreachable", { path: "test" });
  });
  // Of it nothing has come when what waits is stored.
  const after = serverThat(
    { history, start: { position: "100", time }, startedAnew: "other-server" },
    // oxlint-disable-next-line require-yield -- that is what it does
    async function* () {
      await ended?.promise;
    },
  );
  const servers = [before, after];
  let opened = 0;
  const log = { pointOf: () => undefined, follow: async () => servers[opened++]?.feed ?? assert.fail() };
  const engine = { ...crm.engine, databases: [{ ...sqliteEngine, log }] };
  await using running = following({ ...crm, engine });
  // Else it would wait for the repository before it reads anything.
  await until(() => opened === 1);
  {
    await using repository = await openFor(crm.engine, crm.access, crm.run);
    const { signal, now } = crm.run;
    await using _lock = await repository.lock("exclusive", { signal, now, waitMs: 60_000 });
    locked?.resolve();
    await running.event((event) => event.type === "note" && event.code === "follow-waiting");
    broken?.resolve();
    await until(() => opened === 2);
  }
  await running.event((event) => event.type === "journal" && event.position === "900" && event.waitingBytes === 0);
  // Stored, and named.
  await until(() => readdirSync(join(crm.access.location, "snapshots")).length > 0);
  ended?.resolve();
  await running.end();
  assert.deepEqual([before.acknowledged, after.acknowledged], [[], []]);
}

test("PostgreSQL is not told that what waits in memory is safe, when the log is read on from behind it", async () => {
  await using server = await startPostgres({ settings: ["wal_level=logical"] });
  await server.sql("CREATE DATABASE crm");
  await server.sql("CREATE TABLE contact (id integer PRIMARY KEY)", "crm");
  const { log } = postgres;
  assert.ok(log);
  const signal = AbortSignal.timeout(60_000);
  const options = { signal, name: "waiting", mostLagBytes: 2 ** 40, intervalMs: 100, silenceMs: 60_000 };
  const follow = (from?: FeedPlace): Promise<ChangeFeed> =>
    log.follow({ url: server.url("crm") }, { ...options, ...(from && { from }) });
  /** Where the log is when the row is told; nothing is acknowledged. */
  const readTo = async (feed: ChangeFeed, id: number): Promise<FeedPlace> => {
    let digest: string | undefined;
    await server.sql(`INSERT INTO contact VALUES (${id})`, "crm");
    for await (const changes of feed.changes()) {
      for (const change of changes) {
        if (change.type === "tables") ({ digest } = change);
        if (change.type === "commit") return { ...change.point, history: feed.history, tables: digest };
      }
    }
    return assert.fail();
  };
  let known: FeedPlace;
  let behind: FeedPlace;
  {
    await using first = await follow();
    known = { ...first.start, history: first.history, tables: undefined };
    behind = await readTo(first, 1);
    known = { ...known, tables: behind.tables };
  }
  {
    // The connection was lost, and what was read waits still.
    await using second = await follow(behind);
    assert.equal(second.startedAnew, undefined);
    // Nothing more comes, and the server asks how it is.
    for await (const changes of second.changes()) if (changes.some(({ type }) => type === "reached")) break;
  }
  // Who followed died, and nothing of that was stored.
  await using third = await follow(known);
  assert.equal(third.startedAnew, undefined);
});
