import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { PostgresConnection } from "../../src/database/postgres/connection.ts";
import { installedPrograms } from "../../src/database/postgres/installed-programs.ts";
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

/** A TRUNCATE of what our sessions hold, which waits for them; `done` when it has gone through. */
async function truncateBeside(name: string): Promise<{ readonly done: Promise<void> }> {
  const other = await postgresSession(server.url(name));
  const truncate = async (): Promise<void> => {
    await other.run("SET lock_timeout = 0; TRUNCATE public.contact");
    await other[Symbol.asyncDispose]();
  };
  const done = truncate();
  done.catch(() => {}); // told by who awaits it
  const waits = `SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = ${other.pid}`;
  while ((await server.sql(waits, name)).trim() === "0") await wait(20);
  return { done };
}

test("sessions of one moment do not queue behind a TRUNCATE that waits for another of them", async () => {
  using folder = temporaryFolder();
  const { name } = await newCrm(folder.path);
  await server.sql("VACUUM public.contact", name);
  await using source = await postgres.connect({ url: server.url(name) }, { signal });
  const snapshot = await source.snapshot(signal);
  const { done } = await truncateBeside(name);
  const { tables, bytes } = await source.estimate(signal);
  assert.deepEqual([tables, bytes > 0], [1, true]);
  const table = snapshot.schema.tables.find((one) => one.name === "contact");
  assert.ok(table);
  let rows = 0;
  for await (const batch of snapshot.reader(table).read({}, signal)) rows += batch.rows;
  assert.equal(rows, 20_000);
  await snapshot[Symbol.asyncDispose]();
  await done;
});

test("whoever empties a table whose rows nobody reads does not wait for a backup", async () => {
  using folder = temporaryFolder();
  const { name } = await newCrm(folder.path);
  await server.sql("CREATE TABLE cache (id integer PRIMARY KEY)", name);
  await using source = await postgres.connect({ url: server.url(name) }, { signal, unread: ["cache"] });
  await using snapshot = await source.snapshot(signal);
  await server.sql("SET lock_timeout = '1s'; TRUNCATE cache; ALTER TABLE cache ADD COLUMN v text", name);
  assert.deepEqual(
    snapshot.schema.tables.map((table) => [table.name, table.columns.length]),
    [
      ["contact", 2],
      ["cache", 1],
    ],
  );
});

test("pg_dump that finds itself behind a TRUNCATE gives up its place, and a new moment is taken", async () => {
  using folder = temporaryFolder();
  const { name } = await newCrm(folder.path);
  const [real] = await installedPrograms("pg_dump", {});
  assert.ok(real);
  // The newest that is there: before it does the first time what it is to do, it tells and waits.
  const [told, go] = [join(folder.path, "told"), join(folder.path, "go")];
  const script = `#!/bin/sh
case "$*" in --version) echo "pg_dump (PostgreSQL) 99.0"; exit;; esac
echo run >>${told}
while [ ! -e ${go} ]; do sleep 0.02; done
exec ${real.path} "$@"\n`;
  await writeFile(join(folder.path, "pg_dump"), script, { mode: 0o755 });
  await symlink(join(dirname(real.path), "pg_restore"), join(folder.path, "pg_restore"));
  const environment = { PATH: `${folder.path}:/usr/bin:/bin` };
  const taking = PostgresSnapshot.take({ address: { url: server.url(name) }, environment, signal });
  taking.catch(() => {}); // told below
  while (!existsSync(told)) await wait(20);
  const { done } = await truncateBeside(name);
  await writeFile(go, "");
  await using snapshot = await taking;
  await done;
  assert.equal(await readFile(told, "utf8"), "run\nrun\n");
  assert.match(String(snapshot.schema.settings["definitions"]), /^pg_dump/);
  const table = snapshot.schema.tables.find((one) => one.name === "contact");
  assert.ok(table);
  assert.deepEqual(await Array.fromAsync(snapshot.reader(table).read({}, signal)), []);
});

