import assert from "node:assert/strict";
import { configFromText } from "../../src/config/load.ts";
import { planForget } from "../../src/engine/forget-plan.ts";
import { snapshotTags } from "../../src/engine/points.ts";
import { Dispatcher, type RunEnd } from "../../src/jobs/dispatcher.ts";
import { allowedAt, itemsOf, type JobItem, spreadMs } from "../../src/jobs/job-item.ts";
import { jobKindNamed, jobKinds } from "../../src/jobs/job-kinds.ts";
import { type JobRun, JobStore } from "../../src/jobs/store.ts";
import { lastTime, nextTime } from "../../src/lib/calendar.ts";
import type { StoredSnapshot } from "../../src/repository/repository.ts";
import type { Campaign } from "../support/campaign.ts";
import { seededRandom, type SeededRandom } from "../support/seeded-random.ts";

/**
 * A year of the service with a clock that is told: what becomes due, begins, fails, is tried again, is cut off; while the
 * service is down, while the clock is put forward and back for summer, is set right by some minutes, or was wrong by days.
 * Jobs take from seconds to hours, so that they get into each other's way. A round is one year of one configuration.
 */
export const campaign: Campaign = {
  name: "schedule-year",
  about:
    "A simulated year of schedules: changes of the clock, a leap day, downtime, clock jumps, overlapping and failing jobs. Every due run happened once, retention kept exactly what its rules say.",
  rounds: 24,
  run: async ({ rounds, seed, report }) => {
    const sums: Record<string, number> = {};
    for (let round = 0; round < rounds; round++) {
      const counts = simulate(seededRandom(seed * 1000 + round));
      for (const [what, count] of Object.entries(counts)) sums[what] = (sums[what] ?? 0) + count;
      report(`${round + 1} of ${rounds} years, ${sums["due"]} due`);
    }
    return { years: rounds, ...sums };
  },
};

const zones = ["Europe/Berlin", "America/New_York", "Asia/Shanghai", "Australia/Lord_Howe", "America/Santiago", "UTC"];
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

function configOf(random: SeededRandom): string {
  const expressions = [
    "every 15m",
    "daily 02:30",
    "0 12 29 feb *",
    "weekly sun 02:15",
    "monthly 31 01:00",
    "30 2,3 * * *",
  ];
  const own = expressions.map((at, index) => {
    const job = random.pick(["backup", "verify", "prune"]);
    const kind = job === "backup" ? `, kind: ${random.pick(["full", "incremental", "differential"])}` : "";
    const missed = random.oneIn(3) ? ", missed: skip" : "";
    const spread = random.oneIn(2) ? ", spread: 20m" : "";
    return `    - {job: ${job}, name: own-${index}, at: "${at}"${kind}${missed}${spread}}`;
  });
  const blackouts = random.oneIn(2)
    ? `\n  blackouts: [{days: mon-fri, from: "08:00", to: "11:30"}, {from: "23:30", to: "00:30"}]`
    : "";
  return `crms:
  - {name: acme, database: "sqlite:a.db"}
  - {name: zenith, database: "sqlite:b.db"}
repository: {location: /r, password: "env:P"}
copies: [{name: second, location: /c, password: "env:P"}]
retention: {preset: standard}
service:
  jobsAtOnce: ${1 + random.below(3)}${blackouts}
  schedules:
${own.join("\n")}
`;
}

interface World {
  /** What the machine's clock says, less what is really the time. */
  errorMs: number;
  down: boolean;
}

