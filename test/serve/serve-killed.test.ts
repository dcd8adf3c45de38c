import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
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