/**
 * Writes on and on inside the server, and notes how long each transaction was held up there: its time by the server's clock
 * without what the server's process waited for a processor, which says how busy the machine is and nothing of locks.
 * https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat
 */
const writer = `
  CREATE TABLE a (id integer PRIMARY KEY, n bigint); INSERT INTO a VALUES (1, 0);
  CREATE TABLE b (id integer PRIMARY KEY, n bigint); INSERT INTO b VALUES (1, 0);
  CREATE SCHEMA writer; CREATE TABLE writer.stall (ms float8); CREATE TABLE writer.stop (now integer);
  CREATE FUNCTION writer.clock() RETURNS float8 LANGUAGE sql AS $$
    SELECT extract(epoch FROM clock_timestamp()) * 1000 -
      coalesce(split_part(pg_read_file('/proc/' || pg_backend_pid() || '/schedstat', 0, 100, true), ' ', 2)::float8 / 1e6, 0) $$;
  CREATE PROCEDURE writer.go() LANGUAGE plpgsql AS $$
    DECLARE began float8;
    BEGIN
      WHILE NOT EXISTS (SELECT FROM writer.stop) LOOP
        began := writer.clock();
        UPDATE a SET n = n + 1; UPDATE b SET n = n + 1; COMMIT;
        INSERT INTO writer.stall VALUES (writer.clock() - began); COMMIT;
      END LOOP;
    END $$`;

/** Of our sessions; each has one on the number of its own transaction besides. */
const locksHeld = `SELECT DISTINCT locktype, mode FROM pg_locks JOIN pg_stat_activity USING (pid)
  WHERE application_name = 'holdfast' AND datname = current_database() AND locktype <> 'virtualxid'`;

test("a writer is not kept waiting, and is seen whole or not at all", async () => {
  using folder = temporaryFolder();
  const crm = await newCrm(folder.path);
  await server.sql(writer, crm.name);
  const writing = server.sql("CALL writer.go()", crm.name);
  const asked = async (query: string) => Number((await server.sql(query, crm.name)).trim());
  await using source = await postgres.connect({ url: server.url(crm.name) }, { signal });
  const worst: number[] = [];
  try {
    for (let round = 0; round < 6; round++) {
      await server.sql("DELETE FROM writer.stall", crm.name);
      const values = new Map<string, string>();
      {
        await using snapshot = await source.snapshot(signal);
        for (const table of snapshot.schema.tables.filter(({ schema }) => schema === "public")) {
          for await (const { lines } of snapshot.reader(table).read({}, signal))
            values.set(table.name, lines.toString().slice(0, 40));
        }
        // What a transaction locked it holds to its end: nothing of it holds up anybody who writes.
        assert.equal(await server.sql(locksHeld, crm.name), "relation|AccessShareLock\n");
      }
      assert.equal(values.get("a"), values.get("b"));
      // Whoever was held up until now goes on, and says so.
      const now = await asked("SELECT n FROM a");
      while ((await asked("SELECT n FROM a")) < now + 2);
      worst.push(await asked("SELECT max(ms) FROM writer.stall"));
    }
  } finally {
    await server.sql("INSERT INTO writer.stop VALUES (1)", crm.name);
    await writing;
  }
  // Whoever waits for one of the server's own short locks waits for its holder's processor too: not at most times.
  const median = worst.toSorted((x, y) => x - y)[3] ?? Infinity;
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
  // More than what is read ahead and what waits in sockets: else all of it may be there before the connection is cut.
  await server.sql("INSERT INTO contact (name) SELECT repeat('x', 500) FROM generate_series(1, 80000)", crm.name);
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

  // It may be over before the server is.
  const ended = crm.backup().then(
    () => undefined,
    (error: unknown) => error,
  );
  await wait(150);
  await server.kill();
  const error = await ended;
  assert.ok(error === undefined || isHoldfastError(error, "database-unreachable"), String(error));
  await server.start();
  assert.equal((await crm.backup("full", { inconsistencies: "accept" })).outcome, "ok");
});

async function postgresSession(url: string) {
  return PostgresConnection.open({ url }, { environment: {}, signal });
}
