import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { appendFileSync, existsSync, globSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type CliCrm, cliCrm, type JsonRecord, listIn, password } from "../cli/cli-crm.ts";
import { resticOn } from "../support/restic.ts";
import { configureService, settledJobs, startServing } from "../support/serving.ts";
import { until } from "../support/until.ts";
import { webHook } from "../support/web-hook.ts";

test("a job that runs or waits is cancelled from another process: no alert, no retry, nothing held or half done", async (t) => {
  using crm = cliCrm();
  using web = await webHook();
  await crm.run(["init", "--yes"]);
  const large = randomBytes(6_000_000);
  writeFileSync(join(crm.folder, "attachments/large.bin"), large);
  writeFileSync(join(crm.folder, "hook.txt"), `${web.url}\n`, { mode: 0o600 });
  const schedules = "  schedules: [{job: verify, after: backup}]\n";
  const port = await configureService(crm, schedules);
  appendFileSync(crm.config, 'alerts:\n  routes:\n    - {name: hook, kind: webhook, url: "file:./hook.txt"}\n');
  const quick = readFileSync(crm.config, "utf8");
  /** So slow that what is cancelled would not end for an hour. */
  const slow = `${quick}limits: {read: 1KB/s, write: 1KB/s}\n`;

  const serving = async (config: string, work: () => Promise<void>) => {
    writeFileSync(crm.config, config);
    const service = await startServing(crm, port);
    t.after(() => service.child.kill("SIGKILL"));
    await work();
    assert.equal(await service.end("SIGTERM"), 0);
  };

  await serving(slow, async () => {
    await crm.run(["jobs", "start", "backup"]);
    const backup = await jobThat(crm, (job) => job["job"] === "backup" && job["progress"] !== undefined);
    await crm.run(["jobs", "start", "prune"]);
    const prune = await jobThat(crm, ({ job, state }) => job === "prune" && state === "queued");
    const waiting = await crm.run(["jobs", "cancel", String(prune["id"])]);
    assert.match(waiting.stdout, /^Prune is being ended: job /);
    await jobThat(crm, ({ job, outcome }) => job === "prune" && outcome === "cancelled");
    assert.equal((await jobThat(crm, ({ job }) => job === "backup"))["state"], "running");

    assert.equal((await crm.run(["jobs", "cancel", String(backup["id"]).slice(0, 8)])).code, 0);
    const ended = await settledJobs(crm);
    assert.equal(ended.length, 2);
    assert.deepEqual(
      new Map(ended.map(({ job, outcome, attempts, error }) => [job, [outcome, attempts, error]])),
      new Map([
        ["backup", ["cancelled", 1, undefined]],
        ["prune", ["cancelled", 0, undefined]],
      ]),
      "nothing is tried again, and nothing follows it",
    );
    const late = await crm.run(["jobs", "cancel", String(backup["id"])]);
    assert.equal(late.code, 4);
    assert.match(late.stdout, /^Backup of acme had ended already/);
    await withoutLocks(crm);
  });
  await resticOn(join(crm.folder, "backups"), password).check();

  await serving(quick, async () => {
    await crm.run(["jobs", "start", "backup"]);
    await jobThat(crm, ({ job, outcome }) => job === "verify" && outcome === "ok");
  });

  const { records } = await crm.json(["restore", "plan", "latest", "--target", "copy", "--as", "replacement"]);
  const plan = String(records[0]?.["id"]);
  await serving(slow, async () => {
    const started = await crm.run(["jobs", "start", "restore", "--plan", plan]);
    assert.equal(started.code, 0, started.stderr);
    const restore = await jobThat(crm, (job) => job["job"] === "restore" && job["progress"] !== undefined);
    await crm.run(["jobs", "cancel", String(restore["id"])]);
    await jobThat(crm, ({ job, outcome }) => job === "restore" && outcome === "cancelled");
    assert.equal(existsSync(join(crm.folder, "copy")), false, "nor is the folder there that it had made");
    await withoutLocks(crm);
  });
  assert.deepEqual(web.calls, [], "what is cancelled by hand is nobody's news");

  // As after Ctrl-C: the same plan goes on by hand.
  writeFileSync(crm.config, quick);
  const applied = await crm.run(["restore", "apply", plan]);
  assert.equal(applied.code, 0, applied.stderr);
  assert.ok(readFileSync(join(crm.folder, "copy/attachments/large.bin")).equals(large));
});

