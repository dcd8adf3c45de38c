import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import { targetOf } from "../src/database/mysql/location.ts";
import { positionOf } from "../src/database/mysql/log-position.ts";
import { Session } from "../src/database/mysql/session.ts";
import { parsePlace, positionOf as postgresPosition } from "../src/database/postgres/log-position.ts";
import { PostgresConnection } from "../src/database/postgres/connection.ts";
import { startBenchMariadb } from "./mariadb-server.ts";
import { startBenchPostgres } from "./postgres-server.ts";
import type { Bench } from "./scenarios.ts";
import type { Tool } from "./tools.ts";

/** A connection that writes. */
interface Client extends AsyncDisposable {
  run(sql: string): Promise<void>;
  /** Where the log is by now, as `follow` tells it: at or behind what this one has committed. */
  position(): Promise<string>;
}

interface World {
  readonly name: string;
  readonly url: string;
  open(): Promise<Client>;
  /** Makes `party` with so many rows of 200 bytes, and `mark (n)`. */
  make(rows: number): void;
  /** Changes `hotRows` rows. */
  readonly hot: string;
}

const rowsAtScaleOne = 1_000_000;
const hotRows = 20_000;
const calmSeconds = 150;

/**
 * From a commit to its place in the repository: how long each of some twenty commits a second took, by the clock of this machine, from the
 * answer to `COMMIT` until `follow` told that it is durable. With nobody else there, which has two publications of the journal and two
 * rests of the repository in it; beside full backups; and while 20,000 rows a second change.
 */
