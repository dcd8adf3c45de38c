import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  GetObjectRetentionCommand,
  ListObjectVersionsCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  PutObjectRetentionCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import type { ProtectReport } from "../../src/repository/protect.ts";
import { storageContract } from "../../src/storage/contract.ts";
import { s3Storage } from "../../src/storage/s3.ts";
import { cliCrm, configText, type JsonRecord, password } from "../cli/cli-crm.ts";
import { startCeph } from "../support/ceph-server.ts";
import { assertSameTrees } from "../support/compare-trees.ts";
import { codeBlocks, holdfastCommands } from "../support/doc-commands.ts";
import { resticOn } from "../support/restic.ts";
import { retentionContract } from "../support/retention-contract.ts";

/** Object Lock on Ceph's gateway: one server for all. */
const ceph = await startCeph();
after(() => ceph[Symbol.asyncDispose]());
const settings = { ...ceph.environment, AWS_REGION: "us-east-1", AWS_EC2_METADATA_DISABLED: "true" };
Object.assign(process.env, settings);

const freshLocation = () => `s3:${ceph.endpoint}/locked-${randomUUID()}/prefix`;
const lock = { mode: "compliance", days: 10 } as const;
const dayMs = 24 * 3_600_000;

storageContract("S3 with Object Lock, on Ceph", async () => s3Storage(freshLocation(), process.env, { lock }));

retentionContract("S3", {
  location: freshLocation,
  open: (location) => s3Storage(location, process.env, { lock }),
  momentMs: 1100,
});

/** What a command told under a key of one of its records. */
function told(records: readonly JsonRecord[], type: string, key: string): unknown {
  const record = records.find((one) => one.type === type) ?? assert.fail(`no ${type}`);
  return record[key];
}

/** A CRM whose configuration locks what is stored, on a bucket of its own. */
function lockedCrm(mode: "compliance" | "governance") {
  const crm = cliCrm();
  const bucket = `locked-${randomUUID()}`;
  const location = `s3:${ceph.endpoint}/${bucket}/acme`;
  const text = configText
    .replace("./backups", location)
    .replace("timezone", `  lock: { mode: ${mode}, days: 5 }\ntimezone`);
  writeFileSync(crm.config, text);
  const environment = { ...settings };
  const run = async (...args: string[]) => {
    const ended = await crm.json(args, { environment });
    assert.equal(ended.code, 0, `${args.join(" ")}: ${ended.stderr}`);
    return ended.records;
  };
  return { crm, bucket, run, environment };
}

const root = new S3Client({ endpoint: ceph.endpoint, region: "us-east-1", forcePathStyle: true });
after(() => root.destroy());

async function versions(bucket: string) {
  const { Versions = [], DeleteMarkers = [] } = await root.send(
    new ListObjectVersionsCommand({ Bucket: bucket, MaxKeys: 1000 }),
  );
  return { files: Versions, markers: DeleteMarkers };
}