function simulate(random: SeededRandom): Readonly<Record<string, number>> {
  const zone = random.pick(zones);
  const config = configFromText(configOf(random), "/holdfast.yaml");
  const items = itemsOf(config, (job) => jobKinds[job].scope);
  using store = new JobStore(":memory:");
  let number = 0;
  const dispatcher = new Dispatcher({
    store,
    items,
    service: config.service,
    zone,
    host: "machine",
    isExclusive: (job) => jobKindNamed(job)?.beside === "alone",
    isContinuous: (job) => jobKindNamed(job)?.beside === "everything",
    isRepeatable: (job) => jobKindNamed(job)?.afterCrash === "again",
    newId: () => `run-${String(number++).padStart(7, "0")}`,
  });
  // A leap year, from before its 29 February on, and all changes of the clock.
  const start = Date.UTC(2028, 0, 10) + random.below(dayMs);
  const end = start + 366 * dayMs;
  const world: World = { errorMs: 0, down: false };
  const running = new Map<string, { readonly run: JobRun; readonly untilMs: number }>();
  const counts = { due: 0, begun: 0, failed: 0, "cut off": 0, "clock set": 0, downtimes: 0, "kept by retention": 0 };
  const retention = new RetentionYear(zone);
  const leftOut = new Map<string, number>();
  const seen = new Map<string, number>();
  const quietUntil = new Map<string, { readonly watermark: number; readonly untilMs: number }>();
  let upAgainMs = 0;

  for (let real = start; real < end; real += minuteMs * (1 + random.below(45))) {
    if (world.down) {
      if (real < upAgainMs) continue;
      world.down = false;
      dispatcher.recover(real + world.errorMs);
    } else if (random.oneIn(2500)) {
      // Killed, with whatever runs; for minutes or for weeks.
      counts.downtimes++;
      counts["cut off"] += running.size;
      world.down = true;
      running.clear();
      upAgainMs = real + random.pick([5 * minuteMs, 3 * hourMs, 2 * dayMs, 20 * dayMs]);
      continue;
    }
    if (random.oneIn(4000)) {
      counts["clock set"]++;
      // By NTP: less than the period of anything.
      world.errorMs = random.below(14 * minuteMs) - 7 * minuteMs;
    }
    const now = real + world.errorMs;
    for (const item of items) {
      const at = store.watermark(item.key);
      const before = seen.get(item.key);
      if (before === undefined || at === undefined) seen.set(item.key, now);
      else countLeftOut(item, at.dueMs, now);
    }
    for (const { run, untilMs } of [...running.values()]) {
      if (untilMs > real) continue;
      running.delete(run.id);
      const ended = dispatcher.ended(run, endOf(random), now);
      if (ended.outcome === "failed") counts.failed++;
      if (run.job === "backup" && (ended.outcome === "ok" || ended.outcome === "warning")) retention.add(run, now);
      if (run.job === "forget" && ended.outcome === "ok") counts["kept by retention"] += retention.apply(config, now);
    }
    const begun = dispatcher.tick(now);
    for (const run of begun) {
      counts.begun++;
      checkBegin(run, now);
      running.set(run.id, {
        run,
        untilMs: real + random.pick([20_000, 5 * minuteMs, 20 * minuteMs, 40 * minuteMs, 3 * hourMs]),
      });
    }
    if (begun.length > 0) checkRunning();
  }
  checkAccounts();
  return counts;

  /** With `skip`, what was due while nothing ran is left out, and only that. */
  function countLeftOut(item: JobItem, watermark: number, now: number): void {
    if (item.schedule.missed !== "skip" || !("at" in item.schedule.when)) return;
    const quiet = quietUntil.get(item.key);
    if (quiet !== undefined && quiet.watermark === watermark && now < quiet.untilMs) return;
    const untilMs = nextTime(item.schedule.when.calendar, watermark, zone) ?? end * 2;
    quietUntil.set(item.key, { watermark, untilMs });
    const last = lastTime(item.schedule.when.calendar, now, zone);
    if (last === undefined || last <= watermark || now - last <= 5 * minuteMs) return;
    leftOut.set(item.key, (leftOut.get(item.key) ?? 0) + occurrences(item, watermark, last).length);
  }

  function occurrences({ schedule }: JobItem, after: number, until: number): readonly number[] {
    if (!("at" in schedule.when)) return [];
    const found: number[] = [];
    let at = nextTime(schedule.when.calendar, after, zone);
    while (at !== undefined && at <= until) {
      found.push(at);
      at = nextTime(schedule.when.calendar, at, zone);
    }
    return found;
  }

  function checkBegin(run: JobRun, now: number): void {
    const item = items.find(({ key }) => key === run.item);
    assert.ok(item, run.item);
    assert.equal(allowedAt(config.service.blackouts, item.job, now, zone), now, "begun in a blackout");
    if (!("at" in item.schedule.when) || run.attempts > 1) return;
    // One that waited when it was due again is ready already; the clock may have been set since.
    const earliest = run.times === 1 ? run.dueMs + spreadMs(item, "machine") : run.dueMs - 14 * minuteMs;
    assert.ok(now >= earliest, `${run.item} begun before it was due`);
  }

  function checkRunning(): void {
    const runs = [...running.values()].map(({ run }) => run);
    assert.ok(runs.length <= config.service.jobsAtOnce);
    assert.equal(new Set(runs.map(({ subject }) => subject)).size, runs.length, "two jobs of one subject at once");
    if (runs.some(({ job }) => jobKindNamed(job)?.beside === "alone")) assert.equal(runs.length, 1);
    const booked = store.open().filter(({ state }) => state === "running");
    assert.deepEqual(booked.map(({ id }) => id).toSorted(), runs.map(({ id }) => id).toSorted());
  }

  /** Each time that was due is in exactly one run, was left out by `skip`, or waits still. */
  function checkAccounts(): void {
    const runs = [...store.open(), ...store.ended(1_000_000)];
    assert.equal(new Set(runs.map(({ id }) => id)).size, runs.length);
    for (const item of items) {
      if (!("at" in item.schedule.when)) continue;
      const mark = store.watermark(item.key);
      assert.ok(mark);
      const due = occurrences(item, mark.sinceMs, mark.dueMs).length;
      counts.due += due;
      const own = runs.filter((run) => run.item === item.key);
      const byId = new Map(runs.map((run) => [run.id, run]));
      // One that failed and gave way to the next time gave its times along.
      const passedOn = (run: JobRun) => run.coveredBy !== undefined && byId.get(run.coveredBy)?.item === item.key;
      const accounted = own.filter((run) => !passedOn(run)).reduce((sum, { times }) => sum + times, 0);
      assert.equal(accounted + (leftOut.get(item.key) ?? 0), due, `${item.key} in ${zone}`);
      // And none of them twice: no two runs are for the same time.
      const times = own.filter((run) => !passedOn(run)).map(({ dueMs }) => dueMs);
      assert.equal(new Set(times).size, times.length, `${item.key} in ${zone} twice`);
    }
    for (const run of store.open()) {
      if (run.state === "queued") assert.ok(end - run.readyMs < 3 * dayMs || world.down, `${run.item} never begins`);
    }
  }
}

