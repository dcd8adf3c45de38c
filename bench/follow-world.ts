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
export interface FollowClient extends AsyncDisposable {
  run(sql: string): Promise<void>;
  /** Where the log is by now, as `follow` tells it: at or behind what this one has committed. */
  position(): Promise<string>;
}

export interface FollowWorld {
  readonly name: string;
  readonly url: string;
  open(): Promise<FollowClient>;
  /** Of `party (id, name, note, amount)`, with ids from 1 on and 200 bytes each; there is an empty `mark (n)` too. */
  readonly rows: number;
}

const rowsAtScaleOne = 1_000_000;
const leastRows = 20_000;

/** Both servers one after the other, each with a database that is followed by nobody yet, and its repository. */
export async function eachFollowWorld(
  bench: Bench,
  work: (tool: Tool, world: FollowWorld) => Promise<void>,
): Promise<void> {
  const tool = bench.tools.find(({ begin }) => begin);
  if (!tool) return;
  const { signal } = new AbortController();
  const rows = Math.max(leastRows, Math.round(rowsAtScaleOne * bench.scale));
  const begun = async (world: FollowWorld): Promise<void> => {
    tool.create({ folder: bench.work, url: world.url });
    await work(tool, world);
  };
  {
    using server = startBenchPostgres(bench.work, 15, "-c wal_level=logical");
    const url = server.url("followed");
    server.sql("DROP DATABASE IF EXISTS followed", "postgres");
    server.sql("CREATE DATABASE followed", "postgres");
    server.sql(
      `CREATE TABLE party (id bigint PRIMARY KEY, name text, note text, amount numeric);
       INSERT INTO party SELECT i, 'party ' || i, md5(i::text) || md5((i + 1)::text) || md5((i + 2)::text) || md5((i + 3)::text), i / 7.0 FROM generate_series(1, ${rows}) i;
       CREATE TABLE mark (n bigint PRIMARY KEY); ANALYZE`,
      "followed",
    );
    await begun({
      name: "PostgreSQL 15",
      url,
      rows,
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
    });
    server.sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots", "followed");
  }
  using server = startBenchMariadb(bench.work, [
    ...["--log-bin", "--server-id=7", "--binlog-format=ROW", "--binlog-row-metadata=FULL"],
  ]);
  const url = server.url("followed");
  server.sql("CREATE OR REPLACE DATABASE followed");
  server.sql(
    `CREATE TABLE party (id bigint PRIMARY KEY, name varchar(100), note varchar(200), amount decimal(20,4));
     INSERT INTO party SELECT seq, CONCAT('party ', seq), CONCAT(MD5(seq), MD5(seq + 1), MD5(seq + 2), MD5(seq + 3)), seq / 7 FROM seq_1_to_${rows};
     CREATE TABLE mark (n bigint PRIMARY KEY)`,
    "followed",
  );
  await begun({
    name: "MariaDB 10.11",
    url,
    rows,
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
  });
}

/** A position of the log, and when it was reached. */
export interface Told {
  readonly atMs: number;
  readonly position: string;
}

/** A line of what `follow` tells, as far as it is looked at here. */
interface ToldLine {
  readonly type: string;
  readonly position?: string;
  readonly code?: string;
  readonly facts?: { readonly files?: number };
}

/** `holdfast follow` as a process of its own. */
export class Following {
  readonly #child: ChildProcess;
  readonly #told: Told[] = [];
  /** When it was told that files are in the repository, and how many. */
  readonly files: { readonly atMs: number; readonly count: number }[] = [];

  constructor(tool: Tool) {
    const child = tool.begin?.("follow");
    if (!child?.stdout) throw new Error(`${tool.name} does not follow`);
    this.#child = child;
    createInterface({ input: child.stdout }).on("line", (line) => {
      const { type, position, code, facts } = JSON.parse(line) as ToldLine;
      const atMs = performance.now();
      if (type === "journal" && position !== undefined) this.#told.push({ atMs, position });
      if (code === "follow-files") this.files.push({ atMs, count: facts?.files ?? 0 });
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