test("with the owner's own key nothing that is locked can be destroyed, and it opens as of before", async () => {
  const { crm, bucket, run, environment } = lockedCrm("compliance");
  using _scope = crm;
  await run("init", "--yes");
  const proof = told(await run("backup"), "backup", "lock") as ProtectReport & { until: string };
  assert.ok(Date.parse(proof.until) > Date.now() + 5 * dayMs - 60_000, proof.until);
  assert.deepEqual(
    proof.proofs.map(({ result }) => result),
    ["refused", "refused", "refused"],
  );
  await wait(1100);
  const before = new Date().toISOString();
  await wait(1100);

  // The attacker has the owner's key: no version can go, no date can come earlier, no mode can be left.
  const { files } = await versions(bucket);
  const locked = files.filter(({ Key = "" }) => !Key.includes("/locks/"));
  assert.equal(locked.length, files.length, "of locks nothing is left");
  assert.equal(locked.length, proof.files);
  for (const { Key, VersionId } of locked) {
    const one = { Bucket: bucket, Key, VersionId };
    await assert.rejects(root.send(new DeleteObjectCommand(one)), { name: "AccessDenied" });
    const Retention = { Mode: "COMPLIANCE" as const, RetainUntilDate: new Date(Date.now() + dayMs) };
    await assert.rejects(root.send(new PutObjectRetentionCommand({ ...one, Retention })));
    await assert.rejects(root.send(new DeleteObjectCommand({ ...one, BypassGovernanceRetention: true })));
  }
  // So everything is hidden, and something else is put over what counts.
  for (const { Key } of locked) await root.send(new DeleteObjectCommand({ Bucket: bucket, Key }));
  await root.send(new PutObjectCommand({ Bucket: bucket, Key: "acme/config", Body: "encrypted by us, pay here" }));
  const gone = await crm.run(["snapshots"], { environment });
  assert.notEqual(gone.code, 0);
  assert.equal((told(await run("snapshots", "--as-of", before), "snapshots", "snapshots") as unknown[]).length, 1);
  await run("verify", "--read-data", "--as-of", before);
  const target = join(crm.folder, "../restored");
  const plan = (
    await run("restore", "plan", "latest", "--target", target, "--as", "replacement", "--as-of", before)
  ).at(-1);
  await run("restore", "apply", String(plan?.["id"]), "--as-of", before);
  assertSameTrees(join(target, "attachments"), join(crm.folder, "attachments"), ["root"]);
  // Into a repository of its own, to go on with.
  writeFileSync(join(crm.folder, "new.txt"), "another\n", { mode: 0o600 });
  await run("copy", "--as-of", before, "--to", "../saved", "--to-password-file", "new.txt", "--create");
  await resticOn(join(crm.folder, "../saved"), "another").check();
  // Nothing can be written into the past.
  const refused = await crm.run(["backup", "--as-of", before], { environment });
  assert.equal(refused.code, 2, refused.stderr);
  assert.match(refused.stderr, /only for reading/);
});

test("forget and prune say until when, locks are extended for what is needed, and a lock that does not hold is told", async () => {
  const { crm, bucket, run } = lockedCrm("governance");
  using _scope = crm;
  await run("init", "--yes");
  await run("backup");
  writeFileSync(join(crm.folder, "attachments/more.txt"), "more\n");
  using database = new DatabaseSync(crm.database);
  database.exec("DELETE FROM contacts WHERE id = 1; DELETE FROM contacts WHERE id = 3");
  const second = told(await run("backup", "full"), "backup", "lock") as ProtectReport;
  assert.equal(second.extended, 0, "nothing needs it yet");
  // Some time goes by: as if the locks had been set for a day only, of which this machine remembers nothing.
  rmSync(join(crm.folder, "../home/state/locked"), { recursive: true });
  const old = await versions(bucket);
  const Retention = { Mode: "GOVERNANCE" as const, RetainUntilDate: new Date(Date.now() + dayMs) };
  for (const { Key, VersionId } of old.files) {
    const one = { Bucket: bucket, Key, VersionId, Retention, BypassGovernanceRetention: true };
    await root.send(new PutObjectRetentionCommand(one));
  }
  for (const { Key, VersionId } of old.files) {
    await assert.rejects(root.send(new DeleteObjectCommand({ Bucket: bucket, Key, VersionId })), {
      name: "AccessDenied",
    });
  }
  const lockedUntil = told(await run("forget", "--keep-last", "1"), "forget", "lockedUntil") as string;
  assert.equal(lockedUntil.slice(0, 10), Retention.RetainUntilDate.toISOString().slice(0, 10));
  const { locked } = told(await run("prune", "--now"), "prune", "result") as {
    locked: { files: number; until: string };
  };
  assert.ok(locked.files >= 2 && Date.parse(locked.until) > Date.now(), JSON.stringify(locked));
  const third = told(await run("backup"), "backup", "lock") as ProtectReport;
  assert.ok(third.extended > 0 && third.extended < third.files, JSON.stringify(third));
  for (const { Key, VersionId, IsLatest } of (await versions(bucket)).files) {
    const { Retention: now } = await root.send(new GetObjectRetentionCommand({ Bucket: bucket, Key, VersionId }));
    const days = ((now?.RetainUntilDate?.getTime() ?? 0) - Date.now()) / dayMs;
    // What was hidden is left to the lock that it had.
    assert.ok(IsLatest ? days > 4.9 : days < 1.1 || days > 4.9, `${Key} ${days}`);
  }
  // When the time of what is hidden is over, a prune frees it.
  for (const { Key, VersionId, IsLatest } of (await versions(bucket)).files) {
    if (IsLatest) continue;
    const soon = { Mode: "GOVERNANCE" as const, RetainUntilDate: new Date(Date.now() + 1500) };
    await root.send(
      new PutObjectRetentionCommand({
        Bucket: bucket,
        Key,
        VersionId,
        Retention: soon,
        BypassGovernanceRetention: true,
      }),
    );
  }
  await wait(2500);
  assert.ok((told(await run("prune"), "prune", "unlocked") as { files: number }).files > 0);
  const left = await versions(bucket);
  assert.deepEqual(
    left.files.filter(({ IsLatest }) => IsLatest !== true),
    [],
  );
  assert.deepEqual(left.markers, []);
  await run("verify", "--read-data");
  await resticOn(`s3:${ceph.endpoint}/${bucket}/acme`, password).check();
});

