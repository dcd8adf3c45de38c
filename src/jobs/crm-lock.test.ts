import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isHoldfastError } from "../lib/errors.ts";
import type { Event } from "../lib/events.ts";
import { type CrmLockRequest, lockCrm } from "./crm-lock.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-lock-"));
after(() => rmSync(folder, { recursive: true }));

const request = (part: Partial<CrmLockRequest> = {}): CrmLockRequest => ({
  crm: "acme",
  location: "/backups",
  job: "backup",
  waitMs: 0,
  folders: [folder],
  ...part,
});

function run(report: (event: Event) => void = () => {}, signal = new AbortController().signal) {
  return { signal, now: () => new Date(), report };
}

test("keeps a second run of the same CRM out, and says whose the first is", async () => {
  {
    await using _held = await lockCrm(request(), run());
    await assert.rejects(lockCrm(request({ job: "restore" }), run()), (error) => {
      assert.ok(isHoldfastError(error, "backup-running"));
      assert.deepEqual([error.facts["crm"], error.facts["pid"], error.facts["job"]], ["acme", process.pid, "backup"]);
      return typeof error.facts["user"] === "string" && typeof error.facts["since"] === "string";
    });
    await using _other = await lockCrm(request({ crm: "other" }), run());
  }
  assert.deepEqual(readdirSync(folder), []);
  await using _again = await lockCrm(request(), run());
});

test("a repository that is reached by a link is the same one", async () => {
  const at = mkdtempSync(join(tmpdir(), "holdfast-linked-"));
  mkdirSync(join(at, "backups"));
  symlinkSync("backups", join(at, "link"));
  {
    await using _held = await lockCrm(request({ location: join(at, "backups") }), run());
    const linked = lockCrm(request({ location: join(at, "link") }), run());
    await assert.rejects(linked, (error) => isHoldfastError(error, "backup-running"));
  }
  rmSync(at, { recursive: true });
});

test("waits until the other is done, and says so once", async () => {
  const held = await lockCrm(request(), run());
  const told: Event[] = [];
  const waiting = lockCrm(
    request({ waitMs: 10_000 }),
    run((event) => told.push(event)),
  );
  setTimeout(() => void held[Symbol.asyncDispose](), 450);
  await using _lock = await waiting;
  assert.deepEqual(
    told.map((event) => event.type === "note" && event.code),
    ["waiting-for-lock"],
  );
});

test("ends waiting when it is cancelled", async () => {
  await using _held = await lockCrm(request(), run());
  const controller = new AbortController();
  const waiting = lockCrm(request({ waitMs: 10_000 }), run(undefined, controller.signal));
  controller.abort();
  await assert.rejects(waiting, { name: "AbortError" });
});

test("is free again when its holder is killed", async () => {
  const script = `
    import { lockCrm } from ${JSON.stringify(new URL("./crm-lock.ts", import.meta.url).href)};
    const run = { signal: new AbortController().signal, now: () => new Date(), report: () => {} };
    await lockCrm(${JSON.stringify(request())}, run);
    console.log("held");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  await assert.rejects(
    lockCrm(request(), run()),
    (error) => isHoldfastError(error, "backup-running") && error.facts["pid"] === child.pid,
  );
  child.kill("SIGKILL");
  await once(child, "close");
  await using _lock = await lockCrm(request(), run());
});

test("falls back to a folder that can be written", async () => {
  const missing = join(folder, "missing");
  await using _lock = await lockCrm(request({ crm: "fallback", folders: [missing, folder] }), run());
  assert.ok(!existsSync(missing));
  await assert.rejects(lockCrm(request({ folders: [missing] }), run()), (error) =>
    isHoldfastError(error, "state-unwritable"),
  );
});
