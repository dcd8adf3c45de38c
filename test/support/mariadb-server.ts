import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { commandOutput } from "./run-command.ts";
import { endWithUs } from "./end-with-us.ts";
import { freePort } from "./free-port.ts";

/** A MariaDB server of one test's own, in a temporary folder; `root` has no password on its socket. */
export interface MariadbServer extends AsyncDisposable {
  readonly socket: string;
  readonly port: number;
  readonly folder: string;
  /** `mariadb://root@localhost/NAME?socket=…` */
  url(database: string): string;
  /** Runs a script with Debian's client; gives what it printed, fields separated by TAB, without a header. */
  sql(script: string, database?: string): Promise<string>;
  /** Ends the server at once, as a power cut would. */
  kill(): Promise<void>;
  /** Starts it again on what is in its folder. */
  start(): Promise<void>;
}

const startMs = 30_000;
const logSize = "--innodb-log-file-size=16M";
const cache = join(import.meta.dirname, "../../node_modules/.cache/holdfast");

/**
 * @param options further options of mariadbd, such as `--log-bin`
 * @param place where its folder is made, which is short enough
 */
export async function startMariadb(options: readonly string[] = [], place = tmpdir()): Promise<MariadbServer> {
  // The path of a socket has at most 107 bytes.
  const folder = mkdtempSync(join(place, "hf-maria-"));
  const socket = join(folder, "s");
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
  const start = async (): Promise<void> => {
    server = spawn("mariadbd", [...serverOptions(folder, socket, port), ...options], { stdio: "ignore" });
    endWithUs(server);
    const failed = once(server, "error");
    await Promise.race([
      untilReady(socket, server, join(folder, "log")),
      failed.then(([error]) => Promise.reject(error as Error)),
    ]);
  };
  try {
    await makeDataFolder(join(folder, "data"));
    await start();
  } catch (error) {
    await stop("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
    throw new Error("mariadbd did not start; scripts/setup-tests.sh installs it", { cause: error });
  }
  return {
    socket,
    port,
    folder,
    url: (database) => `mariadb://root@localhost/${encodeURIComponent(database)}?socket=${encodeURIComponent(socket)}`,
    sql: (script, database) => runClient(socket, script, database),
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
    `--socket=${socket}`,
    `--pid-file=${join(folder, "pid")}`,
    `--log-error=${join(folder, "log")}`,
    "--bind-address=127.0.0.1",
    `--port=${port}`,
    "--server-id=1",
    "--innodb-buffer-pool-size=64M",
    logSize,
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-flush-method=nosync",
    "--innodb-doublewrite=0",
    "--performance-schema=0",
    "--skip-name-resolve",
  ];
}

/** A new data folder takes two seconds to make; it is made once and copied. */
async function makeDataFolder(data: string): Promise<void> {
  const version = (await commandOutput("mariadbd", ["--version"])).replaceAll(/[^\w.-]+/g, "_");
  const template = join(cache, `mariadb-${userInfo().uid}-${version}`);
  if (!existsSync(template)) {
    mkdirSync(cache, { recursive: true });
    const made = mkdtempSync(join(cache, "mariadb-new-"));
    const options = [`--datadir=${made}`, `--user=${userInfo().username}`, logSize];
    const root = "--auth-root-authentication-method=normal";
    await commandOutput("mariadb-install-db", ["--no-defaults", "--skip-test-db", root, ...options]);
    try {
      renameSync(made, template);
    } catch {
      rmSync(made, { recursive: true, force: true }); // another test was faster
    }
  }
  mkdirSync(data);
  cpSync(template, data, { recursive: true });
}

async function untilReady(socket: string, server: ChildProcess, log: string): Promise<void> {
  const until = performance.now() + startMs;
  for (;;) {
    if (existsSync(socket)) {
      const answered = await runClient(socket, "SELECT 1").catch(() => undefined);
      if (answered !== undefined) return;
    }
    if (server.exitCode !== null || performance.now() > until) {
      throw new Error(existsSync(log) ? readFileSync(log, "utf8").slice(-2000) : "no log");
    }
    await wait(20);
  }
}

function runClient(socket: string, script: string, database?: string): Promise<string> {
  const options = ["--no-defaults", `--socket=${socket}`, "--user=root", "--default-character-set=utf8mb4"];
  const args = [...options, "--batch", "--raw", "--skip-column-names", ...(database === undefined ? [] : [database])];
  return commandOutput("mariadb", args, { input: script });
}
