import assert from "node:assert/strict";
import {
  chmodSync,
  copyFileSync,
  globSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { knownBy } from "../../src/crm/tryton-install.ts";
import { cliCrm, listIn } from "../cli/cli-crm.ts";
import { configureService, settledJobs, startServing } from "../support/serving.ts";
import { until } from "../support/until.ts";

test("one process runs jobs, shows how it is, and holds nothing while idle", async () => {
  using crm = cliCrm();
  await crm.run(["init", "--yes"]);
  const bare = await crm.run(["status"]);
  assert.equal(bare.code, 1);
  assert.match(bare.stdout, /not protected as planned: acme \(missed\)/);

  const port = await configureService(crm);
  const serving = await startServing(crm, port);
  try {
    assert.equal((await fetch(`http://127.0.0.1:${port}/health`)).status, 503, "no backup yet");
    assert.equal((await crm.run(["serve"])).code, 11);
    assert.equal((await crm.run(["jobs", "start", "backup"])).code, 0);
    const [backup] = await settledJobs(crm);
    assert.deepEqual([backup?.["job"], backup?.["outcome"], backup?.["attempts"]], ["backup", "ok", 1]);
    await reported(crm);
    assert.deepEqual(readdirSync(join(crm.folder, "backups/locks")), []);

    const health = await fetch(`http://127.0.0.1:${port}/health`);
    assert.equal(health.status, 200);
    assert.equal(((await health.json()) as { outcome: string }).outcome, "ok");
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    assert.match(metrics, /^holdfast_rpo_seconds\{crm="acme"\} \d/m);
    assert.equal((await fetch(`http://127.0.0.1:${port}/etc`)).status, 404);
    assert.equal((await fetch(`http://127.0.0.1:${port}/metrics`, { method: "POST" })).status, 405);

    const { records } = await crm.json(["status"]);
    assert.deepEqual([records[0]?.["service"], records[0]?.["outcome"]], ["running", "ok"]);
    assert.equal((await crm.run(["jobs", "cancel", "nosuch"])).code, 4);
  } finally {
    assert.equal(await serving.end("SIGTERM"), 0);
  }
  // Its memory is lost: the repository knows all the same.
  rmSync(join(crm.folder, "../home/state/service"), { recursive: true });
  const after = await crm.run(["status"]);
  assert.equal(after.code, 0, after.stderr);
  assert.match(
    after.stdout,
    /^The CRM is backed up; its newest recovery point is .* old\. No restore drill was run yet\./,
  );
  const again = await startServing(crm, port);
  try {
    const jobs = await settledJobs(crm);
    assert.deepEqual(
      jobs.map(({ job }) => job),
      ["backup"],
    );
  } finally {
    await again.end("SIGTERM");
  }
});

test("damage that a verification finds is told at once, not after three more of them", async (t) => {
  using crm = cliCrm();
  await crm.run(["init", "--yes"]);
  assert.equal((await crm.run(["backup"])).code, 0);
  for (const pack of globSync(join(crm.folder, "backups/data/*/*"))) rmSync(pack);
  const port = await configureService(crm);
  const serving = await startServing(crm, port);
  t.after(() => serving.child.kill("SIGKILL"));
  await crm.run(["jobs", "start", "verify"]);
  const [verify] = await settledJobs(crm);
  assert.deepEqual([verify?.["outcome"], verify?.["attempts"]], ["failed", 1]);
  assert.equal(await serving.end("SIGTERM"), 0);
});

test("a command that could not give the password is asked again, a file that is not there is not", async (t) => {
  using crm = cliCrm();
  await crm.run(["init", "--yes"]);
  const port = await configureService(crm);
  const written = readFileSync(crm.config, "utf8");
  const withPassword = (reference: string): void =>
    writeFileSync(crm.config, written.replace(/password: .*/, `password: '${reference}'`));
  const up = join(crm.folder, "up");
  withPassword("cmd:[ -e up ] && cat password.txt");
  writeFileSync(up, "");
  const serving = await startServing(crm, port);
  t.after(() => serving.child.kill("SIGKILL"));
  rmSync(up);
  await crm.run(["jobs", "start", "backup"]);
  await triedInVain(crm);
  writeFileSync(up, "");
  const [backup] = await settledJobs(crm);
  assert.equal(backup?.["outcome"], "ok", JSON.stringify(backup));
  assert.ok(Number(backup?.["attempts"]) > 1);
  assert.equal(await serving.end("SIGTERM"), 0);

  withPassword("file:secret.txt");
  const file = join(crm.folder, "secret.txt");
  copyFileSync(join(crm.folder, "password.txt"), file);
  const another = await startServing(crm, port);
  t.after(() => another.child.kill("SIGKILL"));
  rmSync(file);
  await crm.run(["jobs", "start", "backup"]);
  const [failed] = await settledJobs(crm);
  assert.deepEqual([failed?.["outcome"], failed?.["attempts"]], ["failed", 1]);
  // A list that says "failed" says why.
  const id = String(failed?.["id"]).slice(0, 8);
  assert.match((await crm.run(["jobs", "list"])).stdout, new RegExp(`^${id}: The password file is not there: /`, "m"));
  assert.equal(await another.end("SIGTERM"), 0);
});

test("a CRM's own configuration that cannot be read for a while is asked for again", async (t) => {
  using crm = cliCrm();
  await crm.run(["init", "--yes"]);
  const settings = join(crm.folder, "trytond.conf");
  const database = join(crm.folder, "acme.sqlite");
  renameSync(crm.database, database);
  {
    // By these Tryton knows its databases.
    using open = new DatabaseSync(database);
    for (const table of knownBy) open.exec(`CREATE TABLE ${table} (id INTEGER PRIMARY KEY)`);
  }
  writeFileSync(settings, `[database]\nuri = sqlite://\npath = ${crm.folder}\n`);
  const written = readFileSync(crm.config, "utf8").replace(/ {2}files:.*\n/, "  configuration: ./trytond.conf\n");
  writeFileSync(crm.config, written.replace("platform: custom\n  database: sqlite:./crm.db", "platform: tryton"));
  const port = await configureService(crm);
  const serving = await startServing(crm, port);
  t.after(() => serving.child.kill("SIGKILL"));
  renameSync(settings, `${settings}.new`);
  await crm.run(["jobs", "start", "backup"]);
  await triedInVain(crm);
  renameSync(`${settings}.new`, settings);
  const [backup] = await settledJobs(crm);
  assert.match(String(backup?.["outcome"]), /^(?:ok|warning)$/, JSON.stringify(backup));
  assert.ok(Number(backup?.["attempts"]) > 1);
  assert.equal(await serving.end("SIGTERM"), 0);
});

test("what a copy warns of makes it end with a warning", async (t) => {
  using crm = cliCrm();
  writeFileSync(join(crm.folder, "offsite.txt"), "another\n", { mode: 0o600 });
  await crm.run(["init", "--yes"]);
  assert.equal((await crm.run(["backup"])).code, 0);
  const port = await configureService(
    crm,
    "copies: [{ name: offsite, location: ../offsite, password: 'file:offsite.txt' }]\n",
  );
  assert.equal((await crm.run(["copy", "--create"])).code, 0);
  const [snapshot = ""] = globSync(join(crm.folder, "backups/snapshots/*"));
  chmodSync(snapshot, 0o600);
  writeFileSync(snapshot, readFileSync(snapshot).fill(0, 20, 30));
  const serving = await startServing(crm, port);
  t.after(() => serving.child.kill("SIGKILL"));
  await crm.run(["jobs", "start", "copy"]);
  const [copy] = await settledJobs(crm);
  assert.deepEqual([copy?.["job"], copy?.["outcome"]], ["copy", "warning"]);
  assert.match(JSON.stringify(copy), /snapshot-unreadable/);
  assert.equal(await serving.end("SIGTERM"), 0);
});

/** The report of a run follows it into the repository. */
async function reported(crm: ReturnType<typeof cliCrm>): Promise<void> {
  for (let round = 0; round < 60; round++) {
    if (readdirSync(join(crm.folder, "backups/snapshots")).length >= 2) return sleep(1000);
    await sleep(500);
  }
  throw new Error("no report");
}

/** Waits until the newest job has ended an attempt. On a machine with much to do there may be several before anybody looks. */
async function triedInVain(crm: ReturnType<typeof cliCrm>): Promise<void> {
  await until(async () => {
    const { attempts, state } = listIn(await crm.json(["jobs", "list"]), "jobs")[0] ?? {};
    return Number(attempts) >= 1 && state !== "running";
  });
}