export async function followRound(bench: Bench): Promise<void> {
  const tool = bench.tools.find(({ begin }) => begin);
  if (!tool) return;
  const { signal } = new AbortController();
  {
    using server = startBenchPostgres(bench.work, 15, "-c wal_level=logical");
    const url = server.url("followed");
    await followWorld(bench, tool, {
      name: "PostgreSQL 15",
      url,
      open: async () => {
        const connection = await PostgresConnection.open({ url }, { environment: {}, signal });
        await connection.run("SET search_path TO public");
        return {
          run: (sql) => connection.run(sql),
          position: async () => {
            const place = parsePlace((await connection.value("SELECT pg_current_wal_insert_lsn()::text")) ?? "");
            return postgresPosition(place ?? 0n);
          },
          [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
        };
      },
      hot: `UPDATE party SET amount = amount + 1 WHERE id <= ${hotRows}`,
      make: (rows) => {
        server.sql("DROP DATABASE IF EXISTS followed", "postgres");
        server.sql("CREATE DATABASE followed", "postgres");
        server.sql(
          `CREATE TABLE party (id bigint PRIMARY KEY, name text, note text, amount numeric);
           INSERT INTO party SELECT i, 'party ' || i, md5(i::text) || md5((i + 1)::text) || md5((i + 2)::text) || md5((i + 3)::text), i / 7.0 FROM generate_series(1, ${rows}) i;
           CREATE TABLE mark (n bigint PRIMARY KEY); ANALYZE`,
          "followed",
        );
      },
    });
    server.sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots", "followed");
  }
  using server = startBenchMariadb(bench.work, [
    ...["--log-bin", "--server-id=7", "--binlog-format=ROW", "--binlog-row-metadata=FULL"],
  ]);
  const url = server.url("followed");
  await followWorld(bench, tool, {
    name: "MariaDB 10.11",
    url,
    open: async () => {
      const session = await Session.open(await targetOf({ url }), "followed", signal);
      return {
        run: (sql) => session.run(sql),
        position: async () => {
          const [row] = await session.query("SHOW MASTER STATUS");
          return positionOf({ file: row?.[0] ?? "", offset: Number(row?.[1]) });
        },
        [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
      };
    },
    hot: `UPDATE party SET amount = amount + 1 WHERE id <= ${hotRows}`,
    make: (rows) => {
      server.sql("CREATE OR REPLACE DATABASE followed");
      server.sql(
        `CREATE TABLE party (id bigint PRIMARY KEY, name varchar(100), note varchar(200), amount decimal(20,4));
         INSERT INTO party SELECT seq, CONCAT('party ', seq), CONCAT(MD5(seq), MD5(seq + 1), MD5(seq + 2), MD5(seq + 3)), seq / 7 FROM seq_1_to_${rows};
         CREATE TABLE mark (n bigint PRIMARY KEY)`,
        "followed",
      );
    },
  });
}

async function followWorld(bench: Bench, tool: Tool, world: World): Promise<void> {
  world.make(Math.max(hotRows, Math.round(rowsAtScaleOne * bench.scale)));
  tool.create({ folder: bench.work, url: world.url });
  const following = new Following(tool);
  try {
    await following.until(() => following.told > 0);
    await wait(5000);
    const calm = await commitsFor(world, following, () => wait(calmSeconds * 1000));
    record("nobody else there", calm);
    const beside = await commitsFor(world, following, async () => {
      for (let count = 0; count < 2; count++) {
        const backup = tool.begin?.("backup", "full");
        backup?.stdout?.resume();
        if (backup) await once(backup, "exit");
      }
    });
    record("beside two full backups", beside);
    let rows = 0;
    const hot = await commitsFor(world, following, async () => {
      await using client = await world.open();
      for (const end = performance.now() + 30_000; performance.now() < end; rows += hotRows) {
        const next = performance.now() + 1000;
        await client.run(world.hot);
        await wait(Math.max(0, next - performance.now()));
      }
    });
    record("20,000 rows a second", { ...hot, rows });
  } finally {
    await following.end();
  }

  function record(step: string, { rows, ...one }: Measured & { readonly rows?: number }): void {
    const { millis, seconds, cpuSeconds } = one;
    const sorted = millis.toSorted((a, b) => a - b);
    const at = (part: number) => (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0) / 1000;
    const notes = {
      ...{ commits: sorted.length, "median, s": at(0.5), "p99, s": at(0.99), "most, s": at(1) },
      ...(rows !== undefined && { "rows/s": Math.round(rows / seconds), "caught up after, s": one.behindMs / 1000 }),
    };
    const cost = { wallSeconds: seconds, cpuSeconds, peakBytes: following.peakBytes };
    bench.record({ step: `${world.name}, commit to durable: ${step}`, tool: tool.name, ...cost, notes });
  }
}

interface Measured {
  /** Of each commit. */
  readonly millis: readonly number[];
  readonly seconds: number;
  /** Of `follow`. */
  readonly cpuSeconds: number;
  /** From the end of the work until all of it was durable. */
  readonly behindMs: number;
}

/** Commits a mark some twenty times a second while `work` is done. */
async function commitsFor(world: World, following: Following, work: () => Promise<unknown>): Promise<Measured> {
  await using client = await world.open();
  await client.run("DELETE FROM mark");
  const cpuBefore = following.cpuSeconds;
  const started = performance.now();
  const committed: Told[] = [];
  let isOver = false;
  const working = (async () => {
    await work();
    isOver = true;
  })();
  while (!isOver) {
    await client.run(`INSERT INTO mark VALUES (${committed.length})`);
    const atMs = performance.now();
    committed.push({ atMs, position: await client.position() });
    await wait(50);
  }
  await working;
  const ended = performance.now();
  // One more, behind which all of it is.
  await client.run("DELETE FROM mark");
  const last = committed.at(-1)?.position ?? "";
  await following.until(() => following.durableAt(last) > 0);
  const cpuSeconds = following.cpuSeconds - cpuBefore;
  const millis = committed.map(({ atMs, position }) => following.durableAt(position) - atMs);
  const seconds = (ended - started) / 1000;
  return { millis, seconds, cpuSeconds, behindMs: Math.max(0, following.durableAt(last) - ended) };
}

/** A position of the log, and when it was reached. */
interface Told {
  readonly atMs: number;
  readonly position: string;
}

/** `holdfast follow` as a process of its own. */
class Following {
  readonly #child: ChildProcess;
  readonly #told: Told[] = [];

  constructor(tool: Tool) {
    const child = tool.begin?.("follow");
    if (!child?.stdout) throw new Error(`${tool.name} does not follow`);
    this.#child = child;
    createInterface({ input: child.stdout }).on("line", (line) => {
      const { type, position } = JSON.parse(line) as { readonly type: string; readonly position?: string };
      if (type === "journal" && position !== undefined) this.#told.push({ atMs: performance.now(), position });
    });
  }

  get told(): number {
    return this.#told.length;
  }

  /** By the clock of `performance.now`; 0: not yet. */
  durableAt(position: string): number {
    return this.#told.find((one) => one.position >= position)?.atMs ?? 0;
  }

  /** User and system time so far; Linux counts it in hundredths of a second. */
  get cpuSeconds(): number {
    const fields = readFileSync(`/proc/${this.#child.pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  get peakBytes(): number {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${this.#child.pid}/status`, "utf8"))?.[1]) * 1024;
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      if (this.#child.exitCode !== null) throw new Error(`follow ended with ${this.#child.exitCode}`);
      await wait(100);
    }
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGINT");
    await ended;
  }
}
