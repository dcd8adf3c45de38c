import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { measure, type Cost } from "./measure.ts";

const startMs = 60_000;

/** Debian's MariaDB, as a server of the benchmark's own with the settings of a small machine. */
export interface BenchMariadb extends Disposable {
  readonly folder: string;
  url(database: string): string;
  sql(script: string, database?: string): string;
  /** Runs a line of shell in `folder`; `$CONNECT` are the options that Debian's clients need. */
  measured(command: string): Cost;
  /** The options by which any of the clients finds it. */
  readonly reach: readonly string[];
}

export function startBenchMariadb(work: string, more: readonly string[] = []): BenchMariadb {
  const folder = join(work, "mariadb");
  const [data, socket] = [join(folder, "data"), join(folder, "s")];
  const { username } = userInfo();
  if (!existsSync(data)) {
    mkdirSync(folder, { recursive: true });
    const options = ["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"];
    const made = spawnSync(
      "mariadb-install-db",
      [...options, `--datadir=${data}`, `--tmpdir=${folder}`, `--user=${username}`],
      {
        encoding: "utf8",
      },
    );
    if (made.status !== 0) throw new Error(`mariadb-install-db: ${made.stderr}`);
  }
  const server = spawn(
    "mariadbd",
    [
      ...[
        "--no-defaults",
        `--user=${username}`,
        `--datadir=${data}`,
        `--tmpdir=${folder}`,
        `--socket=${socket}`,
        "--skip-networking",
      ],
      ...["--innodb-buffer-pool-size=512M", "--innodb-log-file-size=256M", "--skip-name-resolve", "--local-infile=1"],
      ...[`--pid-file=${join(folder, "pid")}`, `--log-error=${join(folder, "log")}`],
      ...more,
    ],
    { stdio: "ignore" },
  );
  const reach = ["--no-defaults", `--socket=${socket}`, "--user=root"];
  const client = [...reach, "--default-character-set=utf8mb4"];
  const sql = (script: string, database = "") => {
    const options = [...client, "--batch", "--raw", "--skip-column-names", ...(database === "" ? [] : [database])];
    const { status, stdout, stderr } = spawnSync("mariadb", options, { input: script, encoding: "utf8" });
    if (status !== 0) throw new Error(stderr);
    return stdout;
  };
  for (const until = performance.now() + startMs; ; spawnSync("sleep", ["0.1"])) {
    if (spawnSync("mariadb", [...client, "-e", "SELECT 1"]).status === 0) break;
    if (performance.now() > until) throw new Error(`mariadbd does not answer; see ${join(folder, "log")}`);
  }
  const env = { PATH: process.env["PATH"] ?? "/usr/bin:/bin", CONNECT: client.join(" ") };
  return {
    folder,
    url: (database) => `mariadb://root@localhost/${database}?socket=${encodeURIComponent(socket)}`,
    sql,
    reach,
    measured: (command) => measure(folder, ["/bin/sh", "-c", command], { cwd: folder, env }),
    [Symbol.dispose]() {
      spawnSync("mariadb", [...client, "-e", "SHUTDOWN"]);
      for (const until = performance.now() + startMs; existsSync(join(folder, "pid")) && performance.now() < until;)
        spawnSync("sleep", ["0.1"]);
      server.kill("SIGKILL");
      for (const file of ["dump.sql", "dump.zst"]) rmSync(join(folder, file), { force: true });
    },
  };
}
