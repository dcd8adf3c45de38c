import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chown, mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { hasSystemCode } from "../lib/system-code.ts";

/**
 * A server that is started from installed programs for one copy of a database, and goes with it. It listens on a socket
 * alone, in a folder that nobody but its account may enter, and never runs as root. It ends with this process, however
 * that ends: a shell beside it (`guard`) waits for the end of a pipe of which only we hold the other end.
 */
export interface PrivateServer {
  /** Of the database that is to be made there. */
  readonly url: string;
  /** `PostgreSQL 15.14` */
  readonly version: string;
  /** Absolute path of the program. */
  readonly program: string;
  /** All that it writes is below. */
  readonly folder: string;
  /** Ends it, and removes all that it wrote. */
  end(): Promise<void>;
}

export interface ProgramCall {
  /** Absolute path. */
  readonly program: string;
  readonly args: readonly string[];
}

export interface PrivateServerOptions {
  /** Absolute path of a folder that is there; the server's own is made in it. */
  readonly parent: string;
  /** Names of accounts for it, best first, where we are root; where this machine has none of them it is `nobody`. */
  readonly accounts: readonly string[];
  /** Name of its socket's file. */
  readonly socket: string;
  /** The signal at which it ends at once: what it holds is thrown away. */
  readonly endsAt: "QUIT" | "KILL";
  readonly programs: (folder: string) => {
    readonly url: string;
    /** Makes its data. */
    readonly prepare: ProgramCall;
    readonly serve: ProgramCall;
    /** Gives its version; fails with a `HoldfastError` while it does not answer yet. */
    readonly ask: () => Promise<string>;
  };
}

interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

interface Place {
  /** Of this machine; `undefined`: ours, since we are not root. */
  readonly account: Account | undefined;
  readonly folder: string;
}

/** The path of a socket has at most 107 bytes. */
const longestSocket = 107;
const startMs = 60_000;
/** Well within what whoever cancels us waits for an orderly end. */
const stopMs = 3000;

/** Starts it and waits until it answers. Fails with `server-not-started`, and leaves nothing then. */
export async function startPrivateServer(options: PrivateServerOptions, signal: AbortSignal): Promise<PrivateServer> {
  const place = await makePlace(options);
  const { folder } = place;
  const { url, prepare, serve, ask } = options.programs(folder);
  const undo = new AsyncDisposableStack();
  undo.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  try {
    const { code, said } = await endOf(prepare, place, signal);
    signal.throwIfAborted();
    if (code !== 0) throw new HoldfastError("server-not-started", { program: prepare.program, reason: said });
    const server = guarded(serve, place, options.endsAt);
    undo.defer(() => server.stop());
    const version = await answerOf(server, ask, signal);
    return { url, version, program: serve.program, folder, end: () => undo.disposeAsync() };
  } catch (error) {
    await undo.disposeAsync();
    signal.throwIfAborted();
    throw error;
  }
}

async function makePlace({ parent, accounts, socket }: PrivateServerOptions): Promise<Place> {
  const account = process.getuid?.() === 0 ? await accountOf(accounts) : undefined;
  const folder = await mkdtemp(join(parent, "holdfast-server-"));
  try {
    if (Buffer.byteLength(join(folder, socket)) > longestSocket) {
      throw new HoldfastError("server-not-started", { long: folder });
    }
    if (account) {
      await chown(folder, account.uid, account.gid);
      const { code } = await endOf({ program: "/usr/bin/test", args: ["-w", folder] }, { account, folder: "/" });
      if (code !== 0) throw new HoldfastError("server-not-started", { account: account.name, parent });
    }
    return { account, folder };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    // Root without the right to be somebody else, as in a service or a container.
    const reason = hasSystemCode(error, "EPERM") && account && `EPERM, ${account.name}`;
    throw reason ? new HoldfastError("server-not-started", { reason }, error) : error;
  }
}

