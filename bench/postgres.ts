import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { type BenchPostgres, startBenchPostgres } from "./postgres-server.ts";
import type { Bench } from "./scenarios.ts";
import { backupStep } from "./storing-step.ts";
import type { Source } from "./tools.ts";

/**
 * PostgreSQL beside pg_dump and pg_restore, each at its best: plain text piped to `zstd -1`, and the custom format. One
 * database for each kind of key, of the size that `--scale 1` makes 1.2 GB with 4 million rows; its server is Debian's,
 * with the settings of a small machine, and runs for this part alone.
 */
const keys = {
  integers: "bigint PRIMARY KEY",
  uuids: "uuid PRIMARY KEY",
  texts: 'text COLLATE "C" PRIMARY KEY',
} as const;
type Keys = keyof typeof keys;
const keyOf: Readonly<Record<Keys, string>> = {
  integers: "i",
  uuids: "md5(i::text)::uuid",
  texts: "'party-' || md5(i::text)",
};

const rowsAtScaleOne = 4_000_000;

export function postgresRound(bench: Bench, round: number): void {
  using server = startBenchPostgres(bench.work, 15);
  for (const kind of Object.keys(keys) as Keys[]) {
    makeDatabase(bench, server, kind);
    firstBackups(bench, server, kind);
    if (kind !== "integers") continue;
    incremental(bench, server, round, "postgres 15: 0.1 % of the rows changed, inserted and gone");
    restores(bench, server, kind);
  }
  rmSync(join(server.folder, "dump.custom"), { force: true });
}

/** PostgreSQL 18 keeps summaries of its log: what changed is found by them. Its own first backup is what is compared with. */
export function postgresWalRound(bench: Bench, round: number): void {
  using server = startBenchPostgres(bench.work, 18);
  makeDatabase(bench, server, "integers");
  for (const tool of bench.tools) {
    if (!tool.restoreTo) continue;
    const source = sourceOf(bench.work, server, "integers");
    tool.create(source);
    backupStep(bench, tool, source, "postgres 18: first backup");
  }
  incremental(bench, server, round, "postgres 18: 0.1 % of the rows changed, inserted and gone");
}

function incremental(bench: Bench, server: BenchPostgres, round: number, step: string): void {
  changeSome(server, "integers", rowsOf(bench), round);
  for (const tool of bench.tools) {
    if (tool.restoreTo) backupStep(bench, tool, sourceOf(bench.work, server, "integers"), step);
  }
}

export function rowsOf({ scale }: Bench): number {
  return Math.max(1000, Math.round(rowsAtScaleOne * scale));
}

function firstBackups(bench: Bench, server: BenchPostgres, kind: Keys): void {
  const step = `postgres, ${kind} as keys: first backup`;
  for (const tool of bench.tools) {
    if (!tool.restoreTo) continue;
    const source = sourceOf(bench.work, server, kind);
    tool.create(source);
    backupStep(bench, tool, source, step);
  }
  for (const [tool, command, file] of [
    ["pg_dump, zstd -1", `pg_dump ${kind} | zstd -q -1 -f -o dump.zst`, "dump.zst"],
    ["pg_dump -Fc", `pg_dump -Fc -f dump.custom ${kind}`, "dump.custom"],
  ] as const) {
    const cost = server.measured(command);
    bench.record({ step, tool, ...cost, storedBytes: statSync(join(server.folder, file)).size });
  }
}

function restores(bench: Bench, server: BenchPostgres, kind: Keys): void {
  const step = "postgres: restore";
  server.measured(`pg_dump -Fc -f dump.custom ${kind}`);
  const wanted = server.sql(sums, kind);
  const check = (database: string, tool: string) => {
    if (server.sql(sums, database) !== wanted) throw new Error(`${tool} restored other rows`);
    server.sql(`DROP DATABASE ${database}`, "postgres");
  };
  for (const tool of bench.tools) {
    if (!tool.restoreTo) continue;
    bench.record({ step, tool: tool.name, ...tool.restoreTo(server.url("restored")) });
    check("restored", tool.name);
  }
  for (const jobs of [1, 2]) {
    const tool = jobs === 1 ? "pg_restore" : "pg_restore -j2";
    server.sql("CREATE DATABASE restored", "postgres");
    bench.record({ step, tool, ...server.measured(`pg_restore -j${jobs} -d restored dump.custom`) });
    check("restored", tool);
  }
}

const sums = "SELECT count(*), sum(hashtextextended(p::text, 0)) FROM party p";

export function sourceOf(work: string, server: BenchPostgres, kind: Keys): Source {
  return { folder: work, url: server.url(kind) };
}

export function makeDatabase(bench: Bench, server: BenchPostgres, kind: Keys): void {
  const rows = rowsOf(bench);
  if (server.sql(`SELECT count(*) FROM pg_database WHERE datname = '${kind}'`, "postgres").trim() === "1") {
    server.sql(`DROP DATABASE ${kind}`, "postgres");
  }
  server.sql(`CREATE DATABASE ${kind}`, "postgres");
  server.sql(
    `CREATE TABLE party (id ${keys[kind]}, name text NOT NULL, email text, phone varchar(30), notes text, amount numeric(12,2),
       created timestamptz, active boolean, kind integer);
     INSERT INTO party SELECT ${keyOf[kind]}, 'Company ' || md5(i::text), 'user' || i || '@example.org', '+49 ' || (i::bigint * 7919 % 100000000),
       repeat(md5((i / 3)::text) || ' ', i % 9), (i % 100000) / 7.0, '2020-01-01'::timestamptz + i * interval '1 minute', i % 3 = 0, i % 17
     FROM generate_series(1, ${rows}) AS i;
     CREATE INDEX ON party (email); VACUUM ANALYZE party; CHECKPOINT`,
    kind,
  );
}

function changeSome(server: BenchPostgres, kind: Keys, rows: number, round: number): void {
  const many = Math.max(1, Math.round(rows / 3000));
  server.sql(
    `UPDATE party SET name = name || '!' WHERE kind >= 0 AND id % 3000 = ${round};
     DELETE FROM party WHERE id % 3000 = ${1000 + round};
     INSERT INTO party SELECT ${keyOf.integers}, 'new', 'new', NULL, '', 1, now(), true, 1 FROM generate_series(${rows} + 1, ${rows} + ${many}) AS i`,
    kind,
  );
}