test("a pack over which somebody put something else is told of, and what it was stays locked as long as it is needed", async () => {
  const { crm, bucket, run, environment } = lockedCrm("governance");
  using _scope = crm;
  await run("init", "--yes");
  await run("backup");
  const packs = (await versions(bucket)).files
    .filter(({ Key = "" }) => Key.includes("/data/"))
    .toSorted((a, b) => (b.Size ?? 0) - (a.Size ?? 0));
  const [largest] = packs;
  assert.ok(largest?.Key);
  const before = new Date().toISOString();
  await wait(1100);
  const Body = Buffer.alloc(largest.Size ?? 0);
  const put = { Bucket: bucket, Key: largest.Key };
  const ten = new Date(Date.now() + 3650 * dayMs);
  await root.send(new PutObjectCommand({ ...put, Body, ObjectLockMode: "COMPLIANCE", ObjectLockRetainUntilDate: ten }));
  // The lock of what was there before is nearly over, and this machine does not know it.
  const Retention = { Mode: "GOVERNANCE" as const, RetainUntilDate: new Date(Date.now() + dayMs) };
  const good = { ...put, VersionId: largest.VersionId };
  await root.send(new PutObjectRetentionCommand({ ...good, Retention, BypassGovernanceRetention: true }));
  const { code, records, stderr } = await crm.json(["backup"], { environment });
  assert.equal(code, 3, stderr);
  const { replaced } = told(records, "backup", "lock") as ProtectReport;
  assert.deepEqual(replaced, [largest.Key.slice("acme/".length)]);
  const warnings = told(records, "backup", "warnings") as readonly { readonly code: string }[];
  assert.ok(warnings.some((one) => one.code === "lock-replaced"));
  const { Retention: now } = await root.send(new GetObjectRetentionCommand(good));
  assert.ok((now?.RetainUntilDate?.getTime() ?? 0) > Date.now() + 4.9 * dayMs);
  const damaged = await crm.run(["verify", "--read-data"], { environment });
  assert.notEqual(damaged.code, 0);
  await run("verify", "--read-data", "--as-of", before);
});

test("what this machine remembers of locks counts for the place and the kind of lock that it was learned of", async () => {
  const { crm, bucket, run, environment } = lockedCrm("governance");
  using _scope = crm;
  await run("init", "--yes");
  await run("backup");
  const use = (change: (text: string) => string) => writeFileSync(crm.config, change(readFileSync(crm.config, "utf8")));
  // The same files elsewhere, brought there by another program.
  const moved = `locked-${randomUUID()}`;
  await root.send(new CreateBucketCommand({ Bucket: moved, ObjectLockEnabledForBucket: true }));
  for (const { Key = "" } of (await versions(bucket)).files) {
    const { Body = assert.fail() } = await root.send(new GetObjectCommand({ Bucket: bucket, Key }));
    await root.send(new PutObjectCommand({ Bucket: moved, Key, Body: await Body.transformToByteArray() }));
  }
  use((text) => text.replace(bucket, moved));
  const there = told(await run("backup"), "backup", "lock") as ProtectReport;
  assert.ok(there.until !== undefined && there.extended > 0, JSON.stringify(there));
  for (const { Key, VersionId } of (await versions(moved)).files) {
    const { Retention } = await root.send(new GetObjectRetentionCommand({ Bucket: moved, Key, VersionId }));
    assert.equal(Retention?.Mode, "GOVERNANCE", String(Key));
  }
  // Ceph makes a lock stricter only for who may bypass it: then it is not claimed.
  use((text) => text.replace("governance", "compliance"));
  const { code, records, stderr } = await crm.json(["backup"], { environment });
  assert.equal(code, 3, stderr);
  const stricter = told(records, "backup", "lock") as ProtectReport;
  assert.ok(stricter.until === undefined && stricter.failed > 0, JSON.stringify(stricter));
});

