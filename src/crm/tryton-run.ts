import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { access, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isSqliteUrl, sqlitePath } from "../database/sqlite/location.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { RestoredCopy, RunningCopy } from "./platform.ts";
import { nameOfDatabase } from "./tryton-postgres.ts";

/** Debian's. */
const server = "/usr/bin/trytond";
const administration = "/usr/bin/trytond-admin";
/** trytond imports all its modules before it answers. */
const startMs = 120_000;
const askMs = 30_000;

/**
 * Starts trytond on a port of its own and signs in as its clients do, by JSON-RPC. The copy's administrator gets a
 * password that nobody knows, so no password of the real CRM is needed.
 */
export async function startTryton(copy: RestoredCopy, signal: AbortSignal): Promise<RunningCopy | undefined> {
  const [database] = copy.databases;
  const configuration = copy.config.find(({ name }) => name.startsWith("trytond"))?.path;
  if (!database || configuration === undefined || !(await isThere(server)) || !(await isThere(administration))) {
    return undefined;
  }
  const name = isSqliteUrl(database.url) ? basename(sqlitePath(database.url), ".sqlite") : nameOfDatabase(database.url);
  const password = randomBytes(24).toString("base64url");
  const passwordFile = join(copy.scratch, "password");
  await writeFile(passwordFile, password, { mode: 0o600 });
  const environment = { ...process.env, TRYTONPASSFILE: passwordFile, PYTHONDONTWRITEBYTECODE: "1" };
  await succeeds(administration, ["-c", configuration, "-d", name, "-p"], environment, signal);

  const port = await freePort();
  const listen = join(copy.scratch, "listen.conf");
  await writeFile(listen, `[web]\nlisten = 127.0.0.1:${port}\n`);
  const started = spawn(server, ["-c", configuration, listen, "-d", name], {
    env: environment,
    stdio: ["ignore", "ignore", "pipe"],
    signal,
  });
  let said = "";
  started.stderr.on("data", (text: Buffer) => (said = (said + text.toString()).slice(-4096)));
  started.on("error", () => {}); // its end says the same
  const client = new Client(`http://127.0.0.1:${port}/${name}/`, signal);
  const stop = async (): Promise<void> => {
    if (started.exitCode !== null || started.signalCode !== null) return;
    const ended = once(started, "exit");
    started.kill("SIGTERM");
    const killing = setTimeout(() => started.kill("SIGKILL"), 10_000);
    await ended;
    clearTimeout(killing);
  };
  try {
    await client.signIn(password, () => started.exitCode !== null || started.signalCode !== null);
    const models = await client.modelsByTable();
    return {
      ask: (table, key, column) => client.read(models.get(table), key, column),
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    signal.throwIfAborted();
    throw new HoldfastError("drill-start", { program: "trytond", reason: lastLine(said) ?? messageOf(error) }, error);
  }
}

class Client {
  readonly #url: string;
  readonly #signal: AbortSignal;
  #authorization: string | undefined;

  constructor(url: string, signal: AbortSignal) {
    this.#url = url;
    this.#signal = signal;
  }

  async signIn(password: string, ended: () => boolean): Promise<void> {
    const until = performance.now() + startMs;
    for (;;) {
      try {
        const answer = await this.#call("common.db.login", ["admin", { password }, "en"]);
        const [user, key] = Array.isArray(answer) ? (answer as readonly unknown[]) : [];
        this.#authorization = `Session ${Buffer.from(`admin:${String(user)}:${String(key)}`).toString("base64")}`;
        return;
      } catch (error) {
        if (this.#signal.aborted || ended() || performance.now() > until) throw error;
        await delay(200, undefined, { signal: this.#signal });
      }
    }
  }

  /** A table is named after its model, with `_` for `.`: which of them is which, only Tryton knows. */
  async modelsByTable(): Promise<ReadonlyMap<string, string>> {
    const found = await this.#call("model.ir.model.search_read", [[], 0, null, null, ["model"], {}]);
    const models = (Array.isArray(found) ? (found as readonly unknown[]) : []).flatMap((one) => {
      const name = typeof one === "object" && one !== null && "model" in one ? one.model : undefined;
      return typeof name === "string" ? [name] : [];
    });
    return new Map(models.map((model) => [model.replaceAll(".", "_"), model]));
  }

  async read(model: string | undefined, key: string, column: string): Promise<string | undefined> {
    if (model === undefined || !/^\d+$/.test(key)) return undefined;
    const domain = [["id", "=", Number(key)]];
    // Also what is archived: it is there.
    const found = await this.#call(`model.${model}.search_read`, [
      domain,
      0,
      1,
      null,
      [column],
      { active_test: false },
    ]);
    const [record] = Array.isArray(found) ? (found as readonly Readonly<Record<string, unknown>>[]) : [];
    const value = record?.[column];
    return typeof value === "string" || typeof value === "number" ? String(value) : undefined;
  }

  async #call(method: string, params: readonly unknown[]): Promise<unknown> {
    const response = await fetch(this.#url, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        ...(this.#authorization !== undefined && { Authorization: this.#authorization }),
      },
      body: JSON.stringify({ id: 1, method, params }),
      signal: AbortSignal.any([this.#signal, AbortSignal.timeout(askMs)]),
    });
    if (!response.ok) throw new Error(`${method}: HTTP ${response.status}`);
    const answer = (await response.json()) as { readonly result?: unknown; readonly error?: unknown } | null;
    if (answer?.error) throw new Error(`${method}: ${JSON.stringify(answer.error).slice(0, 300)}`);
    return answer !== null && typeof answer === "object" && "result" in answer ? answer.result : answer;
  }
}

async function isThere(program: string): Promise<boolean> {
  return access(program).then(
    () => true,
    () => false,
  );
}

async function succeeds(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<void> {
  const child = spawn(program, args, { env, stdio: ["ignore", "ignore", "pipe"], signal });
  let said = "";
  child.stderr.on("data", (text: Buffer) => (said = (said + text.toString()).slice(-4096)));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new HoldfastError("drill-start", { program: basename(program), reason: lastLine(said) });
}

function lastLine(text: string): string | undefined {
  return text.trim().split("\n").at(-1)?.trim() || undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : "";
}

async function freePort(): Promise<number> {
  const probe = createServer();
  probe.listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}
