import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { until } from "../../test/support/until.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { parseSecretReference } from "./secret-reference.ts";
import { readSecret } from "./secrets.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-secrets-"));
after(() => rmSync(folder, { recursive: true }));
const signal = new AbortController().signal;

async function read(text: string, environment: Record<string, string> = {}) {
  const open: string[] = [];
  const options = { signal, environment, onOpenFile: (path: string) => open.push(path) };
  const bytes = await readSecret(parseSecretReference(text, folder), options);
  return { text: bytes.toString("utf8"), open };
}

test("follows each kind of reference", async () => {
  writeFileSync(join(folder, "password.txt"), "secret\n", { mode: 0o600 });
  assert.deepEqual(await read("file:password.txt"), { text: "secret\n", open: [] });
  assert.deepEqual(await read("env:P", { P: "secret" }), { text: "secret", open: [] });
  assert.deepEqual(await read("cmd:echo secret; echo more"), { text: "secret", open: [] });
  assert.deepEqual(await read("systemd:password.txt", { CREDENTIALS_DIRECTORY: folder }), {
    text: "secret\n",
    open: [],
  });
});

test("waits for whoever writes to a pipe, and is not kept by one that nobody writes to", async () => {
  const pipe = join(folder, "pipe");
  execFileSync("/bin/sh", ["-c", 'mkfifo "$0"', pipe]);
  assert.equal((await read("file:pipe")).text, "");
  const writing = `exec 3<>"$0"; echo began; printf sec >&3; sleep 0.2; echo ret >&3`;
  const writer = spawn("/bin/sh", ["-c", writing, pipe], { stdio: ["ignore", "pipe", "inherit"] });
  await once(writer.stdout, "data");
  assert.equal((await read("file:pipe")).text, "secret\n");
});

test("is no password file: one that is too large, be it a device without end", async () => {
  writeFileSync(join(folder, "large.txt"), Buffer.alloc(65_537));
  for (const text of ["file:large.txt", "file:/dev/zero"]) {
    await assert.rejects(
      read(text),
      (error) => isHoldfastError(error, "config-secret") && error.facts["problem"] === "file-large",
    );
  }
});

test("warns when others can read the file", async () => {
  const path = join(folder, "open.txt");
  for (const [mode, warned] of [
    [0o600, false],
    [0o640, true],
    [0o604, true],
  ] as const) {
    writeFileSync(path, "secret");
    chmodSync(path, mode);
    assert.equal((await read("file:open.txt")).open.length > 0, warned, mode.toString(8));
  }
});

test("a command that hangs is ended with all that it began, and so is one that is cancelled", async () => {
  const pids = join(folder, "pids");
  const reference = parseSecretReference(`cmd:sleep 1000 & echo $! $$ > ${pids}; wait; echo secret`, folder);
  const isAlive = (pid: string): boolean => {
    // One that nobody has waited for yet has ended, too.
    return existsSync(`/proc/${pid}`) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  };
  for (const way of ["time", "cancelled"] as const) {
    rmSync(pids, { force: true });
    const stop = new AbortController();
    const reading = readSecret(reference, {
      signal: stop.signal,
      environment: {},
      ...(way === "time" && { commandMs: 500 }),
    });
    const ended = assert.rejects(reading, (error) =>
      way === "time"
        ? isHoldfastError(error, "config-secret") &&
          error.facts["problem"] === "cmd-time" &&
          error.facts["seconds"] === 0.5
        : isHoldfastError(error, "cancelled"),
    );
    await until(() => existsSync(pids) && readFileSync(pids, "latin1").includes("\n"));
    if (way === "cancelled") stop.abort();
    await ended;
    await until(() => !readFileSync(pids, "latin1").trim().split(" ").some(isAlive), 5000);
  }
});

test("says what is wrong with a reference, never what is in it", async () => {
  for (const [text, problem] of [
    ["file:absent.txt", "file-missing"],
    ["file:.", "file-denied"],
    ["env:ABSENT", "env"],
    ["cmd:echo hunter2; exit 3", "cmd"],
    ["systemd:absent", "systemd"],
  ] as const) {
    await assert.rejects(read(text), (error) => {
      assert.ok(isHoldfastError(error, "config-secret"), text);
      assert.equal(error.facts["problem"], problem);
      return !JSON.stringify(error.facts).includes("hunter2");
    });
  }
  assert.throws(
    () => parseSecretReference("hunter2", folder),
    (error) => isHoldfastError(error, "config-secret") && !error.message.includes("hunter2"),
  );
});
