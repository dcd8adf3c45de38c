import assert from "node:assert/strict";
import { test } from "node:test";
import { copySnapshots } from "../../src/engine/copy.ts";
import { forget } from "../../src/engine/forget.ts";
import { listReports, saveReports, wholeRepository, type Report } from "../../src/engine/reports.ts";
import { listSnapshots } from "../../src/engine/snapshots.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { resticOn } from "../support/restic.ts";
import { limits, smallCrm, type SmallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const report = (id: string, time: string, kind = "run"): Report => ({ id, kind, time, body: { outcome: "ok", id } });

const save = (crm: SmallCrm, reports: readonly Report[], name = "acme") =>
  saveReports(crm.engine, { repository: crm.access, crm: name, reports, limits, waitMs: 20_000 }, crm.run);

async function idsOf(crm: SmallCrm, more: Parameters<typeof listReports>[1] | object = {}): Promise<readonly string[]> {
  const { reports } = await listReports(crm.engine, { repository: crm.access, ...more }, crm.run);
  return reports.map(({ id }) => id);
}

const keepLast = { kind: "policy", policies: { byCrm: {}, others: { last: 1 } } } as const;
const forgetIn = (crm: SmallCrm) =>
  forget(crm.engine, { repository: crm.access, what: keepLast, zone: "UTC", mode: "apply", waitMs: 0 }, crm.run);

test("keeps reports by day, lists them by kind and time, and is no backup of anything", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  await crm.backup();
  assert.deepEqual(await idsOf(crm), []);
  await save(crm, [report("a", "2026-11-27T23:59:59.000Z"), report("b", "2026-11-28T00:00:00.500Z", "drill")]);
  await save(crm, [report("c", "2026-12-01T10:00:00.000Z")]);
  await save(crm, [report("v", "2026-11-28T12:00:00.000Z")], wholeRepository);
  assert.deepEqual(await idsOf(crm), ["a", "b", "v", "c"]);
  assert.deepEqual(await idsOf(crm, { crm: "acme", kinds: ["drill"] }), ["b"]);
  assert.deepEqual(await idsOf(crm, { crm: "acme", since: "2026-11-28T00:00:00.000Z" }), ["b", "c"]);

  // Neither a recovery point, nor a CRM to be asked for.
  const { snapshots } = await listSnapshots(crm.engine, { repository: crm.access }, crm.run);
  assert.equal(snapshots.length, 1);
  await crm.backup();
  const report2 = await crm.backup("differential");
  assert.equal(report2.outcome, "ok");

  const restic = resticOn(crm.access.location, crm.access.password);
  await restic.output("check", "--read-data");
  const day = await restic.output("dump", "--path", "/acme.reports", "latest", "/acme.reports/2026-11/28.jsonl");
  assert.deepEqual(
    day.split("\n").map((line) => line && (JSON.parse(line) as Report)),
    [report("b", "2026-11-28T00:00:00.500Z", "drill"), ""],
  );
  await assert.rejects(save(crm, [report("x", "yesterday")]), (error) => isHoldfastError(error, "internal"));
});

test("loses nothing when several save at once, and forgets only what a newer one holds", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  await crm.backup();
  const ids = Array.from({ length: 8 }, (_, number) => `n${number}`);
  await Promise.all(ids.map((id) => save(crm, [report(id, `2026-11-28T10:00:00.00${id.slice(1)}Z`)])));
  assert.deepEqual(await idsOf(crm), ids);

  // Side by side, so none of them holds all: nothing may go yet.
  const before = await forgetIn(crm);
  assert.deepEqual(await idsOf(crm), ids);
  await save(crm, [report("n9", "2026-11-29T10:00:00.000Z")]);
  const after = await forgetIn(crm);
  assert.equal(before.supersededReports + after.supersededReports, ids.length);
  assert.deepEqual(await idsOf(crm), [...ids, "n9"]);
  assert.equal((await forgetIn(crm)).supersededReports, 0);
});

test("goes along to copies, and what both have counts once", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  await crm.backup();
  await save(crm, [report("a", "2026-11-28T10:00:00.000Z")]);
  const to = { location: `${folder.path}/copy`, password: "other" };
  const copy = () =>
    copySnapshots(
      crm.engine,
      { from: crm.access, to, name: "second", points: [], missing: "create", limits, waitMs: 0 },
      crm.run,
    );
  await copy();
  await save(crm, [report("b", "2026-11-28T11:00:00.000Z")]);
  await copy();
  const { reports } = await listReports(crm.engine, { repository: to }, crm.run);
  assert.deepEqual(
    reports.map(({ id }) => id),
    ["a", "b"],
  );
});
