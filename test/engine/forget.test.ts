import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { openFor } from "../../src/engine/access.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { forget, type ForgetInput, type ForgetReport } from "../../src/engine/forget.ts";
import { hold } from "../../src/engine/hold.ts";
import { prune, type PruneReport } from "../../src/engine/prune.ts";
import { listSnapshots, type SnapshotRow } from "../../src/engine/snapshots.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import type { RetentionPolicy } from "../../src/lib/retention-policy.ts";
import { localStorage } from "../../src/storage/local.ts";
import { quotaStorage } from "../support/quota-storage.ts";
import { resticOn } from "../support/restic.ts";
import { smallCrm, type SmallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const limits = { workers: 2, priority: "normal" } as const;

function forgetWith(crm: SmallCrm, what: ForgetInput["what"], engine: Engine = crm.engine): Promise<ForgetReport> {
  const input: ForgetInput = { repository: crm.access, what, zone: "Asia/Shanghai", mode: "apply", waitMs: 0 };
  return forget(engine, input, crm.run);
}

const byRules = (others: RetentionPolicy): ForgetInput["what"] => ({ kind: "policy", policies: { byCrm: {}, others } });

function pruneNow(crm: SmallCrm, engine: Engine = crm.engine): Promise<PruneReport> {
  const input = {
    maxUnused: { bytes: 0 },
    maxRepackBytes: Infinity,
    keepMarkedMs: 0,
    mode: "apply",
    waitMs: 0,
  } as const;
  return prune(engine, { repository: crm.access, limits, ...input }, crm.run);
}

async function snapshotsOf(crm: SmallCrm): Promise<readonly SnapshotRow[]> {
  return (await listSnapshots(crm.engine, { repository: crm.access }, crm.run)).snapshots;
}

describe("forget", () => {
  test("keeps what rules keep, never loses the newest that is ok, and leaves others' snapshots alone", async () => {
    using folder = temporaryFolder();
    const crm = await smallCrm(folder.path);
    await crm.backup();
    const ok = await crm.backup();
    renameSync(join(crm.attachments, "logo.bin"), join(crm.attachments, "moved.bin"));
    const warned = await crm.backup();
    assert.equal(warned.outcome, "warning");
    const restic = resticOn(crm.access.location, crm.access.password);
    mkdirSync(join(folder.path, "other"));
    writeFileSync(join(folder.path, "other/file"), "not of a CRM");
    await restic.output("backup", join(folder.path, "other"));

    const report = await forgetWith(crm, byRules({ last: 1 }));
    assert.deepEqual(
      report.keep.map(({ id, reasons }) => [id, reasons.map(({ rule }) => rule)]),
      [
        [warned.snapshot, ["last"]],
        [ok.snapshot, ["newest-ok"]],
      ],
    );
    assert.equal(report.remove.length, 1);
    assert.equal((await snapshotsOf(crm)).length, 3);
    assert.equal((await forgetWith(crm, byRules({ last: 1 }))).remove.length, 0);
    await pruneNow(crm);
    await restic.check();
    // the next backup compares with what is left
    assert.equal((await crm.backup()).kind, "incremental");
  });

  test("writes together the many small indexes that somebody left who stored a little each minute", async () => {
    using folder = temporaryFolder();
    const crm = await smallCrm(folder.path);
    await crm.backup();
    const { run, access, engine } = crm;
    {
      await using repository = await openFor(engine, access, run);
      await using lock = await repository.lock("shared", { ...run, waitMs: 0 });
      await using upload = await (await repository.index(run.signal)).upload({ signal: run.signal, lock, limits });
      for (let number = 0; number < 120; number++) {
        const stored = upload.blob("data", randomBytes(100), "hot");
        await upload.store();
        await stored;
        await upload.index();
      }
    }
    const indexes = () => readdirSync(join(access.location, "index")).length;
    assert.ok(indexes() > 120);
    await forgetWith(crm, byRules({ last: 1 }));
    assert.equal(indexes(), 1);
    await crm.backup();
    await resticOn(access.location, access.password).check();
  });

  test("refuses rules that keep nothing, and a policy that is for somebody else", async () => {
    using folder = temporaryFolder();
    const crm = await smallCrm(folder.path);
    await crm.backup();
    const isEmpty = (error: unknown): boolean => isHoldfastError(error, "retention-empty");
    await assert.rejects(() => forgetWith(crm, byRules({ last: 0 })), isEmpty);
    await assert.rejects(
      () => forgetWith(crm, { kind: "policy", policies: { byCrm: { other: { last: 1 } } } }),
      isEmpty,
    );
    assert.equal((await snapshotsOf(crm)).length, 1);
  });

  test("a held recovery point stays until it is released; by its id the last one goes, with a warning", async () => {
    using folder = temporaryFolder();
    const crm = await smallCrm(folder.path);
    const first = await crm.backup();
    await crm.backup();
    const input = { repository: crm.access, zone: "Asia/Shanghai", waitMs: 0 };
    const named = { kind: "id", prefix: first.snapshot.slice(0, 10) } as const;
    const held = await hold(crm.engine, { ...input, point: named, hold: {} }, crm.run);
    assert.notEqual(held.id, first.snapshot);
    const restic = resticOn(crm.access.location, crm.access.password);
    assert.ok((await restic.snapshots()).find(({ id }) => id === held.id)?.tags?.includes("hold"));

    assert.equal((await forgetWith(crm, byRules({ last: 1 }))).remove.length, 0);
    // it is still known by the id that it was made with
    await assert.rejects(
      () => forgetWith(crm, { kind: "ids", ids: [first.snapshot] }),
      (error) => isHoldfastError(error, "snapshot-held"),
    );
    const until = await hold(crm.engine, { ...input, point: named, hold: { until: "2999-12-31" } }, crm.run);
    assert.deepEqual(until.hold, { until: "2999-12-31" });
    const row = (await snapshotsOf(crm)).find(({ id }) => id === until.id);
    assert.equal(row?.hold, "hold-until-2999-12-31");
    assert.equal((await forgetWith(crm, byRules({ last: 1 }))).remove.length, 0);
    await assert.rejects(
      () => hold(crm.engine, { ...input, point: named, hold: { until: "2001-01-01" } }, crm.run),
      (error) => isHoldfastError(error, "usage"),
    );
    const released = await hold(crm.engine, { ...input, point: named }, crm.run);
    assert.equal(released.hold, undefined);
    assert.equal((await forgetWith(crm, byRules({ last: 1 }))).remove.length, 1);

    const [last] = await snapshotsOf(crm);
    const report = await forgetWith(crm, { kind: "ids", ids: [last?.id.slice(0, 8) ?? ""] });
    assert.deepEqual(
      report.warnings.map(({ code }) => code),
      ["forget-last"],
    );
    assert.equal((await snapshotsOf(crm)).length, 0);
    await restic.check();
  });

  test("on a disk with 0 bytes free, forget and prune make room", async () => {
    using folder = temporaryFolder();
    const crm = await smallCrm(folder.path);
    for (const kind of ["full", "incremental", "full"] as const) {
      crm.sql("UPDATE contact SET name = name || 'x'");
      writeFileSync(join(crm.attachments, "logo.bin"), kind.repeat(10_000 + Math.floor(Math.random() * 1000)));
      await crm.backup(kind);
    }
    const storage = await quotaStorage(localStorage(crm.access.location), 0);
    const engine: Engine = { ...crm.engine, openStorage: () => storage };
    const free = async (): Promise<number> => (await storage.traits.freeBytes?.(crm.run.signal)) ?? 0;
    await assert.rejects(
      () => hold(engine, { repository: crm.access, point: { kind: "latest" }, zone: "UTC", waitMs: 0 }, crm.run),
      (error) => isHoldfastError(error, "storage-full"),
    );
    assert.equal((await forgetWith(crm, byRules({ last: 1 }), engine)).remove.length, 2);
    const afterForget = await free();
    const report = await pruneNow(crm, engine);
    assert.ok((report.result?.deletedBytes ?? 0) > 0);
    assert.ok((await free()) > afterForget);
    await resticOn(crm.access.location, crm.access.password).check();
  });
});
