import assert from "node:assert/strict";
import { globSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { advicePicture } from "../../src/cli/advise-picture.ts";
import { advise } from "../../src/engine/advise.ts";
import { historyOf } from "../../src/engine/advise-history.ts";
import { backup } from "../../src/engine/backup.ts";
import { forget } from "../../src/engine/forget.ts";
import type { BackupRow } from "../../src/engine/overview.ts";
import { prune } from "../../src/engine/prune.ts";
import { en } from "../../src/words/en.ts";
import { createFormat } from "../../src/words/format.ts";
import { limits, smallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const dayMs = 86_400_000;
const start = Date.UTC(2026, 0, 4);

/** Grows by a known amount a day, and stores a known amount. */
const rows = (count: number): readonly BackupRow[] =>
  Array.from({ length: count }, (_, index) => ({
    id: String(index),
    time: new Date(start + index * dayMs).toISOString(),
    kind: index % 7 === 0 ? "full" : "incremental",
    outcome: "ok",
    totalBytes: 1e9 + index * 1e7,
    storedBytes: index === 0 ? 4e8 : 5e6,
    durationMs: index % 7 === 0 ? 10_000 : 2000,
  }));

test("what is known of known backups, and nothing where they are few", () => {
  assert.equal(historyOf(rows(3)), undefined);
  assert.equal(historyOf(rows(8).map((row) => ({ ...row, time: new Date(start).toISOString() }))), undefined);
  const history = historyOf(rows(30));
  assert.ok(history);
  assert.deepEqual([history.baseBytes, history.days, history.changesMs], [4e8, 29, 2000]);
  assert.ok(
    Math.abs(history.growthBytesPerDay.middle - 1e7) < 1 && Math.abs(history.changeBytesPerDay.middle - 5e6) < 1,
  );
  assert.ok(Math.abs((history.fullBytesPerSecond ?? 0) - 1.14e8) < 1e7);
});

test("from a real repository: strategies, a recommendation, a forecast with its band, a picture", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const input = {
    crm: crm.description,
    configFile: crm.configFile,
    repository: crm.access,
    limits,
    waitMs: 0,
  } as const;
  let nowMs = start;
  const run = { ...crm.run, now: () => new Date(nowMs) };
  const advice = (more: object = {}) =>
    advise(crm.engine, { repository: crm.access, retention: { byCrm: {} }, zone: "UTC", ...more }, run);
  const first = await advice();
  assert.deepEqual(first.crms, []);
  for (let day = 0; day < 5; day++) {
    crm.sql(
      `INSERT INTO contact SELECT id + ${(day + 1) * 10_000}, hex(randomblob(40)), 1 FROM contact WHERE id <= 300`,
    );
    await backup(crm.engine, { ...input, inconsistencies: "warn" }, run);
    nowMs += dayMs;
    if (day === 1) assert.equal((await advice()).crms[0]?.history, undefined);
  }
  const price = { gbMonth: 0.02, thousandRequests: 0.005, currency: "EUR" };
  const policy = { daily: 7, weekly: 5, monthly: 12 };
  const report = await advice({ price, capacityBytes: 50e6, retention: { byCrm: {}, others: policy } });
  const [one] = report.crms;
  assert.equal(one?.strategies.length, 5);
  assert.ok(one.recommended);
  for (const { storedBytes: stored, cost, rpoMs, recoveryPoints } of one.strategies) {
    assert.ok(stored.low <= stored.middle && stored.middle <= stored.high);
    assert.ok(cost !== undefined && cost > 0 && rpoMs > 0 && recoveryPoints > 20 && recoveryPoints <= 26);
  }
  const { forecast } = report;
  assert.ok(forecast?.full && forecast.full.earliest <= (forecast.full.likely ?? ""));
  assert.equal(forecast.points.length, 5);
  const words = { words: en, format: createFormat(en, "en", "UTC") };
  const picture = advicePicture(words, report);
  assert.match(picture, /^<svg xmlns/);
  assert.equal(picture.match(/<rect/g)?.length, 6);
});

test("what retention took away is not taken for nothing: the forecast begins with what the repository takes", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  crm.sql("INSERT INTO contact SELECT id + 100000, hex(randomblob(400)), 1 FROM contact");
  const input = {
    crm: crm.description,
    configFile: crm.configFile,
    repository: crm.access,
    limits,
    waitMs: 0,
  } as const;
  let nowMs = start;
  const run = { ...crm.run, now: () => new Date(nowMs) };
  for (let day = 0; day < 6; day++, nowMs += dayMs) {
    crm.sql(`INSERT INTO contact SELECT id + ${(day + 1) * 10_000}, hex(randomblob(4)), 1 FROM contact WHERE id <= 30`);
    await backup(crm.engine, { ...input, inconsistencies: "warn" }, run);
  }
  const policies = { byCrm: {}, others: { last: 4 } };
  const common = { repository: crm.access, zone: "UTC", waitMs: 0, mode: "apply" } as const;
  await forget(crm.engine, { ...common, what: { kind: "policy", policies } }, run);
  const cleaning = { maxUnused: { bytes: 0 }, maxRepackBytes: Infinity, keepMarkedMs: 0, limits } as const;
  await prune(crm.engine, { ...common, ...cleaning }, run);
  const packs = globSync(join(crm.access.location, "data/*/*")).reduce((sum, file) => sum + statSync(file).size, 0);
  const { crms, forecast } = await advise(
    crm.engine,
    { repository: crm.access, retention: policies, zone: "UTC", freeBytes: 1_000_000 },
    run,
  );
  assert.ok(forecast);
  assert.ok(Math.abs(forecast.nowBytes / packs - 1) < 0.1, `${forecast.nowBytes} of ${packs}`);
  assert.equal(forecast.capacityBytes, forecast.nowBytes + 1_000_000);
  const [one] = crms;
  assert.ok(one?.history && one.history.baseBytes > packs / 2, `${one?.history?.baseBytes} of ${packs}`);
  assert.ok(one.strategies.every(({ storedBytes }) => storedBytes.middle > packs / 2));
});
