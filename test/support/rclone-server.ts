import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { endWithUs } from "./end-with-us.ts";
import { freePort } from "./free-port.ts";

/** `rclone serve restic` on a folder: a real server of restic's REST protocol, on loopback, ended by its process id. */
export interface RcloneServer extends AsyncDisposable {
  readonly port: number;
  /** What it keeps, as files. */
  readonly folder: string;
  /** What Holdfast reads of the login. */
  readonly environment: Readonly<Record<string, string>>;
  /** With the login in it, as restic 0.14 wants it. */
  resticLocation(path: string): string;
  /** Without. */
  location(path: string): string;
  /** Ends it at once; what it keeps stays. */
  kill(): Promise<void>;
  /** On the same port again, with other options: `--append-only`. */
  restart(...options: readonly string[]): Promise<void>;
}

const user = "holdfast";
const password = "p:ss wörd";
const startMs = 20_000;

export async function startRclone(): Promise<RcloneServer> {
  if (!existsSync("/usr/bin/rclone")) throw new Error("rclone is not there: scripts/setup-tests.sh installs it");
  const home = mkdtempSync(join(tmpdir(), "hf-rclone-"));
  const folder = join(home, "kept");
  const port = await freePort();
  let child: ChildProcess | undefined;

  const kill = async (): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  };
  const restart = async (...options: readonly string[]): Promise<void> => {
    await kill();
    const env = { PATH: "/usr/bin:/bin", HOME: home, RCLONE_USER: user, RCLONE_PASS: password };
    const args = ["serve", "restic", "--addr", `127.0.0.1:${port}`, ...options, folder];
    const started = spawn("rclone", args, { env, stdio: "ignore" });
    endWithUs(started);
    child = started;
    for (const until = performance.now() + startMs; ; await wait(20)) {
      if (started.exitCode !== null || performance.now() > until) throw new Error("rclone did not start");
      const answered = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
      await answered?.body?.cancel();
      if (answered?.status === 401) return;
    }
  };
  await restart();
  const login = `${user}:${encodeURIComponent(password)}`;
  return {
    port,
    folder,
    environment: { RESTIC_REST_USERNAME: user, RESTIC_REST_PASSWORD: password },
    location: (path) => `rest:http://127.0.0.1:${port}/${path}`,
    resticLocation: (path) => `rest:http://${login}@127.0.0.1:${port}/${path}`,
    kill,
    restart,
    async [Symbol.asyncDispose]() {
      await kill();
      rmSync(home, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}
