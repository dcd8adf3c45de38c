import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { PostgresConnection } from "../../src/database/postgres/connection.ts";
import { PostgresSnapshot } from "../../src/database/postgres/snapshot.ts";
import { isHoldfastError, type ErrorCode } from "../../src/lib/errors.ts";
import { postgres } from "../support/postgres-capture.ts";
import { type PostgresServer, startPostgres } from "../support/postgres-server.ts";
import { smallCrm, type SmallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const { signal } = new AbortController();

let server: PostgresServer;
before(async () => {
  server = await startPostgres();
});
after(() => server[Symbol.asyncDispose]());

let made = 0;
async function newCrm(root: string, user = "postgres"): Promise<SmallCrm & { readonly name: string }> {
  const name = `crm${made++}`;
  await server.sql(`CREATE DATABASE ${name}`);
  await server.sql(
    "CREATE TABLE contact (id serial PRIMARY KEY, name text); INSERT INTO contact (name) SELECT repeat('x', 500) FROM generate_series(1, 20000)",
    name,
  );
  const crm = await smallCrm(root, { url: server.url(name, user), engine: postgres });
  return { ...crm, name };
}
const fails = (code: ErrorCode, subject?: RegExp) => (error: unknown) =>
  isHoldfastError(error, code) && (subject === undefined || subject.test(String(error.facts["subject"])));

test("a user with too few rights is told so, and the SQL of doctor makes one that can back up", async () => {
  using folder = temporaryFolder();
  await server.sql("CREATE ROLE holdfast_before LOGIN");
  const crm = await newCrm(folder.path, "holdfast_before");
  await server.sql(
    "CREATE TABLE secured (id integer PRIMARY KEY); ALTER TABLE secured ENABLE ROW LEVEL SECURITY; SELECT lo_create(99)",
    crm.name,
  );
  await assert.rejects(crm.backup(), fails("database-rights"));
  const source = await postgres.connect({ url: server.url(crm.name, "holdfast_before") }, { signal });
  const rights = await source.rights?.(signal);
  await source[Symbol.asyncDispose]();
  assert.deepEqual(
    rights?.missing.map(({ subject, right }) => `${right} ${subject}`),
    ["SELECT public.contact", "SELECT public.contact_id_seq", "SELECT public.secured", "BYPASSRLS public.secured"],
  );
  await server.sql(rights?.script ?? "", crm.name);
  const least = await smallCrm(`${folder.path}/least`, { url: server.url(crm.name, "holdfast"), engine: postgres });
  const { outcome, rows, warnings } = await least.backup("full", { inconsistencies: "accept" });
  assert.deepEqual([outcome, rows.rows, warnings], ["ok", 20_001, []]);
  await using later = await postgres.connect({ url: server.url(crm.name, "holdfast") }, { signal });
  assert.deepEqual((await later.rights?.(signal))?.missing, []);
});

test("a table that somebody else has locked is named", async () => {
  using folder = temporaryFolder();
  const crm = await newCrm(folder.path);
  await using other = await postgresSession(server.url(crm.name));
  await other.run("BEGIN; LOCK TABLE public.contact IN ACCESS EXCLUSIVE MODE");
  const address = { url: server.url(crm.name) };
  const waits: object[] = [];
  const onWait = (facts: object) => waits.push(facts);
  const take = () => PostgresSnapshot.take({ address, environment: {}, lockWaitMs: 1300, onWait, signal });
  await assert.rejects(take(), fails("database-busy", /contact/));
  assert.deepEqual(waits, [{ subject: "public.contact", reason: `session ${other.pid}` }]);
  await other.run("COMMIT");
  await (await take())[Symbol.asyncDispose]();
});

test("a writer is not kept waiting, and is seen whole or not at all", async () => {
  using folder = temporaryFolder();
  const crm = await newCrm(folder.path);
  await server.sql(
    "CREATE TABLE a (id integer PRIMARY KEY, n bigint); CREATE TABLE b (id integer PRIMARY KEY, n bigint); INSERT INTO a VALUES (1, 0); INSERT INTO b VALUES (1, 0)",
    crm.name,
  );
  const stop = { now: "no" };
  const stalls: number[] = [];
  const writing = (async () => {
    await using source = await postgresSession(server.url(crm.name));
    while (stop.now === "no") {
      const started = performance.now();
      await source.run("BEGIN; UPDATE public.a SET n = n + 1; UPDATE public.b SET n = n + 1; COMMIT");
      stalls.push(performance.now() - started);
    }
  })();
  await wait(100);
  await using source = await postgres.connect({ url: server.url(crm.name) }, { signal });
  const worst: number[] = [];
  for (let round = 0; round < 8; round++) {
    stalls.length = 0;
    await using snapshot = await source.snapshot(signal);
    const values = new Map<string, string>();
    for (const table of snapshot.schema.tables) {
      for await (const { lines } of snapshot.reader(table).read({}, signal))
        values.set(table.name, lines.toString().slice(0, 40));
    }
    assert.equal(values.get("a"), values.get("b"));
    worst.push(Math.max(...stalls));
  }
  stop.now = "yes";
  await writing;
  // Other processes of the machine may hold a writer up too: the rule is kept when it is kept at most times.
  const median = worst.toSorted((x, y) => x - y)[4] ?? Infinity;
  assert.ok(median < 50, `a writer was held up for ${worst.map((ms) => ms.toFixed(1)).join(", ")} ms`);
  assert.ok(Math.max(...worst) < 500, "a stall by a lock would be seconds");
});

test("rows are read no faster than `limits: read:` says", async () => {
  using folder = temporaryFolder();
  const crm = await newCrm(folder.path);
  const timed = async (read?: number) => {
    const started = performance.now();
    const limits = { workers: 1, priority: "normal", ...(read && { readBytesPerSecond: read }) } as const;
    await crm.backup("full", { limits });
    return performance.now() - started;
  };
  // The table's lines are 10 MB.
  assert.ok((await timed(5_000_000)) > 1900);
  assert.ok((await timed(200_000_000)) < 1900 + (await timed()));
});

test("a connection that is cut, and a server that dies: no snapshot, one error, and the next backup is whole", async () => {
  using folder = temporaryFolder();
  const crm = await newCrm(folder.path);
  await using source = await postgres.connect({ url: server.url(crm.name) }, { signal });
  const snapshot = await source.snapshot(signal);
  const [table] = snapshot.schema.tables;
  assert.ok(table);
  const reading = snapshot.reader(table).read({}, signal, 1000)[Symbol.asyncIterator]();
  await reading.next();
  await server.sql(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holdfast' AND datname = '${crm.name}'`,
  );
  await assert.rejects(async () => {
    for (let step = await reading.next(); !step.done; step = await reading.next());
  }, fails("database-unreachable"));
  await snapshot[Symbol.asyncDispose]();

  const running = crm.backup();
  await wait(150);
  await server.kill();
  await running.then(
    () => undefined,
    (error: unknown) => assert.ok(isHoldfastError(error, "database-unreachable"), String(error)),
  );
  await server.start();
  assert.equal((await crm.backup("full", { inconsistencies: "accept" })).outcome, "ok");
});

async function postgresSession(url: string) {
  return PostgresConnection.open({ url }, { environment: {}, signal });
}
