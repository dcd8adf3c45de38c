import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { endWithUs } from "./end-with-us.ts";
import { freePort } from "./free-port.ts";
import type { ResticAccess } from "./restic.ts";
import { commandOutput } from "./run-command.ts";

/**
 * OpenSSH's server on loopback, of one test's own: its own port, keys and folder, without root's rights, and ended by its
 * process id. Whoever logs in is `user`, with the key `keyFile`.
 */
export interface SshdServer extends AsyncDisposable {
  readonly port: number;
  readonly user: string;
  /** Writable for that user. */
  readonly folder: string;
  readonly keyFile: string;
  /** The same key, sealed with `passphrase`. */
  readonly sealedKeyFile: string;
  readonly passphrase: string;
  /** Holds the server's key. */
  readonly knownHosts: string;
  /** What Holdfast reads of the login. */
  readonly environment: Readonly<Record<string, string>>;
  location(path: string): string;
  /** With what restic's `ssh` comes in. */
  readonly resticAccess: ResticAccess;
  /** Ends it at once, with all of its connections. */
  kill(): Promise<void>;
  /** On the same port again. `hostKey`: another than before. */
  restart(options?: { readonly hostKey?: "same" | "another"; readonly lines?: readonly string[] }): Promise<void>;
  /** What the server sees of its connections: stops them all from answering, as a line that is dead, and lets them go on. */
  pause(): void;
  resume(): void;
  /** Breaks all connections; new ones are welcome. */
  cut(): void;
}

/** Of every Debian. Run as root, the server would need a user and a folder of the machine's own. */
const plainUser = { name: "backup", uid: 34, gid: 34 };
const passphrase = 'p\'ss "phrase" $1';
const startMs = 20_000;

export async function startSshd(): Promise<SshdServer> {
  const program = sshdProgram();
  const home = mkdtempSync(join(tmpdir(), "hf-sshd-"));
  chmodSync(home, 0o755);
  const me = userInfo();
  const runAs = me.uid === 0 ? plainUser : { name: me.username, uid: me.uid, gid: me.gid };
  const folder = join(home, "kept");
  mkdirSync(folder);
  const [hostKey, keyFile, sealedKeyFile] = [join(home, "host"), join(home, "key"), join(home, "sealed")];
  const makeKey = (path: string, secret = "") =>
    commandOutput("ssh-keygen", ["-q", "-t", "ed25519", "-N", secret, "-C", "test", "-f", path]);
  await makeKey(keyFile);
  writeFileSync(sealedKeyFile, readFileSync(keyFile), { mode: 0o600 });
  await commandOutput("ssh-keygen", ["-q", "-p", "-P", "", "-N", passphrase, "-f", sealedKeyFile]);
  const authorized = join(home, "authorized");
  writeFileSync(authorized, readFileSync(`${keyFile}.pub`), { mode: 0o644 });
  const port = await freePort();
  const knownHosts = join(home, "known_hosts");
  const configuration = join(home, "sshd_config");
  const lines = [
    `Port ${port}`,
    "ListenAddress 127.0.0.1",
    `HostKey ${hostKey}`,
    `PidFile ${join(home, "pid")}`,
    `AuthorizedKeysFile ${authorized}`,
    "StrictModes no",
    "UsePAM no",
    "KbdInteractiveAuthentication no",
    "Subsystem sftp internal-sftp",
    "MaxStartups 100",
    "MaxSessions 100",
    "LogLevel ERROR",
  ];
  let child: ChildProcess | undefined;
  const kill = async (): Promise<void> => {
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    for (const pid of [child.pid, ...childrenOf(child.pid)]) signalTo(pid, "SIGKILL");
    await ended;
  };
  const restart: SshdServer["restart"] = async (options) => {
    await kill();
    if (options?.hostKey === "another" || !existsSync(hostKey)) {
      for (const path of [hostKey, `${hostKey}.pub`]) rmSync(path, { force: true });
      await makeKey(hostKey);
      chownSync(hostKey, runAs.uid, runAs.gid);
    }
    writeFileSync(configuration, `${[...(options?.lines ?? []), ...lines].join("\n")}\n`, { mode: 0o644 });
    const started = spawn(program.path, ["-D", "-e", "-f", configuration], {
      stdio: "ignore",
      env: program.environment,
      ...(me.uid === 0 && { uid: runAs.uid, gid: runAs.gid }),
    });
    endWithUs(started);
    child = started;
    for (const until = performance.now() + startMs; !(await answers(port)); await wait(20)) {
      if (started.exitCode !== null || performance.now() > until) throw new Error("sshd did not start");
    }
  };
  chownSync(folder, runAs.uid, runAs.gid);
  await restart();
  const hostLine = readFileSync(`${hostKey}.pub`, "utf8").split(" ").slice(0, 2).join(" ");
  writeFileSync(knownHosts, `[127.0.0.1]:${port} ${hostLine}\n`);
  const signalAll = (signal: NodeJS.Signals, whom: "connections" | "all") => {
    if (child?.pid === undefined) return;
    const pids = childrenOf(child.pid);
    for (const pid of whom === "all" ? [child.pid, ...pids] : pids) signalTo(pid, signal);
  };
  return {
    port,
    user: runAs.name,
    folder,
    keyFile,
    sealedKeyFile,
    passphrase,
    knownHosts,
    environment: { SFTP_KEY_FILE: keyFile, SFTP_KNOWN_HOSTS: knownHosts, SFTP_SSH_CONFIG: "/dev/null" },
    location: (path) => `sftp://${runAs.name}@127.0.0.1:${port}/${folder}/${path}`,
    resticAccess: {
      options: [
        "-o",
        `sftp.command=ssh -F /dev/null -o UserKnownHostsFile=${knownHosts} -o IdentitiesOnly=yes -i ${keyFile} -p ${port} ${runAs.name}@127.0.0.1 -s sftp`,
      ],
    },
    kill,
    restart,
    pause: () => signalAll("SIGSTOP", "all"),
    resume: () => signalAll("SIGCONT", "all"),
    cut: () => signalAll("SIGKILL", "connections"),
    async [Symbol.asyncDispose]() {
      signalAll("SIGCONT", "all");
      await kill();
      rmSync(home, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/** The machine's own, or what `scripts/setup-tests.sh` unpacked: the package itself would start a server for good. */
function sshdProgram(): { readonly path: string; readonly environment: Readonly<Record<string, string>> } {
  if (existsSync("/usr/sbin/sshd")) return { path: "/usr/sbin/sshd", environment: {} };
  const unpacked = join(import.meta.dirname, "../../node_modules/.cache/holdfast/openssh");
  const path = join(unpacked, "usr/sbin/sshd");
  if (!existsSync(path)) throw new Error("sshd is not there: scripts/setup-tests.sh fetches it");
  return { path, environment: { LD_LIBRARY_PATH: join(unpacked, "lib") } };
}

function signalTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // It may have ended by itself since it was listed.
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** Processes below this one, their own before them. */
function childrenOf(pid: number): readonly number[] {
  let listed: string;
  try {
    listed = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  } catch {
    return []; // it has ended
  }
  const direct = listed.split(" ").filter(Boolean).map(Number);
  return direct.flatMap((one) => [...childrenOf(one), one]);
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "data", { signal: AbortSignal.timeout(2000) });
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
