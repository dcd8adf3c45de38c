import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeDatabase, rowsOf, sourceOf } from "./postgres.ts";
import { type BenchPostgres, startBenchPostgres } from "./postgres-server.ts";
import type { Bench } from "./scenarios.ts";

/** What a CRM asks of its database: a record by its key, one by its address, a change of one. */
const transaction = (rows: number) => `\\set id random(1, ${rows})
\\set other random(1, ${rows})
BEGIN;
SELECT * FROM party WHERE id = :id;
SELECT * FROM party WHERE email = 'user' || :other || '@example.org';
UPDATE party SET amount = amount + 1 WHERE id = :id;
COMMIT;
`;
const clients = 4;
const calmSeconds = 10;

/**
 * How much a CRM is held up by a backup that runs beside it, ours with its default limits, and `pg_dump` at its best:
 * transactions a second of `pgbench` with four clients, alone and beside each. And how long ours takes without the load.
 */
export async function crmLoadRound(bench: Bench): Promise<void> {
  using server = startBenchPostgres(bench.work, 15);
  makeDatabase(bench, server, "integers");
  const source = { ...sourceOf(bench.work, server, "integers"), limits: "default" } as const;
  const tools = bench.tools.filter(({ restoreTo }) => restoreTo);
  for (const tool of tools) {
    tool.create(source);
    bench.record({ step: "crm load: first backup, nobody else there", tool: tool.name, ...tool.backup(source) });
  }
  const script = join(server.folder, "transaction.sql");
  writeFileSync(script, transaction(rowsOf(bench)));
  const options = ["-n", "-c", String(clients), "-j", "2", "-T", "86400", "-f", script, "integers"];
  const load = spawn("pgbench", options, { env: server.env, stdio: "ignore" });
  const ended = once(load, "exit");
  try {
    spawnSync("sleep", ["3"]);
    const calm = () => perSecond(server, () => spawnSync("sleep", [String(calmSeconds)])).rate;
    const beside = (tool: string, work: () => Parameters<typeof bench.record>[0]) => {
      const before = calm();
      const { rate, result } = perSecond(server, work);
      // The machine may have become slower meanwhile: what is there without the backup is looked at on both sides.
      const alone = (before + calm()) / 2;
      const notes = {
        "transactions/s alone": Math.round(alone),
        "beside it": Math.round(rate),
        lost: 1 - rate / alone,
      };
      bench.record({ ...result, tool, notes });
    };
    const step = "crm load: first backup beside it";
    for (const tool of tools) {
      tool.create(source);
      beside(tool.name, () => ({ step, tool: tool.name, ...tool.backup(source) }));
    }
    for (const [tool, command] of [
      ["pg_dump, zstd -1", "pg_dump integers | zstd -q -1 -f -o dump.zst"],
      ["pg_dump -Fc", "pg_dump -Fc -f dump.custom integers"],
    ] as const) {
      beside(tool, () => ({ step, tool, ...server.measured(command) }));
    }
  } finally {
    load.kill("SIGINT");
    await ended;
    for (const file of ["dump.zst", "dump.custom"]) rmSync(join(server.folder, file), { force: true });
  }
}

/** Transactions that were committed while `work` was done, a second. */
function perSecond<T>(server: BenchPostgres, work: () => T): { readonly rate: number; readonly result: T } {
  const committed = () =>
    Number(server.sql("SELECT xact_commit FROM pg_stat_database WHERE datname = 'integers'", "postgres"));
  const [from, started] = [committed(), performance.now()];
  const result = work();
  return { rate: ((committed() - from) * 1000) / (performance.now() - started), result };
}
