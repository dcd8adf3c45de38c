import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { freePort } from "../support/free-port.ts";
import { python, type TrytonCrm } from "./tryton-crm.ts";

/** A running trytond, asked as its clients ask it: by JSON-RPC. */
export interface TrytonServer extends AsyncDisposable {
  call(method: string, ...params: readonly unknown[]): Promise<unknown>;
}

const startMs = 30_000;

/** Starts trytond on a port of its own, with the CRM's configuration as it is, and signs in as admin. */
export async function startTryton(crm: TrytonCrm): Promise<TrytonServer> {
  const port = await freePort();
  const listen = join(crm.folder, "listen.conf");
  writeFileSync(listen, `[web]\nlisten = 127.0.0.1:${port}\n`);
  const args = ["-B", "/usr/bin/trytond", "-c", crm.configuration, listen, "-d", crm.database];
  const server = spawn(python, args, { stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  server.stderr.on("data", (text: Buffer) => (errors += text.toString()));
  const stop = async () => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    server.kill("SIGTERM");
    await once(server, "exit");
  };
  try {
    const url = `http://127.0.0.1:${port}/${crm.database}/`;
    const password = readFileSync(join(crm.folder, "password"), "utf8").trim();
    const session = await signIn(url, password, () => server.exitCode !== null);
    return {
      call: (method, ...params) => rpc(url, method, params, session),
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw new Error(`trytond did not start: ${errors}`, { cause: error });
  }
}

/** The value of the Authorization header. */
async function signIn(url: string, password: string, ended: () => boolean): Promise<string> {
  const until = performance.now() + startMs;
  for (;;) {
    try {
      const answer = await rpc(url, "common.db.login", ["admin", { password }, "en"]);
      const [user, key] = answer as [number, string];
      return `Session ${Buffer.from(`admin:${user}:${key}`).toString("base64")}`;
    } catch (error) {
      if (ended() || performance.now() > until) throw error;
      await wait(100);
    }
  }
}

async function rpc(url: string, method: string, params: readonly unknown[], session?: string): Promise<unknown> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...(session === undefined ? {} : { Authorization: session }) },
    body: JSON.stringify({ id: 1, method, params }),
  });
  if (!response.ok) throw new Error(`${method}: HTTP ${response.status}`);
  const answer = (await response.json()) as { readonly result?: unknown; readonly error?: unknown };
  if (answer.error) throw new Error(`${method}: ${JSON.stringify(answer.error).slice(0, 500)}`);
  return answer.result ?? answer;
}
