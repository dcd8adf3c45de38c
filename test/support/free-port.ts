import { randomInt } from "node:crypto";
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";

/** Below those that Linux gives to outgoing connections. */
const [lowest, beyond] = [12_000, 32_000];

/**
 * A port of this machine that nobody listens on, and that nobody else who asks here gets while this process lives: some servers
 * need seconds until they listen.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(lowest, beyond);
    if (claim(port) && (await isFree(port))) return port;
  }
}

function claim(port: number): boolean {
  // Whatever TMPDIR says: ports are the machine's, not a test run's.
  const file = `/tmp/hf-port-${port}`;
  try {
    writeFileSync(file, `${process.pid}`, { flag: "wx" });
    // One more for each port is no leak.
    process.setMaxListeners(process.getMaxListeners() + 1);
    process.on("exit", () => rmSync(file, { force: true }));
    return true;
  } catch {
    if (!isAlive(file)) rmSync(file, { force: true });
    return false;
  }
}

function isAlive(file: string): boolean {
  try {
    process.kill(Number(readFileSync(file, "utf8")) || process.pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer().listen(port, "127.0.0.1");
  try {
    await once(probe, "listening");
  } catch {
    return false;
  }
  probe.close();
  await once(probe, "close");
  return true;
}
