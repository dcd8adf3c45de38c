import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { commandOutput } from "./run-command.ts";
import { endWithUs } from "./end-with-us.ts";
import { freePort } from "./free-port.ts";
import { type MysqlPrograms, mysqlPrograms } from "./mysql-programs.ts";

/**
 * A server of one test's own, in a temporary folder; `root` has no password on its socket. It is MariaDB, or what
 * `HOLDFAST_TEST_SERVER` names instead.
 */
export interface MariadbServer extends AsyncDisposable {
  readonly flavour: "mariadb" | "mysql";
  readonly socket: string;
  readonly port: number;
  readonly folder: string;
  /** `mariadb://root@localhost/NAME?socket=…` */
  url(database: string): string;
  /** Runs a script with the server's client; gives what it printed, fields separated by TAB, without a header. */
  sql(script: string, database?: string): Promise<string>;
  /** What tests write for MariaDB, as this server understands it; `sql` does that by itself. */
  dialect(script: string): string;
  /** That client, and the options by which it finds the server. */
  readonly client: { readonly program: string; readonly options: readonly string[] };
  /** Ends the server at once, as a power cut would. */
  kill(): Promise<void>;
  /** Starts it again on what is in its folder. */
  start(): Promise<void>;
}

const startMs = 30_000;
const cache = join(import.meta.dirname, "../../node_modules/.cache/holdfast");

/**
 * @param options further options of mariadbd, such as `--log-bin`
 * @param place where its folder is made, which is short enough
 * @param which one of those that `scripts/other-servers.sh` fetches
 */
export async function startMariadb(
  options: readonly string[] = [],
  place = tmpdir(),
  which?: string,
): Promise<MariadbServer> {
  const programs = mysqlPrograms(which);
  // The path of a socket has at most 107 bytes.
  const folder = mkdtempSync(join(place, "hf-maria-"));
  const socket = join(folder, "s");
  const port = await freePort();
  const client = {
    program: programs.client,
    options: ["--no-defaults", `--socket=${socket}`, "--user=root", "--default-character-set=utf8mb4"],
  };
  const sql = (script: string, database?: string): Promise<string> => {
    const how = [...client.options, "--batch", "--raw", "--skip-column-names"];
    const input = programs.dialect(script);
    return commandOutput(client.program, [...how, ...(database === undefined ? [] : [database])], { input });
  };
  let server: ChildProcess | undefined;
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    const running = server;
    server = undefined;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    const ended = once(running, "exit");
    running.kill(signal);
    await ended;
  };
  const start = async (): Promise<void> => {
    const own = [...serverOptions(folder, socket, port), ...programs.options];
    server = spawn(programs.server, [...own, ...options], { stdio: "ignore" });
    endWithUs(server);
    const failed = once(server, "error");
    await Promise.race([
      untilReady(() => sql("SELECT 1"), socket, server, join(folder, "log")),
      failed.then(([error]) => Promise.reject(error as Error)),
    ]);
  };
  try {
    await makeDataFolder(programs, join(folder, "data"));
    await start();
  } catch (error) {
    await stop("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
    throw new Error(`${programs.server} did not start; scripts/setup-tests.sh installs MariaDB`, { cause: error });
  }
  return {
    flavour: programs.flavour,
    socket,
    port,
    folder,
    url: (database) => `mariadb://root@localhost/${encodeURIComponent(database)}?socket=${encodeURIComponent(socket)}`,
    sql,
    dialect: (script) => programs.dialect(script),
    client,
    kill: () => stop("SIGKILL"),
    start,
    async [Symbol.asyncDispose]() {
      await stop("SIGTERM");
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/** Small and without flushing: a test's data need not outlive the machine. */
function serverOptions(folder: string, socket: string, port: number): readonly string[] {
  return [
    "--no-defaults",
    `--user=${userInfo().username}`,
    `--datadir=${join(folder, "data")}`,
    // Another one that begins would delete what lies in the system's folder for temporary tables.
    `--tmpdir=${folder}`,
    `--socket=${socket}`,
    `--pid-file=${join(folder, "pid")}`,
    `--log-error=${join(folder, "log")}`,
    "--bind-address=127.0.0.1",
    `--port=${port}`,
    "--server-id=1",
    "--innodb-buffer-pool-size=64M",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-flush-method=nosync",
    "--innodb-doublewrite=0",
    "--performance-schema=0",
    "--skip-name-resolve",
  ];
}

/** A new data folder takes seconds to make; it is made once and copied. */
async function makeDataFolder({ server, makeData }: MysqlPrograms, data: string): Promise<void> {
  const version = (await commandOutput(server, ["--version"])).replace(/^\S+/, "").replaceAll(/[^\w.-]+/g, "_");
  const template = join(cache, `mysql-${userInfo().uid}${version}`);
  if (!existsSync(template)) {
    mkdirSync(cache, { recursive: true });
    const made = mkdtempSync(join(cache, "mysql-new-"));
    await makeData(made);
    try {
      renameSync(made, template);
    } catch {
      rmSync(made, { recursive: true, force: true }); // another test was faster
    }
  }
  mkdirSync(data);
  cpSync(template, data, { recursive: true });
  // What two servers must not have in common.
  rmSync(join(data, "auto.cnf"), { force: true });
}

async function untilReady(
  ask: () => Promise<unknown>,
  socket: string,
  server: ChildProcess,
  log: string,
): Promise<void> {
  const until = performance.now() + startMs;
  for (;;) {
    if (existsSync(socket)) {
      const answered = await ask().catch(() => undefined);
      if (answered !== undefined) return;
    }
    if (server.exitCode !== null || performance.now() > until) {
      throw new Error(existsSync(log) ? readFileSync(log, "utf8").slice(-2000) : "no log");
    }
    await wait(20);
  }
}
