import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as mariadb from "./mariadb.ts";
import { startBenchMariadb } from "./mariadb-server.ts";
import type { Cost } from "./measure.ts";
import * as postgres from "./postgres.ts";
import { startBenchPostgres } from "./postgres-server.ts";
import type { Bench } from "./scenarios.ts";
import type { Source } from "./tools.ts";

const clients = 4;
const calmSeconds = 6;

/** A server with a table `party`, and those who use it as a CRM does: a record by its key, one by its address, a change of one. */
interface UsedServer extends Disposable {
  readonly name: string;
  readonly source: Source;
  /** Four clients, each of which begins its next transaction when the one before is done, until they are killed. */
  use(): ChildProcess;
  /** Transactions so far. */
  committed(): number;
  measured(command: string): Cost;
  /** How others back it up: who, and by which line of shell. */
  readonly peers: readonly (readonly [tool: string, command: string])[];
}

/**
 * How much a CRM is held up by a backup that runs beside it, ours with its default limits, and the server's own dump at its
 * best: transactions a second, alone and beside each. And how long ours takes without the load.
 */
export const crmLoadRound = (bench: Bench): Promise<void> => besideUsers(bench, usedPostgres);
export const crmLoadMariadbRound = (bench: Bench): Promise<void> => besideUsers(bench, usedMariadb);

async function besideUsers(bench: Bench, start: (bench: Bench) => UsedServer): Promise<void> {
  using server = start(bench);
  const { name, source } = server;
  const tools = bench.tools.filter(({ restoreTo }) => restoreTo);
  for (const tool of tools) {
    tool.create(source);
    bench.record({ step: `crm load, ${name}: nobody else there`, tool: tool.name, ...tool.backup(source) });
  }
  const load = server.use();
  const ended = once(load, "exit");
  try {
    spawnSync("sleep", ["3"]);
    const calm = () => perSecond(server, () => spawnSync("sleep", [String(calmSeconds)])).rate;
    let before = calm();
    const beside = (tool: string, work: () => Cost) => {
      const { rate, result } = perSecond(server, work);
      // The machine may have become slower meanwhile: what is there without the backup is looked at on both sides.
      const after = calm();
      const alone = (before + after) / 2;
      before = after;
      const notes = {
        "transactions/s alone": Math.round(alone),
        "beside it": Math.round(rate),
        lost: 1 - rate / alone,
      };
      bench.record({ step: `crm load, ${name}: beside it`, ...result, tool, notes });
    };
    for (const tool of tools) {
      tool.create(source);
      beside(tool.name, () => tool.backup(source));
    }
    for (const [tool, command] of server.peers) beside(tool, () => server.measured(command));
  } finally {
    load.kill("SIGINT");
    await ended;
  }
}

/** Transactions that were committed while `work` was done, a second. */
function perSecond<T>(server: UsedServer, work: () => T): { readonly rate: number; readonly result: T } {
  const [from, started] = [server.committed(), performance.now()];
  const result = work();
  return { rate: ((server.committed() - from) * 1000) / (performance.now() - started), result };
}

function usedPostgres(bench: Bench): UsedServer {
  const server = startBenchPostgres(bench.work, 15);
  const database = "integers";
  postgres.makeDatabase(bench, server, database);
  const script = join(server.folder, "transaction.sql");
  writeFileSync(
    script,
    `\\set id random(1, ${postgres.rowsOf(bench)})
\\set other random(1, ${postgres.rowsOf(bench)})
BEGIN;
SELECT * FROM party WHERE id = :id;
SELECT * FROM party WHERE email = 'user' || :other || '@example.org';
UPDATE party SET amount = amount + 1 WHERE id = :id;
COMMIT;
`,
  );
  const options = ["-n", "-c", String(clients), "-j", "2", "-T", "86400", "-f", script, database];
  return {
    name: "postgres",
    source: { ...postgres.sourceOf(bench.work, server, database), limits: "default" },
    use: () => spawn("pgbench", options, { env: server.env, ...alone }),
    committed: () =>
      Number(server.sql(`SELECT xact_commit FROM pg_stat_database WHERE datname = '${database}'`, "postgres")),
    measured: (command) => server.measured(command),
    peers: [
      ["pg_dump, zstd -1", `pg_dump ${database} | zstd -q -1 -f -o dump.zst`],
      ["pg_dump -Fc", `pg_dump -Fc -f dump.custom ${database}`],
    ],
    [Symbol.dispose]() {
      for (const file of ["dump.zst", "dump.custom"]) rmSync(join(server.folder, file), { force: true });
      server[Symbol.dispose]();
    },
  };
}

function usedMariadb(bench: Bench): UsedServer {
  const server = startBenchMariadb(bench.work);
  const rows = mariadb.rowsOf(bench);
  mariadb.makeDatabase(server, rows);
  const transaction = [
    "BEGIN",
    `SET @id = 1 + FLOOR(RAND() * ${rows}), @other = 1 + FLOOR(RAND() * ${rows})`,
    "SELECT * FROM party WHERE id = @id",
    "SELECT * FROM party WHERE email = CONCAT('user', @other, '@example.org')",
    "UPDATE party SET amount = amount + 1 WHERE id = @id",
    "COMMIT",
  ];
  const options = [`--concurrency=${clients}`, "--number-of-queries=1000000000", "--create-schema=crm", "--no-drop"];
  const queries = ["--delimiter=;", `--query=${transaction.join(";")}`];
  return {
    name: "mariadb",
    source: { folder: bench.work, url: server.url("crm"), limits: "default" },
    use: () => spawn("mariadb-slap", [...server.reach, ...options, ...queries], alone),
    committed: () => Number(server.sql("SHOW GLOBAL STATUS LIKE 'Com_commit'").split("\t")[1]),
    measured: (command) => server.measured(command),
    peers: [["mariadb-dump, zstd -1", `${mariadb.dump} | zstd -q -1 -f -o dump.zst`]],
    [Symbol.dispose]: () => server[Symbol.dispose](),
  };
}

/** In a session of its own, as a CRM is: Linux shares processors out by sessions first. */
const alone = { detached: true, stdio: "ignore" } as const;
