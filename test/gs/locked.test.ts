import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { globSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import type { ProtectReport } from "../../src/repository/protect.ts";
import { storageContract } from "../../src/storage/contract.ts";
import { gsStorage } from "../../src/storage/gs.ts";
import { cliCrm, configText, type JsonRecord } from "../cli/cli-crm.ts";
import { assertSameTrees } from "../support/compare-trees.ts";
import { cuttingProxy } from "../support/cutting-proxy.ts";
import { startGcs } from "../support/gcs-emulator.ts";
import { retentionContract } from "../support/retention-contract.ts";
import { fails, fileOf } from "../support/storage-probes.ts";

/** Retention of objects, versions and classes of Google's storage, on our emulator of it: one server for all. */
const gcs = await startGcs();
after(() => gcs[Symbol.asyncDispose]());
const api = `http://127.0.0.1:${gcs.port}/storage/v1/b`;
const environment = {
  STORAGE_EMULATOR_HOST: `http://127.0.0.1:${gcs.port}`,
  GOOGLE_ACCESS_TOKEN: gcs.token,
  GOOGLE_PROJECT_ID: "a-project",
};
const { signal } = new AbortController();
const lock = { mode: "compliance", days: 10 } as const;
const dayMs = 24 * 3_600_000;
const freshLocation = () => `gs:locked-${randomUUID()}:/a prefix`;
const open = (location: string) => gsStorage(location, environment, { lock });

storageContract("Google Cloud Storage with retention, on an emulator", async () => open(freshLocation()));
retentionContract("Google Cloud Storage", { location: freshLocation, open, momentMs: 30 });

test("a weaker lock than is wanted counts as none, a stronger one as one", async () => {
  const governed = (location: string) => gsStorage(location, environment, { lock: { mode: "governance", days: 10 } });
  for (const [by, wanted, expected] of [
    [governed, open, false],
    [open, governed, true],
    [governed, governed, true],
  ] as const) {
    const storage = by(freshLocation());
    await storage.create(signal);
    const file = fileOf();
    await storage.save(file, Buffer.from("x"), signal);
    const until = await wanted(storage.location).retention?.until(file, signal);
    assert.equal(until !== undefined, expected);
  }
});

test("a bucket that was made without retention is refused", async () => {
  const location = freshLocation();
  await gsStorage(location, environment).create(signal);
  await fails(open(location).create(signal), "storage-lock-unsupported");
});

/** As somebody who has the owner's login. */
async function asOwner(method: string, path: string, body?: object): Promise<{ status: number; answer: JsonRecord }> {
  const response = await fetch(`${api}/${path}`, {
    method,
    headers: { authorization: `Bearer ${gcs.token}` },
    ...(body && { body: JSON.stringify(body) }),
  });
  const said = await response.text();
  return { status: response.status, answer: (said === "" ? {} : JSON.parse(said)) as JsonRecord };
}

function gsCrm(keeping: string) {
  const crm = cliCrm();
  const bucket = `locked-${randomUUID()}`;
  writeFileSync(
    crm.config,
    configText.replace("./backups", `gs:${bucket}:/acme`).replace("timezone", `${keeping}timezone`),
  );
  const run = async (code: number, ...args: string[]) => {
    const ended = await crm.json(args, { environment });
    assert.equal(ended.code, code, `${args.join(" ")}: ${ended.stdout}${ended.stderr}`);
    return ended.records;
  };
  return { crm, bucket, run };
}

const told = (records: readonly JsonRecord[], type: string): JsonRecord =>
  records.find((one) => one.type === type) ?? assert.fail(`no ${type}`);

test("with the owner's login nothing that is locked can be destroyed, and it opens as of before", async () => {
  const { crm, bucket, run } = gsCrm("  lock: { mode: compliance, days: 5 }\n");
  using _scope = crm;
  await run(0, "init", "--yes");
  const proof = told(await run(0, "backup"), "backup")["lock"] as ProtectReport;
  assert.ok(Date.parse(proof.until ?? "") > Date.now() + 5 * dayMs - 60_000, String(proof.until));
  assert.deepEqual(
    proof.proofs.map(({ result }) => result),
    ["refused", "refused", "refused"],
  );
  await wait(30);
  const before = new Date().toISOString();
  await wait(30);
  const { answer } = await asOwner("GET", `${bucket}/o?versions=true`);
  const objects = answer["items"] as readonly { name: string; generation: string; timeDeleted?: string }[];
  assert.equal(objects.length, proof.files, "all is locked, and of lock files nothing is left");
  for (const { name, generation } of objects) {
    const path = `${bucket}/o/${encodeURIComponent(name)}?generation=${generation}`;
    assert.equal((await asOwner("DELETE", path)).status, 403);
    const sooner = { mode: "Locked", retainUntilTime: new Date(Date.now() + dayMs).toISOString() };
    for (const retention of [undefined, sooner, { ...sooner, mode: "Unlocked" }]) {
      const weaker = await asOwner("PATCH", `${path}&overrideUnlockedRetention=true`, { retention });
      assert.equal(weaker.status, 403, JSON.stringify(weaker.answer));
    }
  }
  // So everything is hidden, and the login runs on.
  for (const { name } of objects) {
    assert.equal((await asOwner("DELETE", `${bucket}/o/${encodeURIComponent(name)}`)).status, 204);
  }
  const gone = await crm.run(["snapshots"], { environment });
  assert.notEqual(gone.code, 0);
  const listed = told(await run(0, "snapshots", "--as-of", before), "snapshots");
  assert.equal((listed["snapshots"] as unknown[]).length, 1);
  await run(0, "verify", "--read-data", "--as-of", before);
  const target = join(crm.folder, "../restored");
  const options = ["--target", target, "--as", "replacement", "--as-of", before];
  const plan = (await run(0, "restore", "plan", "latest", ...options)).at(-1);
  await run(0, "restore", "apply", String(plan?.["id"]), "--as-of", before);
  assertSameTrees(join(target, "attachments"), join(crm.folder, "attachments"), ["root"]);
});

test("a lock that does not hold is told, and what could be deleted is put back; what is hidden is freed in time", async () => {
  const { crm, bucket, run } = gsCrm("  lock: { mode: governance, days: 5 }\n");
  using _scope = crm;
  await run(0, "init", "--yes");
  await run(0, "backup");
  gcs.careless.add(bucket);
  writeFileSync(join(crm.folder, "attachments/more.txt"), "more\n");
  // This machine remembers nothing of locks that it set.
  rmSync(join(crm.folder, "../home/state/locked"), { recursive: true });
  const records = await run(3, "backup", "full");
  const report = told(records, "backup")["lock"] as ProtectReport;
  assert.equal(report.until, undefined);
  assert.ok(report.proofs.some(({ result }) => result === "destroyed"));
  assert.match(JSON.stringify(records), /lock-ineffective/);
  await run(0, "verify", "--read-data");
  // Nothing holds what is hidden: a prune frees it at once.
  await run(0, "forget", "--keep-last", "1", "--prune", "--now");
  await run(0, "prune");
  const { answer } = await asOwner("GET", `${bucket}/o?versions=true`);
  const left = answer["items"] as readonly { timeDeleted?: string; retention?: object }[];
  assert.ok(left.every(({ timeDeleted, retention }) => timeDeleted === undefined || retention !== undefined));
});

test("what the proof deleted, and could not put back before the run was over, the next run puts back", async () => {
  const { crm, bucket, run } = gsCrm("  lock: { mode: governance, days: 5 }\n");
  using _scope = crm;
  await run(0, "init", "--yes");
  await run(0, "backup");
  gcs.careless.add(bucket);
  gcs.fullOnceDestroyed.add(bucket);
  rmSync(join(crm.folder, "../home/state/locked"), { recursive: true });
  const failed = await crm.json(["backup", "full"], { environment });
  gcs.fullOnceDestroyed.delete(bucket);
  assert.notEqual(failed.code, 0);
  gcs.full.delete(bucket);
  const report = told(await run(3, "backup"), "backup")["lock"] as ProtectReport;
  assert.equal(report.proofs[0]?.result, "destroyed");
  await run(0, "verify", "--read-data");
  assert.deepEqual(globSync(join(crm.folder, "../home/state/locked/*/*")), []);
});

test("a login that may delete nothing proves nothing, and is not told of as a proof", async () => {
  const { crm, bucket, run } = gsCrm("  lock: { mode: compliance, days: 5 }\n");
  using _scope = crm;
  await run(0, "init", "--yes");
  gcs.keeping.add(bucket);
  const report = told(await run(0, "backup"), "backup")["lock"] as ProtectReport;
  assert.ok(report.until);
  assert.deepEqual(
    report.proofs.map(({ result }) => result),
    ["powerless", "powerless", "powerless"],
  );
  const { stdout } = await crm.run(["backup"], { environment });
  assert.match(stdout, /Not tried on 3, since this login may delete nothing/);
  assert.doesNotMatch(stdout, /Tried by deleting/);
});

test("of a pack that somebody has hidden it is not claimed that it is locked for longer", async () => {
  const { crm, bucket, run } = gsCrm("  lock: { mode: compliance, days: 5 }\n  cold: COLDLINE\n");
  using _scope = crm;
  await run(0, "init", "--yes");
  await run(0, "backup");
  // One that no backup reads.
  const [hidden] = [...gcs.objects(bucket)].find(([, { storageClass }]) => storageClass === "COLDLINE") ?? [];
  assert.equal((await asOwner("DELETE", `${bucket}/o/${encodeURIComponent(hidden ?? "")}`)).status, 204);
  writeFileSync(join(crm.folder, "attachments/more.txt"), "more\n");
  const report = told(await run(3, "backup"), "backup")["lock"] as ProtectReport;
  assert.deepEqual([report.until, report.failed], [undefined, 1]);
});

test("what is deleted by the proof is put back, also when the answer to that is lost", async () => {
  const { crm, bucket, run } = gsCrm("  lock: { mode: governance, days: 5 }\n");
  using _scope = crm;
  await run(0, "init", "--yes");
  gcs.careless.add(bucket);
  const isDelete = (sent: string) => /DELETE [^ ]*%2Fsnapshots%2F[^ ]*generation=/.test(sent);
  await using proxy = await cuttingProxy(gcs.port, { at: isDelete, how: "lost", after: "open" });
  const behind = { ...environment, STORAGE_EMULATOR_HOST: `http://127.0.0.1:${proxy.port}` };
  const { code, records, stderr } = await crm.json(["backup"], { environment: behind });
  assert.equal(proxy.cuts(), 1);
  assert.equal(code, 3, stderr);
  const { proofs } = told(records, "backup")["lock"] as ProtectReport;
  assert.equal(proofs.find(({ path }) => path.startsWith("snapshots/"))?.result, "destroyed");
  assert.equal((told(await run(0, "snapshots"), "snapshots")["snapshots"] as unknown[]).length, 1);
});

test("only the contents of files go to a cold class, which can be read at once", async () => {
  const { crm, bucket, run } = gsCrm("  cold: COLDLINE\n");
  using _scope = crm;
  await run(0, "init", "--yes");
  await run(0, "backup");
  const classes = Map.groupBy(gcs.objects(bucket), ([, { storageClass }]) => storageClass);
  const cold = classes.get("COLDLINE")?.map(([name]) => name) ?? [];
  assert.ok(cold.length === 1 && cold[0]?.startsWith("acme/data/"), cold.join());
  assert.ok((classes.get("STANDARD")?.length ?? 0) >= 5);
  const report = told(await run(0, "verify", "--read-data"), "verify");
  assert.equal(report["coldPacks"] ?? 0, 0, JSON.stringify(report));
});
