import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { endWithUs } from "./end-with-us.ts";
import { freePort } from "./free-port.ts";

/** Azurite, Microsoft's own server of Blob Storage for tests, in memory, on loopback, ended by its process id. */
export interface AzuriteServer extends AsyncDisposable {
  readonly port: number;
  readonly account: string;
  readonly key: string;
  /** What Holdfast reads of the login; `port` of what stands before the server. */
  environment(port?: number): Readonly<Record<string, string>>;
}

const startMs = 60_000;
const program = join(
  import.meta.dirname,
  "../../node_modules/.cache/holdfast/azurite/node_modules/azurite/dist/src/blob/main.js",
);

export async function startAzurite(): Promise<AzuriteServer> {
  if (!existsSync(program)) throw new Error("Azurite is not there: scripts/setup-tests.sh fetches it");
  const folder = mkdtempSync(join(tmpdir(), "hf-azurite-"));
  const port = await freePort();
  const [account, key] = ["holdfasttest", randomBytes(64).toString("base64")];
  const options = ["--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck", "--silent"];
  const child = spawn(process.execPath, [program, "--blobPort", String(port), ...options], {
    cwd: folder,
    stdio: "ignore",
    env: { AZURITE_ACCOUNTS: `${account}:${key}`, HOME: folder },
  });
  endWithUs(child);
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    }
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  };
  for (const until = performance.now() + startMs; ; await wait(50)) {
    const answer = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer !== undefined) break;
    if (child.exitCode !== null || performance.now() > until) {
      await stop();
      throw new Error("Azurite did not start");
    }
  }
  return {
    port,
    account,
    key,
    environment: (at = port) => ({
      AZURE_STORAGE_CONNECTION_STRING: `DefaultEndpointsProtocol=http;AccountName=${account};AccountKey=${key};BlobEndpoint=http://127.0.0.1:${at}/${account};`,
    }),
    [Symbol.asyncDispose]: stop,
  };
}