async function accountOf(names: readonly string[]): Promise<Account> {
  const known = (await readFile("/etc/passwd", "utf8")).split("\n").map((line) => line.split(":"));
  for (const wanted of [...names, "nobody"]) {
    const [name = "", , uid, gid] = known.find(([one]) => one === wanted) ?? [];
    if (name !== "" && Number(uid) > 0) return { name, uid: Number(uid), gid: Number(gid) };
  }
  throw new HoldfastError("server-not-started", { missing: names.join(", ") });
}

/** Neither our environment, which may hold secrets, nor our terminal: Ctrl-C is for us. */
function optionsFor({ account, folder }: Place) {
  return {
    cwd: folder,
    env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOME: folder, LC_ALL: "C" },
    detached: true,
    ...(account && { uid: account.uid, gid: account.gid }),
  };
}

/** Runs a program to its end, and what it started with it where that is cut short. */
async function endOf({ program, args }: ProgramCall, place: Place, signal?: AbortSignal) {
  const child = spawn(program, args, { ...optionsFor(place), stdio: ["ignore", "ignore", "pipe"] });
  const said = lastWords(child);
  const kill = (): void => killGroup(child);
  signal?.addEventListener("abort", kill);
  try {
    const [code] = (await once(child, "close").catch(() => [undefined])) as [number | null | undefined];
    return { code, said: said() };
  } finally {
    signal?.removeEventListener("abort", kill);
  }
}

function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // it is gone
  }
}

/**
 * Runs the server until its own end or that of standard input, whichever comes first, and then removes its folder.
 * $1: the signal that ends it, sent again and again, since a server that has only just begun may not heed it yet; $2: the
 * folder; then the server and its arguments.
 */
const guard = `
signal=$1 folder=$2
shift 2
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
(while read -r _; do :; done; while kill -s "$signal" "$server"; do sleep 0.1; done) <&3 2>/dev/null &
watch=$!
wait "$server"
kill "$watch" 2>/dev/null
cd / && rm -rf -- "$folder" 2>/dev/null
exit 0`;

interface Guarded {
  readonly program: string;
  hasEnded(): boolean;
  said(): string | undefined;
  stop(): Promise<void>;
}

function guarded({ program, args }: ProgramCall, place: Place, endsAt: "QUIT" | "KILL"): Guarded {
  const shell = spawn("/bin/sh", ["-c", guard, "holdfast", endsAt, place.folder, program, ...args], {
    ...optionsFor(place),
    stdio: ["pipe", "ignore", "pipe"],
  });
  const ended = Promise.withResolvers<void>();
  shell.once("error", () => ended.resolve());
  shell.once("exit", () => ended.resolve());
  const hasEnded = (): boolean => shell.exitCode !== null || shell.signalCode !== null || shell.pid === undefined;
  return {
    program,
    hasEnded,
    said: lastWords(shell),
    async stop() {
      shell.stdin.destroy();
      const kill = setTimeout(() => killGroup(shell), stopMs);
      if (!hasEnded()) await ended.promise;
      clearTimeout(kill);
    },
  };
}

async function answerOf({ program, hasEnded, said }: Guarded, ask: () => Promise<string>, signal: AbortSignal) {
  const until = performance.now() + startMs;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      signal.throwIfAborted();
      if (!isHoldfastError(error)) throw error;
      if (hasEnded() || performance.now() > until) {
        const reason = said() ?? String(error.facts["reason"] ?? error.code);
        throw new HoldfastError("server-not-started", { program, reason }, error);
      }
      await delay(50, undefined, { signal });
    }
  }
}

/** The last line that a program writes to standard error, so far. */
function lastWords(child: ChildProcess): () => string | undefined {
  let said = "";
  child.stderr?.on("data", (text: Buffer) => (said = (said + text.toString()).slice(-4096)));
  return () => said.trim().split("\n").at(-1)?.trim() || undefined;
}
