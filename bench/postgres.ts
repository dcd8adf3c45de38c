import { spawnSync } from "node:child_process";
import { appendFileSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { measure, type Cost } from "./measure.ts";
import type { Bench } from "./scenarios.ts";
import { storingStep } from "./storing-step.ts";
import type { Source } from "./tools.ts";

/**
 * PostgreSQL beside pg_dump and pg_restore, each at its best: plain text piped to `zstd -1`, and the custom format. One
 * database for each kind of key, of the size that `--scale 1` makes 1.2 GB with 4 million rows; its server is Debian's,
 * with the settings of a small machine, and runs for this part alone.
 */
const programs = "/usr/lib/postgresql/15/bin";
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
  using server = startServer(bench.work);
  const rows = Math.max(1000, Math.round(rowsAtScaleOne * bench.scale));
  for (const kind of Object.keys(keys) as Keys[]) {
    makeDatabase(server, kind, rows);
    firstBackups(bench, server, kind);
    if (kind !== "integers") continue;
    changeSome(server, kind, rows, round);
    const step = "postgres: 0.1 % of the rows changed, inserted and gone";
    for (const tool of bench.tools) {
      if (!tool.restoreTo) continue;
      storingStep(bench, tool, step, () => tool.backup(sourceOf(bench.work, server, kind)));
    }
    restores(bench, server, kind);
  }
}

function firstBackups(bench: Bench, server: Server, kind: Keys): void {
  const step = `postgres, ${kind} as keys: first backup`;
  for (const tool of bench.tools) {
    if (!tool.restoreTo) continue;
    const source = sourceOf(bench.work, server, kind);
    tool.create(source);
    storingStep(bench, tool, step, () => tool.backup(source));
  }
  for (const [tool, command, file] of [
    ["pg_dump, zstd -1", `pg_dump ${kind} | zstd -q -1 -f -o dump.zst`, "dump.zst"],
    ["pg_dump -Fc", `pg_dump -Fc -f dump.custom ${kind}`, "dump.custom"],
  ] as const) {
    const cost = server.measured(command);
    bench.record({ step, tool, ...cost, storedBytes: statSync(join(server.folder, file)).size });
  }
}

function restores(bench: Bench, server: Server, kind: Keys): void {
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

function sourceOf(work: string, server: Server, kind: Keys): Source {
  return { folder: work, url: server.url(kind) };
}

function makeDatabase(server: Server, kind: Keys, rows: number): void {
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

function changeSome(server: Server, kind: Keys, rows: number, round: number): void {
  const many = Math.max(1, Math.round(rows / 3000));
  server.sql(
    `UPDATE party SET name = name || '!' WHERE kind >= 0 AND id % 3000 = ${round};
     DELETE FROM party WHERE id % 3000 = ${1000 + round};
     INSERT INTO party SELECT ${keyOf.integers}, 'new', 'new', NULL, '', 1, now(), true, 1 FROM generate_series(${rows} + 1, ${rows} + ${many}) AS i`,
    kind,
  );
}

interface Server extends Disposable {
  readonly folder: string;
  url(database: string): string;
  sql(script: string, database: string): string;
  /** Runs a line of shell with the server's own clients, in `folder`. */
  measured(command: string): Cost;
}

function startServer(work: string): Server {
  const folder = join(work, "postgres");
  const data = join(folder, "data");
  const port = 20_000 + (process.pid % 20_000);
  const account = serverAccount();
  const run = (program: string, ...args: readonly string[]) => {
    // Its output goes nowhere: what a server inherits would keep a pipe open.
    const { status } = spawnSync(join(programs, program), args, { ...account, cwd: folder, stdio: "ignore" });
    if (status !== 0) throw new Error(`${program} ended with ${status}; see ${join(folder, "log")}`);
  };
  const env = {
    PATH: `${programs}:${process.env["PATH"] ?? "/usr/bin:/bin"}`,
    PGHOST: "127.0.0.1",
    PGPORT: String(port),
    PGUSER: "postgres",
  };
  if (!existsSync(data)) {
    mkdirSync(folder, { recursive: true });
    if (account.uid !== undefined && account.gid !== undefined) chownSync(folder, account.uid, account.gid);
    run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8");
    const settings = [
      "shared_buffers=512MB",
      "max_wal_size=4GB",
      "autovacuum=off",
      `unix_socket_directories='${folder}'`,
    ];
    appendFileSync(join(data, "postgresql.conf"), `${settings.join("\n")}\n`);
  }
  run("pg_ctl", "-D", data, "-l", join(folder, "log"), "-w", "-o", `-p ${port} -c listen_addresses=127.0.0.1`, "start");
  return {
    folder,
    url: (database) => `postgresql://postgres@127.0.0.1:${port}/${database}`,
    sql(script, database) {
      const { status, stdout, stderr } = spawnSync(
        "psql",
        ["-XqAt", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", "-"],
        {
          env,
          input: script,
          encoding: "utf8",
        },
      );
      if (status !== 0) throw new Error(stderr);
      return stdout;
    },
    measured: (command) => measure(folder, ["/bin/sh", "-c", command], { cwd: folder, env }),
    [Symbol.dispose]() {
      run("pg_ctl", "-D", data, "-w", "-m", "fast", "stop");
      rmSync(join(folder, "dump.custom"), { force: true });
    },
  };
}

function serverAccount(): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const found = /^postgres:[^:]*:(\d+):(\d+)/m.exec(readFileSync("/etc/passwd", "utf8"));
  if (!found) throw new Error("There is no user postgres: scripts/setup-tests.sh installs PostgreSQL.");
  return { uid: Number(found[1]), gid: Number(found[2]) };
}
