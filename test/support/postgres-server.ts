import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { endWithUs } from "./end-with-us.ts";
import { freePort } from "./free-port.ts";
import { commandOutput } from "./run-command.ts";

/** Debian's, and what `scripts/setup-tests.sh` puts beside it. */
export type PostgresVersion = 13 | 15 | 17 | 18;

/** A PostgreSQL server of one test's own, in a temporary folder; `postgres` may do everything and needs no password. */
export interface PostgresServer extends AsyncDisposable {
  readonly port: number;
  /** Folder of the socket, of the log, and of `data`. */
  readonly folder: string;
  /** `postgresql://postgres@127.0.0.1:PORT/NAME` */
  url(database: string, user?: string): string;
  /** Runs a script with Debian's psql and stops at the first mistake; gives what it printed, unaligned, without headers. */
  sql(script: string, database?: string): Promise<string>;
  /** Ends the server at once, as a power cut would. */
  kill(): Promise<void>;
  /** Starts it again on what is in its folder. */
  start(): Promise<void>;
}

const startMs = 30_000;
const debian = "/usr/lib/postgresql/15/bin";
const cache = join(import.meta.dirname, "../../node_modules/.cache/holdfast");
const fetched = join(cache, "postgres/node_modules");
/** A copied data folder has the identity of its original: only the first server of a test file is one. */
let mayCopy = true;

/** Why this version cannot be tested on this machine; `undefined`: it can. */
export function postgresLacks(version: PostgresVersion): string | undefined {
  if (version === 15 || process.arch === "x64") return undefined;
  return `there is no PostgreSQL ${version} for ${process.arch} among the packages that the tests use`;
}

export interface PostgresOptions {
  readonly version?: PostgresVersion;
  /** Lines of `postgresql.conf`. */
  readonly settings?: readonly string[];
  /** Further options of initdb, such as `--locale-provider=icu`. */
  readonly initdb?: readonly string[];
  /** It is a standby of that server, and follows it. */
  readonly standbyOf?: PostgresServer;
  /** Where its folder is made, which is short enough; absent: where temporary ones are. */
  readonly place?: string;
}

export async function startPostgres({
  version = 15,
  settings = [],
  initdb = [],
  standbyOf,
  place = tmpdir(),
}: PostgresOptions = {}): Promise<PostgresServer> {
  const programs = version === 15 ? debian : join(fetched, `pg${version}`, "native", "bin");
  if (!existsSync(join(programs, "postgres"))) {
    throw new Error(`PostgreSQL ${version} is not there: scripts/setup-tests.sh installs it`);
  }
  const account = serverAccount();
  // The path of a socket has at most 107 bytes.
  const folder = mkdtempSync(join(place, "hf-pg-"));
  const data = join(folder, "data");
  const port = await freePort();
  let server: ChildProcess | undefined;
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    const running = server;
    server = undefined;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    const ended = once(running, "exit");
    running.kill(signal);
    await ended;
  };
  const run = (script: string, database = "postgres") => psql(folder, port, script, database);
  const start = async (): Promise<void> => {
    server = spawn(join(programs, "postgres"), ["-D", data], { ...account, cwd: folder, stdio: "ignore" });
    // By SIGKILL the processes that serve its connections would outlive it for a while.
    endWithUs(server, "SIGQUIT");
    const log = () =>
      existsSync(join(folder, "log")) ? readFileSync(join(folder, "log"), "utf8").slice(-2000) : "no log";
    const until = performance.now() + startMs;
    while ((await run("SELECT 1").catch(() => undefined)) === undefined) {
      if (server.exitCode !== null || performance.now() > until) throw new Error(log());
      await wait(20);
    }
  };
  try {
    if (account.uid !== undefined && account.gid !== undefined) chownSync(folder, account.uid, account.gid);
    const options = ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", ...initdb];
    const locale = initdb.some((option) => option.startsWith("--locale")) ? [] : ["--locale=C.UTF-8"];
    const [program, args] = standbyOf
      ? ["pg_basebackup", copyOptions(standbyOf, data)]
      : ["initdb", [...options, ...locale]];
    const make = (): void => {
      const made = spawnSync(join(programs, program), args, { ...account, cwd: folder, encoding: "utf8" });
      if (made.status !== 0) throw new Error(made.stderr);
    };
    if (mayCopy && !standbyOf && initdb.length === 0) copyDataFolder(version, data, make);
    else make();
    mayCopy = false;
    writeFileSync(join(data, "postgresql.conf"), [...smallSettings(folder, port), ...settings, ""].join("\n"), {
      flag: "a",
    });
    mkdirSync(join(folder, "tablespace"));
    if (account.uid !== undefined && account.gid !== undefined)
      chownSync(join(folder, "tablespace"), account.uid, account.gid);
    await start();
  } catch (error) {
    await stop("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
    throw new Error(`PostgreSQL ${version} did not start`, { cause: error });
  }
  return {
    port,
    folder,
    url: (database, user = "postgres") => `postgresql://${user}@127.0.0.1:${port}/${encodeURIComponent(database)}`,
    sql: run,
    kill: () => stop("SIGQUIT"),
    start,
    async [Symbol.asyncDispose]() {
      await stop("SIGINT");
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/** A new data folder takes most of a second of processor time to make; it is made once and copied. */
function copyDataFolder(version: PostgresVersion, data: string, make: () => void): void {
  const template = join(cache, `postgres-data-${version}-${process.getuid?.()}`);
  if (existsSync(template)) {
    execFileSync("cp", ["-a", template, data]);
    return;
  }
  make();
  const copy = `${template}.${process.pid}`;
  execFileSync("cp", ["-a", data, copy]);
  try {
    renameSync(copy, template);
  } catch {
    rmSync(copy, { recursive: true, force: true }); // another test was faster
  }
}

/** Of `pg_basebackup`: the copy follows the server that it is of. */
function copyOptions({ folder, port }: PostgresServer, data: string): string[] {
  const from = ["-h", folder, "-p", String(port), "-U", "postgres"];
  return ["-D", data, ...from, "--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync"];
}

/** Small and without flushing: a test's data need not outlive the machine. */
function smallSettings(folder: string, port: number): readonly string[] {
  return [
    "listen_addresses='127.0.0.1'",
    `port=${port}`,
    `unix_socket_directories='${folder}'`,
    "logging_collector=off",
    "log_destination=stderr",
    "shared_buffers=32MB",
    "max_connections=40",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "max_wal_size=1GB",
  ];
}

/** The server refuses to run as root: then it runs as Debian's user for it, else as nobody. */
function serverAccount(): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const found = /^postgres:[^:]*:(\d+):(\d+)/m.exec(readFileSync("/etc/passwd", "utf8"));
  return found ? { uid: Number(found[1]), gid: Number(found[2]) } : { uid: 65_534, gid: 65_534 };
}

function psql(folder: string, port: number, script: string, database: string): Promise<string> {
  const options = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", folder, "-p", String(port), "-U", "postgres"];
  // Not by its name alone: what Debian has in PATH is a script that looks for it, which costs more than psql does.
  return commandOutput(join(debian, "psql"), [...options, "-d", database, "-f", "-"], { input: script });
}
