import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { endWithUs } from "./end-with-us.ts";
import { freePort } from "./free-port.ts";
import { commandOutput, runCommand } from "./run-command.ts";

/**
 * Ceph's RADOS Gateway, a real server of S3, of one test's own: one monitor, one store in memory, the gateway, all on
 * loopback with free ports, under a temporary folder, and ended by their process ids.
 */
export interface CephServer extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string;
  readonly port: number;
  /** What AWS' programs, restic and Holdfast read: a user who may make buckets. */
  readonly environment: Readonly<Record<string, string>>;
  /** `radosgw-admin`, with these arguments. */
  admin(...args: readonly string[]): Promise<string>;
  /** Stops the gateway from answering, as a network that is gone; its connections stay. */
  pause(): void;
  resume(): void;
}

const accessKey = "HOLDFASTTEST";
const secretKey = "secret-of-the-tests";
const startMs = 60_000;

export interface CephOptions {
  /** Storage classes beside `STANDARD`, which it knows by their names only. */
  readonly storageClasses?: readonly string[];
}

export async function startCeph({ storageClasses = [] }: CephOptions = {}): Promise<CephServer> {
  if (!existsSync("/usr/bin/radosgw")) throw new Error("radosgw is not there: scripts/setup-tests.sh installs it");
  // The path of a socket has at most 107 bytes.
  const folder = mkdtempSync(join(tmpdir(), "hf-ceph-"));
  const [port, first, second] = [await freePort(), await freePort(), await freePort()];
  const monitor = `[v2:127.0.0.1:${first},v1:127.0.0.1:${second}]`;
  const conf = join(folder, "ceph.conf");
  const running: ChildProcess[] = [];
  const start = (program: string, ...args: readonly string[]): ChildProcess => {
    const log = openSync(join(folder, `${program}.out`), "a");
    const child = spawn(program, ["-c", conf, ...args, "-f"], { cwd: folder, stdio: ["ignore", log, log] });
    endWithUs(child);
    closeSync(log);
    running.unshift(child);
    return child;
  };
  const stop = async (): Promise<void> => {
    for (const child of running) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, "exit");
      // Nothing is kept, so nothing is to be written first.
      child.kill("SIGKILL");
      await ended;
    }
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  };
  const run = (program: string, ...args: readonly string[]) =>
    commandOutput(program, args, { cwd: folder, timeoutMs: startMs });
  const admin = (...args: readonly string[]) => run("radosgw-admin", "-c", conf, ...args);

  try {
    mkdirSync(join(folder, "mon.a"));
    mkdirSync(join(folder, "osd.0"));
    writeFileSync(conf, configuration(folder, monitor, port));
    await makeKeys(run, join(folder, "keyring"));
    const map = join(folder, "monmap");
    await run("monmaptool", "--create", "--addv", "a", monitor, "--fsid", clusterId, map);
    const made = ["-c", conf, "--mkfs", "-i", "a", "--monmap", map, "--keyring", join(folder, "keyring")];
    await run("ceph-mon", ...made);
    start("ceph-mon", "-i", "a");
    // A client that comes before the monitor may wait for a minute: it is asked again instead.
    const create = ["-c", conf, "--connect-timeout", "3", "osd", "create", storeId, "0"];
    for (let tries = 1; (await runCommand("ceph", create, { cwd: folder, timeoutMs: 5000 })).code !== 0; tries++) {
      if (tries === 10) throw new Error(logOf(folder));
    }
    await run("ceph-osd", "-c", conf, "-i", "0", "--mkfs", "--osd-uuid", storeId);
    await run("ceph", "-c", conf, "osd", "crush", "add", "osd.0", "1.0", "root=default", "host=localhost");
    start("ceph-osd", "-i", "0");
    // The first of these makes the zone as well.
    const user = [
      "--uid=holdfast",
      "--display-name=holdfast",
      `--access-key=${accessKey}`,
      `--secret-key=${secretKey}`,
    ];
    await admin("user", "create", ...user);
    for (const name of storageClasses) {
      const placement = ["--placement-id=default-placement", `--storage-class=${name}`];
      await admin("zonegroup", "placement", "add", "--rgw-zonegroup=default", ...placement);
      await admin("zone", "placement", "add", "--rgw-zone=default", ...placement, `--data-pool=cold.${name}`);
    }
    const gateway = start("radosgw", "-n", "client.rgw");
    const endpoint = `http://127.0.0.1:${port}`;
    const until = performance.now() + startMs;
    while (!(await answers(endpoint))) {
      if (gateway.exitCode !== null || performance.now() > until) throw new Error(logOf(folder));
      await wait(100);
    }
    return {
      endpoint,
      port,
      environment: { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey },
      admin,
      pause: () => void gateway.kill("SIGSTOP"),
      resume: () => void gateway.kill("SIGCONT"),
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw new Error("Ceph did not start", { cause: error });
  }
}

const clusterId = "5f2c1a52-0c43-4c53-9d5e-5c7e7f0a0001";
const storeId = "5f2c1a52-0c43-4c53-9d5e-5c7e7f0a0002";

/** One copy of everything, in memory, no folder outside ours, and listings of short pages. */
function configuration(folder: string, monitor: string, port: number): string {
  return `[global]
fsid = ${clusterId}
mon initial members = a
mon host = ${monitor}
public addr = 127.0.0.1
mon allow pool size one = true
mon max pg per osd = 10000
mon data = ${folder}/mon.a
osd data = ${folder}/osd.0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 4294967296
osd class load list = *
osd class default list = *
run dir = ${folder}
log file = ${folder}/$name.log
admin socket = ${folder}/$name.asok
keyring = ${folder}/keyring
[client.rgw]
rgw max listing results = 100
rgw frontends = beast endpoint=127.0.0.1:${port}
`;
}

async function makeKeys(run: (program: string, ...args: string[]) => Promise<string>, keyring: string): Promise<void> {
  const all = ["mon", "osd", "mds"].flatMap((one) => ["--cap", one, "allow *"]);
  await run("ceph-authtool", "-C", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *");
  for (const name of ["client.admin", "client.rgw", "osd.0"]) {
    await run("ceph-authtool", keyring, "--gen-key", "-n", name, ...all);
  }
}

async function answers(endpoint: string): Promise<boolean> {
  try {
    return (await fetch(endpoint, { signal: AbortSignal.timeout(2000) })).status < 500;
  } catch {
    return false;
  }
}

function logOf(folder: string): string {
  return ["ceph-mon", "ceph-osd", "radosgw"]
    .map((name) => join(folder, `${name}.out`))
    .filter(existsSync)
    .map((path) => readFileSync(path, "utf8").slice(-1000))
    .join("\n");
}