test("a prune that is cancelled while it writes packs anew has changed nothing that counts, and the next one does it all", async (t) => {
  using crm = cliCrm();
  await crm.run(["init", "--yes"]);
  const kept = randomBytes(400_000);
  writeFileSync(join(crm.folder, "attachments/kept.bin"), kept);
  writeFileSync(join(crm.folder, "attachments/gone.bin"), randomBytes(400_000));
  await crm.run(["backup"]);
  rmSync(join(crm.folder, "attachments/gone.bin"));
  await crm.run(["backup", "full"]);
  const forgotten = await crm.run(["forget", "--keep-last", "1"]);
  assert.equal(forgotten.code, 0, forgotten.stderr);

  const port = await configureService(crm);
  const quick = readFileSync(crm.config, "utf8");
  const restic = resticOn(join(crm.folder, "backups"), password);
  const prune = async (config: string, work: () => Promise<void>) => {
    writeFileSync(crm.config, config);
    const service = await startServing(crm, port);
    t.after(() => service.child.kill("SIGKILL"));
    await crm.run(["jobs", "start", "prune"]);
    await work();
    await withoutLocks(crm);
    assert.equal(await service.end("SIGTERM"), 0);
    await restic.check();
  };
  const unused = async (): Promise<number> => {
    const { records } = await crm.json(["verify", "--read-data"]);
    const report = records.at(-1);
    assert.deepEqual([report?.type, report?.["defects"]], ["verify", []]);
    return Number(report?.["unusedBlobs"]);
  };
  const before = await unused();
  assert.ok(before > 1, "nothing to prune");

  // What it has to write would take it several minutes.
  await prune(`${quick}limits: {write: 1KB/s}\n`, async () => {
    const running = await jobThat(crm, ({ progress }) => (progress as JsonRecord | undefined)?.["phase"] === "prune");
    await crm.run(["jobs", "cancel", String(running["id"])]);
    const [job] = await settledJobs(crm);
    assert.deepEqual([job?.["outcome"], job?.["attempts"], job?.["error"]], ["cancelled", 1, undefined]);
  });
  assert.equal(await unused(), before);

  await prune(quick, async () => {
    const done = await jobThat(crm, ({ outcome }) => outcome === "ok");
    assert.ok(Number((done["facts"] as JsonRecord | undefined)?.["markedBytes"]) > 400_000, JSON.stringify(done));
  });
  assert.ok((await unused()) < before, "a little waste may stay");
  const [point] = listIn(await crm.json(["snapshots"]), "snapshots");
  await restic.restore(String(point?.["id"]), join(crm.folder, "copy"));
  const [restored = ""] = globSync("copy/**/kept.bin", { cwd: crm.folder });
  assert.ok(readFileSync(join(crm.folder, restored)).equals(kept));
});

async function jobThat(crm: CliCrm, is: (job: JsonRecord) => boolean): Promise<JsonRecord> {
  for (const end = performance.now() + 60_000; ; await sleep(300)) {
    const jobs = listIn(await crm.json(["jobs", "list"]), "jobs") as readonly JsonRecord[];
    const found = jobs.find(is);
    if (found !== undefined) return found;
    assert.ok(performance.now() < end, `no such job: ${JSON.stringify(jobs)}`);
  }
}

/** A moment after a job ended, its report is written, under a lock too. */
async function withoutLocks({ folder }: CliCrm): Promise<void> {
  await until(() => readdirSync(join(folder, "backups/locks")).length === 0);
}
