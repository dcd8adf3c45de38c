import { spawnSync } from "node:child_process";
import { appendFileSync, chownSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { measure, type Cost } from "./measure.ts";

const debian = "/usr/lib/postgresql/15/bin";
const cache = join(import.meta.dirname, "../node_modules/.cache/holdfast/postgres/node_modules");

/** A PostgreSQL server of the benchmark's own, with the settings of a small machine. */
export interface BenchPostgres extends Disposable {
  readonly folder: string;
  url(database: string): string;
  /** What `psql` prints, unaligned. */
  sql(script: string, database: string): string;
  /** Runs a line of shell with Debian's clients, in `folder`. */
  measured(command: string): Cost;
  /** For processes that run beside others. */
  readonly env: Readonly<Record<string, string>>;
}

/** @param flags of the server, such as `-c wal_level=logical`; 15 is Debian's; 18, with summaries of its log, is what `scripts/setup-tests.sh` puts beside it. */
export function startBenchPostgres(work: string, version: 15 | 18, flags = ""): BenchPostgres {
  const programs = version === 15 ? debian : join(cache, `pg${version}`, "native/bin");
  const folder = join(work, `postgres-${version}`);
  const data = join(folder, "data");
  const port = 20_000 + (process.pid % 20_000);
  const account = serverAccount();
  const run = (program: string, ...args: readonly string[]) => {
    // Its output goes nowhere: what a server inherits would keep a pipe open.
    const { status } = spawnSync(join(programs, program), args, { ...account, cwd: folder, stdio: "ignore" });
    if (status !== 0) throw new Error(`${program} ended with ${status}; see ${join(folder, "log")}`);
  };
  const env = {
    PATH: `${debian}:${process.env["PATH"] ?? "/usr/bin:/bin"}`,
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
      ...(version >= 17 ? ["summarize_wal=on"] : []),
    ];
    appendFileSync(join(data, "postgresql.conf"), `${settings.join("\n")}\n`);
  }
  run(
    "pg_ctl",
    "-D",
    data,
    "-l",
    join(folder, "log"),
    "-w",
    "-o",
    `-p ${port} -c listen_addresses=127.0.0.1 ${flags}`,
    "start",
  );
  return {
    folder,
    env,
    url: (database) => `postgresql://postgres@127.0.0.1:${port}/${database}`,
    sql(script, database) {
      const options = ["-XqAt", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", "-"];
      const { status, stdout, stderr } = spawnSync("psql", options, { env, input: script, encoding: "utf8" });
      if (status !== 0) throw new Error(stderr);
      return stdout;
    },
    measured: (command) => measure(folder, ["/bin/sh", "-c", command], { cwd: folder, env }),
    [Symbol.dispose]() {
      run("pg_ctl", "-D", data, "-w", "-m", "fast", "stop");
    },
  };
}

function serverAccount(): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const found = /^postgres:[^:]*:(\d+):(\d+)/m.exec(readFileSync("/etc/passwd", "utf8"));
  if (!found) throw new Error("There is no user postgres: scripts/setup-tests.sh installs PostgreSQL.");
  return { uid: Number(found[1]), gid: Number(found[2]) };
}
