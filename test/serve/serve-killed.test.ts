import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { JobStore } from "../../src/jobs/store.ts";
import { type CliCrm, cliCrm, type JsonRecord } from "../cli/cli-crm.ts";
import { configureService, settledJobs, startServing } from "../support/serving.ts";

// Before the swap's first rename, and after its last.
for (const moment of ["renameat2 1", "syncfs 2"]) {
  test(`a swap that ended with the service (${moment}) is finished by the next one, and backups go on`, async (t) => {
    using crm = cliCrm();
    const port = await withRestore(crm);
    const killed = await startServing(crm, port, moment);
    if (killed.child.signalCode === null) await once(killed.child, "close");
    assert.equal(killed.child.signalCode, "SIGKILL");
    await crm.run(["jobs", "start", "backup"]);
    const serving = await startServing(crm, port);
    t.after(() => serving.child.kill("SIGKILL"));
    const jobs = await settledJobs(crm);
    assert.equal(outcomeOf(jobs, "restore"), "ok 2");
    assert.equal(outcomeOf(jobs, "backup"), "ok 1", "the restore was finished before it");
    assert.ok(existsSync(join(crm.folder, "attachments/notes.txt")));
    assert.equal(await serving.end("SIGTERM"), 0);
  });
}

test("a restore that ended with the service before its swap is not begun again, and backups go on", async (t) => {
  using crm = cliCrm();
  const port = await withRestore(crm);
  const killed = await startServing(crm, port, "syncfs 1");
  if (killed.child.signalCode === null) await once(killed.child, "close");
  await crm.run(["jobs", "start", "backup"]);
  const serving = await startServing(crm, port);
  t.after(() => serving.child.kill("SIGKILL"));
  const jobs = await settledJobs(crm);
  assert.equal(outcomeOf(jobs, "restore"), "failed 1 interrupted");
  assert.equal(outcomeOf(jobs, "backup"), "ok 1");
  assert.ok(!existsSync(join(crm.folder, "attachments/notes.txt")));
  assert.equal(await serving.end("SIGTERM"), 0);
});

test("a restore that was swapped in when the service ended, and not booked, is done", async (t) => {
  using crm = cliCrm();
  const port = await withRestore(crm);
  const place = join(dirname(crm.folder), "home/state/service");
  const file = readdirSync(place).find((name) => name.endsWith(".sqlite")) ?? "";
  {
    using store = new JobStore(join(place, file));
    const [run] = store.open();
    assert.ok(run);
    assert.equal((await crm.run(["restore", "apply", String(run.input["plan"])])).code, 0);
    store.update({ ...run, state: "running", attempts: 1 });
  }
  const serving = await startServing(crm, port);
  t.after(() => serving.child.kill("SIGKILL"));
  assert.equal(outcomeOf(await settledJobs(crm), "restore"), "ok 2");
  assert.ok(existsSync(join(crm.folder, "attachments/notes.txt")));
  assert.equal((await crm.run(["restore", "undo"])).code, 0);
  assert.ok(!existsSync(join(crm.folder, "attachments/notes.txt")));
  assert.equal(await serving.end("SIGTERM"), 0);
});

/** A backup, a file that is lost after it, and a restore of that which waits for the service. */
async function withRestore(crm: CliCrm): Promise<number> {
  await crm.run(["init", "--yes"]);
  assert.equal((await crm.run(["backup"])).code, 0);
  rmSync(join(crm.folder, "attachments/notes.txt"));
  const port = await configureService(crm);
  const planned = await crm.json(["restore", "plan", "latest", "/files/attachments"]);
  const plan = planned.records.find(({ type }) => type === "restore-plan" || type === "plan");
  assert.equal((await crm.run(["jobs", "start", "restore", "--plan", String(plan?.["id"])])).code, 0);
  return port;
}

function outcomeOf(jobs: readonly JsonRecord[], wanted: string): string {
  const run = jobs.find(({ job }) => job === wanted);
  const error = run?.["error"] as { readonly code: string } | undefined;
  return [run?.["outcome"], run?.["attempts"], ...(error ? [error.code] : [])].join(" ");
}
