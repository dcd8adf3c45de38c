import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openFor } from "../../src/engine/access.ts";
import { forget, type ForgetInput } from "../../src/engine/forget.ts";
import { prune } from "../../src/engine/prune.ts";
import { listSnapshots } from "../../src/engine/snapshots.ts";
import { verify } from "../../src/engine/verify.ts";
import { snapshotJson } from "../../src/format/snapshot-json.ts";
import { sealUnpacked } from "../../src/format/unpacked.ts";
import { findMasterKey } from "../../src/repository/master-key.ts";
import { localStorage } from "../../src/storage/local.ts";
import { resticOn } from "../support/restic.ts";
import { limits, smallCrm, type SmallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const count = 10_000;
const hourMs = 3_600_000;

/** An hour after the other, as a CRM that is backed up every hour for more than a year has them. */
async function writeSnapshots(crm: SmallCrm): Promise<void> {
  const { location, password } = crm.access;
  await using storage = localStorage(location);
  const { masterKey } = await findMasterKey(storage, password, crm.run.signal);
  await using repository = await openFor(crm.engine, crm.access, crm.run);
  const made = await repository.snapshots(crm.run.signal);
  const last = Date.parse(made.at(-1)?.snapshot.time ?? "");
  for (let number = made.length; number < count; number++) {
    const like = made[number % made.length]?.snapshot ?? assert.fail();
    const snapshot = { ...like, time: new Date(last - (count - number) * hourMs).toISOString() };
    const { name, bytes } = sealUnpacked(masterKey, snapshotJson(snapshot));
    writeFileSync(join(location, "snapshots", name), bytes);
  }
}

/** A square of ten thousand would take minutes; a busy machine does not. */
async function withinCpu<T>(what: string, seconds: number, use: () => Promise<T>): Promise<T> {
  const before = process.cpuUsage();
  const result = await use();
  const { user, system } = process.cpuUsage(before);
  assert.ok((user + system) / 1e6 < seconds, `${what} took ${((user + system) / 1e6).toFixed(1)} s of processor time`);
  return result;
}

test("ten thousand recovery points are listed, thinned out, pruned and verified", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  await crm.backup("full");
  crm.sql("UPDATE contact SET name = 'changed' WHERE id < 10");
  await crm.backup();
  await writeSnapshots(crm);
  const repository = crm.access;

  const { snapshots } = await withinCpu("snapshots", 15, () => listSnapshots(crm.engine, { repository }, crm.run));
  assert.equal(snapshots.length, count);
  assert.equal(snapshots.filter(({ latest }) => latest).length, 1);
  await withinCpu("verify", 30, async () => {
    const { defects, snapshots: walked } = await verify(
      crm.engine,
      { repository, read: { kind: "none" }, limits },
      crm.run,
    );
    assert.deepEqual([defects, walked], [[], count]);
  });

  const others = { hourly: 48, daily: 30, monthly: 6 } as const;
  const input: ForgetInput = {
    repository,
    what: { kind: "policy", policies: { byCrm: {}, others } },
    zone: "UTC",
    mode: "apply",
    waitMs: 0,
  };
  const report = await withinCpu("forget", 30, () => forget(crm.engine, input, crm.run));
  // The newest is in the first hour and day of the rest, and one month may be two of them.
  assert.ok(report.keep.length >= 77 && report.keep.length <= 84, String(report.keep.length));
  assert.equal(report.remove.length, count - report.keep.length);
  const choice = { maxUnused: { bytes: 0 }, maxRepackBytes: Infinity, keepMarkedMs: 0 } as const;
  await withinCpu("prune", 15, () =>
    prune(crm.engine, { repository, limits, ...choice, mode: "apply", waitMs: 0 }, crm.run),
  );
  assert.equal((await listSnapshots(crm.engine, { repository }, crm.run)).snapshots.length, report.keep.length);
  await resticOn(repository.location, repository.password).check();
});
