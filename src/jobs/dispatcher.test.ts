import assert from "node:assert/strict";
import { test } from "node:test";
import { configFromText } from "../config/load.ts";
import { Dispatcher } from "./dispatcher.ts";
import { allowedAt, itemsOf } from "./job-item.ts";
import { jobKindNamed, jobKinds } from "./job-kinds.ts";
import { type JobRun, JobStore } from "./store.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
/** A Monday. */
const monday = Date.UTC(2026, 5, 1);

/** A service of one CRM, whose first look at the clock is at `startMs`; a scope. */
function scene(service: string, startMs: number) {
  const config = configFromText(
    `crm: {name: acme, database: "sqlite:a.db"}
repository: {location: /r, password: "env:P"}
service:
  preset: none
${service}`,
    "/holdfast.yaml",
  );
  const store = new JobStore(":memory:");
  let number = 0;
  const dispatcher = new Dispatcher({
    store,
    items: itemsOf(config, (job) => jobKinds[job].scope),
    service: config.service,
    zone: "UTC",
    host: "machine",
    isExclusive: (job) => jobKindNamed(job)?.beside === "alone",
    isContinuous: (job) => jobKindNamed(job)?.beside === "everything",
    isRepeatable: (job) => jobKindNamed(job)?.afterCrash === "again",
    newId: () => String(number++),
  });
  const tick = (ms: number): readonly JobRun[] => dispatcher.tick(ms);
  const end = (run: JobRun | undefined, ms: number): void => {
    assert.ok(run);
    dispatcher.ended(run, { outcome: "ok", facts: {} }, ms);
  };
  const fail = (run: JobRun | undefined, ms: number): void => {
    assert.ok(run);
    const error = { code: "storage-unreachable", facts: {} };
    dispatcher.ended(run, { outcome: "failed", error, again: "worthwhile" }, ms);
  };
  const killed = (ms: number, begun?: ReadonlySet<string>) => dispatcher.recover(ms, begun);
  const dropped = (ms: number) => dispatcher.dropCancelled(ms);
  tick(startMs);
  return { store, tick, end, fail, killed, dropped, [Symbol.dispose]: () => store[Symbol.dispose]() };
}

const jobsOf = (runs: readonly JobRun[]): readonly string[] => runs.map(({ job }) => job);

test("what a blackout holds back keeps nobody else waiting", () => {
  const noon = monday + 12 * hourMs;
  using service = scene(
    `  blackouts: [{from: "12:10", to: "20:00", jobs: [prune]}]
  schedules: [{job: backup, at: hourly}, {job: prune, at: "daily 12:05"}]`,
    noon - minuteMs,
  );
  const [backup] = service.tick(noon);
  assert.deepEqual(service.tick(noon + 5 * minuteMs), [], "the prune waits for the backup");
  service.end(backup, noon + 30 * minuteMs);
  assert.deepEqual(service.tick(noon + 30 * minuteMs), []);
  const [next] = service.tick(noon + hourMs);
  assert.equal(next?.job, "backup");
  service.end(next, noon + 2 * hourMs);
  assert.deepEqual(jobsOf(service.tick(noon + 8 * hourMs)), ["prune"]);
});

test("backups wait a while for whoever needs the repository alone, and go on beside what runs for hours", () => {
  const noon = monday + 12 * hourMs;
  using service = scene(
    `  jobsAtOnce: 4
  schedules: [{job: backup, at: every 15m}, {job: verify, at: "daily 12:01"}, {job: prune, at: "daily 12:02"}]`,
    noon - minuteMs,
  );
  const [first] = service.tick(noon);
  service.end(first, noon + minuteMs);
  const [verify] = service.tick(noon + minuteMs);
  assert.equal(verify?.job, "verify");
  assert.deepEqual(service.tick(noon + 2 * minuteMs), []);
  assert.deepEqual(service.tick(noon + 15 * minuteMs), [], "the prune has waited for long enough");
  assert.deepEqual(jobsOf(service.tick(noon + 70 * minuteMs)), ["backup"], "the verification takes hours");
  assert.deepEqual(service.tick(noon + 75 * minuteMs), []);
});

test("what a clock did that was ahead by days stands in for nothing that is due afterwards", () => {
  using service = scene(`  schedules: [{job: backup, at: "weekly sun 02:00"}]`, monday);
  const sunday = monday + 6 * dayMs + 2 * hourMs;
  const [ahead] = service.tick(sunday + hourMs);
  assert.equal(ahead?.job, "backup");
  service.end(ahead, sunday + 2 * hourMs);
  assert.deepEqual(service.tick(monday + hourMs), []);
  const [again] = service.tick(sunday);
  assert.equal(again?.job, "backup");
  // What was to be tried again when that clock showed it is not kept for days.
  service.fail(again, sunday + 3 * dayMs);
  assert.deepEqual(jobsOf(service.tick(sunday + hourMs)), ["backup"]);
});

test("a backup is begun again however often the service is killed, and fails only when it has failed too often", () => {
  const noon = monday + 12 * hourMs;
  using service = scene(
    `  retry: {times: 1, first: 1m, longest: 1h}
  schedules: [{job: backup, at: "weekly mon 12:00"}]`,
    noon - minuteMs,
  );
  let at = noon;
  for (let kill = 1; kill <= 9; kill++) {
    assert.deepEqual(jobsOf(service.tick(at)), ["backup"], `after ${kill - 1} kills`);
    assert.deepEqual(service.killed(at + 1000), []);
    at += 2 * hourMs;
  }
  service.fail(service.tick(at)[0], at);
  const [last] = service.tick(at + 2 * hourMs);
  assert.deepEqual([last?.attempts, last?.cutOff], [11, 9]);
  service.fail(last, at + 2 * hourMs);
  assert.deepEqual(service.tick(at + 4 * hourMs), [], "once more is all that it may");
});

test("what was to be cancelled ends as that when the service was killed, unless it had begun to change things", () => {
  const noon = monday + 12 * hourMs;
  using service = scene(`  schedules: [{job: backup, at: hourly}]`, noon - minuteMs);
  const [run] = service.tick(noon);
  assert.ok(run && service.store.askToCancel(run.id));
  assert.deepEqual(service.killed(noon + 1000, new Set([run.id])), []);
  assert.deepEqual(service.dropped(noon + 1000), []);
  const [again] = service.tick(noon + 1000);
  assert.equal(again?.id, run.id);
  assert.ok(service.store.askToCancel(run.id));
  assert.deepEqual(
    service.killed(noon + 2000).map(({ id, outcome }) => [id, outcome]),
    [[run.id, "cancelled"]],
  );
});

test("a blackout holds in the hour that comes twice, though another that is over would end in it", () => {
  const zone = "Europe/Berlin"; // 2026-10-25 03:00 becomes 02:00
  const days = new Set([1, 2, 3, 4, 5, 6, 7]);
  const blackouts = [
    { days, fromMinute: 60, toMinute: 150 },
    { days, fromMinute: 120, toMinute: 360 },
  ];
  const second = Date.parse("2026-10-25T02:10:00+01:00");
  assert.equal(allowedAt(blackouts, "backup", second, zone), Date.parse("2026-10-25T06:00:00+01:00"));
});
