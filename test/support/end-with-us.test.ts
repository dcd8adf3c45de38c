import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { until } from "./until.ts";

/** What `npm run campaign` does with signals, and a server as its campaigns start them. */
const program = (file: string, start: string): string => `
  const { exitOnSignals } = await import(${JSON.stringify(join(import.meta.dirname, "../../scripts/exit-on-signals.ts"))});
  const { ${start} } = await import(${JSON.stringify(join(import.meta.dirname, file))});
  exitOnSignals();
  const { folder } = await ${start}();
  console.log(folder);
  setInterval(() => {}, 1000);
`;

for (const { file, start, pidFile, signal, code } of [
  { file: "postgres-server.ts", start: "startPostgres", pidFile: "data/postmaster.pid", signal: "SIGTERM", code: 143 },
  { file: "mariadb-server.ts", start: "startMariadb", pidFile: "pid", signal: "SIGINT", code: 130 },
] as const) {
  test(`a campaign that is ended by ${signal} leaves no server of ${file} behind`, async (t) => {
    const child = spawn(process.execPath, ["--input-type=module", "-e", program(file, start)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    t.after(() => child.kill("SIGKILL"));
    const [said] = (await once(child.stdout, "data")) as [Buffer];
    const folder = said.toString("utf8").trim();
    t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
    const server = Number.parseInt(readFileSync(join(folder, pidFile), "utf8"), 10);
    assert.ok(runs(server));
    const ended = once(child, "exit");
    child.kill(signal);
    assert.deepEqual(await ended, [code, null]);
    await until(() => !runs(server), 60_000);
  });
}

/** One that nobody has waited for is over all the same. */
function runs(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
