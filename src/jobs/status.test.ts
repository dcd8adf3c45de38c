import assert from "node:assert/strict";
import { test } from "node:test";
import { configFromText } from "../config/load.ts";
import type { BackupRow } from "../engine/overview.ts";
import type { Report } from "../engine/reports.ts";
import type { KeptGap } from "./gaps.ts";
import { newRun } from "./new-run.ts";
import { statusOf, type StatusReport } from "./status.ts";
import { type JobRun, JobStore } from "./store.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const noon = Date.UTC(2026, 5, 1, 12);

/** How everything is by the backups in the repository and the service's books. */
function statusAt(
  nowMs: number,
  backups: readonly BackupRow[],
  runs: readonly JobRun[],
  keptBefore: readonly KeptGap[] = [],
  reports: readonly Report[] = [],
): StatusReport {
  const config = configFromText(
    `crm: {name: acme, database: "sqlite:a.db"}
repository: {location: /r, password: "env:P"}
copies: [{name: acme, location: /c, password: "env:P"}]
service: {preset: none, schedules: [{job: backup, name: hourly, at: hourly}, {job: copy, at: daily 03:00}]}
`,
    "/holdfast.yaml",
  );
  using store = new JobStore(":memory:");
  for (const run of runs) store.add(run);
  const crms = [{ crm: "acme", backups, uncovered: [], reports }];
  const overview = { repositoryId: "0".repeat(64), location: "/r", packBytes: 0, crms, reports: [] };
  return statusOf({ config, overview, keptBefore, store, service: "running", cutOff: [], nowMs, zone: "UTC" });
}

function backupAt(ms: number): BackupRow {
  return { id: String(ms), time: new Date(ms).toISOString(), kind: "incremental", outcome: "ok" };
}

function runAt(startedMs: number, more: Partial<JobRun>): JobRun {
  const run = newRun({ id: String(startedMs), item: "hourly/acme", job: "backup", subject: "acme" }, startedMs);
  return { ...run, schedule: "hourly", attempts: 1, startedMs, ...more };
}

test("what runs for longer than a quarter of its period is not missed, until it is due once more", () => {
  const running = runAt(noon, { state: "running" });
  const at = (nowMs: number) => statusAt(nowMs, [backupAt(noon - hourMs)], [running]).jobs[0];
  assert.deepEqual([at(noon + 50 * minuteMs)?.outcome, at(noon + 50 * minuteMs)?.missed], ["ok", undefined]);
  assert.equal(at(noon + 80 * minuteMs)?.missed, new Date(noon + hourMs).toISOString(), "it hangs");
  assert.equal(statusAt(noon + 50 * minuteMs, [backupAt(noon - hourMs)], []).jobs[0]?.outcome, "missed");
});

test("what a clock says that was ahead hides neither what failed since nor how old the newest recovery point is", () => {
  const [ahead, before] = [noon + 400 * 24 * hourMs, noon - 3 * hourMs];
  const backups = [backupAt(before), backupAt(ahead)];
  const ok = runAt(ahead, { state: "ended", outcome: "ok", endedMs: ahead + minuteMs });
  assert.equal(statusAt(noon, backups, [ok]).jobs[0]?.outcome, "missed");
  const error = { code: "storage-unreachable", facts: {} };
  const failed = runAt(noon - minuteMs, { state: "ended", outcome: "failed", endedMs: noon, error });
  const { jobs, crms, outcome } = statusAt(noon, backups, [ok, failed]);
  assert.deepEqual([jobs[0]?.outcome, crms[0]?.rpoMs, outcome], ["failed", 3 * hourMs, "failed"]);
});

test("a copy that is called like a CRM speaks for itself alone", () => {
  const copy = { item: "copy/acme", job: "copy", schedule: "copy", state: "ended", outcome: "failed" } as const;
  const { crms, jobs } = statusAt(noon, [backupAt(noon)], [runAt(noon - hourMs, { ...copy, endedMs: noon })]);
  assert.deepEqual([jobs[1]?.outcome, crms[0]?.outcome], ["failed", "ok"]);
});

test("a gap that was written into the repository while that was read is shown all the same", () => {
  const time = new Date(noon).toISOString();
  const report = { id: "1", kind: "gap", time, body: { of: "files", subject: "/srv/files", reason: "EACCES" } };
  const at = (kept: readonly KeptGap[]) => statusAt(noon, [backupAt(noon - minuteMs)], [], kept).crms[0];
  const [there, gone] = [at([{ crm: "acme", report }]), at([])];
  assert.deepEqual([there?.gaps, there?.outcome, gone?.gaps], [1, "warning", 0]);
});

test("what is out of the ordinary is told as it was found, and a failure with its facts", () => {
  const found = [{ kind: "mass-update", subject: "contacts", count: 50_000, of: 50_000, usual: 0 }];
  const body = { job: "backup", facts: { anomalies: found } };
  const report = { id: "r", kind: "run", time: new Date(noon).toISOString(), body } as const;
  const error = { code: "repository-missing", facts: { location: "/r" } };
  const failed = runAt(noon - minuteMs, { state: "ended", outcome: "failed", endedMs: noon, error });
  const { crms, jobs } = statusAt(noon, [backupAt(noon - hourMs)], [failed], [], [report]);
  assert.deepEqual([crms[0]?.anomalies, crms[0]?.anomaliesFound], [1, found]);
  assert.deepEqual([jobs[0]?.error, jobs[0]?.errorFacts], [error.code, error.facts]);
});