test("a key that may only add suffices for a backup, and cannot destroy or hide", async () => {
  const { crm, bucket, run } = lockedCrm("compliance");
  using _scope = crm;
  await run("init", "--yes");
  await ceph.admin("user", "create", "--uid=adder", "--display-name=a", "--access-key=ADDER", "--secret-key=adder");
  const Principal = { AWS: ["arn:aws:iam:::user/adder"] };
  const allow = (Action: readonly string[], Resource: string) => ({ Effect: "Allow", Principal, Action, Resource });
  const policy = {
    Version: "2012-10-17",
    Statement: [
      allow(["s3:ListBucket", "s3:GetBucketObjectLockConfiguration"], `arn:aws:s3:::${bucket}`),
      allow(
        ["s3:GetObject", "s3:PutObject", "s3:GetObjectRetention", "s3:PutObjectRetention"],
        `arn:aws:s3:::${bucket}/*`,
      ),
      allow(["s3:DeleteObject"], `arn:aws:s3:::${bucket}/acme/locks/*`),
    ],
  };
  await root.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: JSON.stringify(policy) }));
  const environment = { ...settings, AWS_ACCESS_KEY_ID: "ADDER", AWS_SECRET_ACCESS_KEY: "adder" };
  for (const kind of ["full", "incremental"]) {
    const { code, records, stderr } = await crm.json(["backup", kind], { environment });
    assert.equal(code, 0, stderr);
    const { until, proofs } = told(records, "backup", "lock") as ProtectReport;
    // The storage says so; that this login may not delete says nothing of it.
    assert.ok(until !== undefined);
    assert.deepEqual(new Set(proofs.map(({ result }) => result)), new Set(["powerless"]));
    writeFileSync(join(crm.folder, "attachments/more.txt"), "more\n");
  }
  const credentials = { accessKeyId: "ADDER", secretAccessKey: "adder" };
  const adder = new S3Client({ endpoint: ceph.endpoint, region: "us-east-1", forcePathStyle: true, credentials });
  const before = await versions(bucket);
  for (const { Key, VersionId } of before.files) {
    await assert.rejects(adder.send(new DeleteObjectCommand({ Bucket: bucket, Key, VersionId })));
    if (Key?.includes("/locks/") !== true) {
      await assert.rejects(adder.send(new DeleteObjectCommand({ Bucket: bucket, Key })), { name: "AccessDenied" });
    }
  }
  adder.destroy();
  for (const args of [
    ["forget", "--keep-last", "1"],
    ["prune", "--now"],
  ]) {
    const { code, stderr } = await crm.run(args, { environment });
    assert.equal(code, 1, stderr);
    assert.match(stderr, /No permission/);
  }
  // Ceph gives a file to who wrote it, and not to the bucket's owner.
  const { code, stderr } = await crm.run(["verify", "--read-data"], { environment });
  assert.equal(code, 0, stderr);
  const { records } = await crm.json(["snapshots"], { environment });
  assert.equal((told(records, "snapshots", "snapshots") as unknown[]).length, 2);
});

test("the page on locks says what works", async () => {
  using crm = cliCrm();
  const page = readFileSync(join(import.meta.dirname, "../../docs/locked.md"), "utf8");
  const block = codeBlocks(page).find(({ language }) => language === "yaml")?.text ?? assert.fail();
  const place = `${ceph.endpoint}/locked-${randomUUID()}`;
  const written = block
    .replace("https://s3.example.com/locked-backups", place)
    .replace("../password.txt", "password.txt");
  const head = configText.slice(0, configText.indexOf("repository:"));
  writeFileSync(crm.config, head + written);
  const commands = holdfastCommands(page);
  assert.equal(commands.length, 2);
  for (const { command } of commands) {
    const { code, stderr, stdout } = await crm.run(command.split(" ").slice(1), { environment: settings });
    assert.equal(code, 0, stderr);
    if (command.endsWith("backup")) assert.match(stdout, /Locked \(compliance\) until .* refused/);
  }
});