function endOf(random: SeededRandom): RunEnd {
  if (random.oneIn(12)) {
    const error = { code: "storage-unreachable", facts: {} };
    return { outcome: "failed", error, again: random.oneIn(4) ? "useless" : "worthwhile" };
  }
  return { outcome: random.oneIn(10) ? "warning" : "ok", facts: {} };
}

/** Recovery points that backups made and retention took away, and the rules worked out a second time, in the plainest way. */
class RetentionYear {
  readonly #zone: string;
  #stored: StoredSnapshot[] = [];

  constructor(zone: string) {
    this.#zone = zone;
  }

  add({ id, input, subject }: JobRun, now: number): void {
    const kind = input["kind"] === "full" || input["kind"] === "differential" ? input["kind"] : "incremental";
    const tags = snapshotTags(kind, "ok");
    const time = new Date(now).toISOString();
    this.#stored.push({ id, snapshot: { time, tree: "0".repeat(64), paths: [`/${subject}`], tags } });
  }

  apply(config: ReturnType<typeof configFromText>, now: number): number {
    const policy = config.retention.others;
    assert.ok(policy);
    const kept: StoredSnapshot[] = [];
    for (const name of config.crms.map((crm) => crm.name)) {
      const own = this.#stored.filter(({ snapshot }) => snapshot.paths[0] === `/${name}`);
      const sorted = own.toSorted((a, b) => Date.parse(a.snapshot.time) - Date.parse(b.snapshot.time));
      const rows = planForget(sorted, policy, this.#zone, new Date(now));
      const decided = new Set(rows.filter(({ reasons }) => reasons.length > 0).map(({ id }) => id));
      const expected = this.#byHand(sorted, { daily: 7, weekly: 5, monthly: 12, yearly: 3 });
      assert.deepEqual([...decided].toSorted(), [...expected].toSorted());
      kept.push(...own.filter(({ id }) => decided.has(id)));
    }
    this.#stored = kept;
    return kept.length;
  }

  /** The newest of each of the newest so many days, weeks, months and years; where there are fewer, the oldest too. */
  #byHand(sorted: readonly StoredSnapshot[], counts: Readonly<Record<string, number>>): ReadonlySet<string> {
    const keep = new Set<string>();
    for (const [rule, count] of Object.entries(counts)) {
      const newest = new Map<string, string>();
      for (const { id, snapshot } of sorted) newest.set(this.#bucket(rule, snapshot.time), id);
      for (const id of [...newest.values()].slice(-count)) keep.add(id);
      const [oldest] = sorted;
      if (newest.size < count && oldest) keep.add(oldest.id);
    }
    return keep;
  }

  #bucket(rule: string, time: string): string {
    const date = Temporal.Instant.from(time).toZonedDateTimeISO(this.#zone).toPlainDate();
    if (rule === "daily") return date.toString();
    if (rule === "weekly") return `${date.yearOfWeek}-${date.weekOfYear}`;
    return rule === "monthly" ? date.toString().slice(0, 7) : String(date.year);
  }
}
