import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSpan, spanText, type RetentionPolicy } from "../lib/retention-policy.ts";
import { applyRetention } from "./retention.ts";

const now = new Date("2026-11-22T12:00:00Z");

/** What is kept of snapshots at these times, as `time: rules`. */
function kept(times: readonly string[], policy: RetentionPolicy, zone = "UTC"): readonly string[] {
  const snapshots = times.map((time, index) => ({ id: `id${index}`, time, tags: index === 0 ? ["a", "b"] : ["a"] }));
  return applyRetention(snapshots, policy, zone, now)
    .filter(({ rules }) => rules.length > 0)
    .map(({ snapshot, rules }) => `${snapshot.time} ${rules.map(({ rule }) => rule).join("+")}`);
}

test("days are those of the zone, on the days when the clock changes too", () => {
  // Berlin: the clock goes back on 25 October 2026, 03:00 to 02:00; that day has 25 hours.
  const times = ["2026-10-24T21:30:00Z", "2026-10-24T22:30:00Z", "2026-10-25T22:30:00Z", "2026-10-25T23:30:00Z"];
  assert.deepEqual(kept(times, { daily: 2 }, "Europe/Berlin"), [
    "2026-10-25T23:30:00Z daily",
    "2026-10-25T22:30:00Z daily",
  ]);
  assert.deepEqual(kept(times, { daily: 3 }, "Europe/Berlin"), [
    "2026-10-25T23:30:00Z daily",
    "2026-10-25T22:30:00Z daily",
    "2026-10-24T21:30:00Z daily",
  ]);
  assert.deepEqual(kept(times, { daily: 3 }, "UTC"), [
    "2026-10-25T23:30:00Z daily",
    "2026-10-24T22:30:00Z daily",
    "2026-10-24T21:30:00Z daily",
  ]);
});

test("weeks are ISO's, and the first days of January may belong to the year before", () => {
  const times = ["2026-12-31T10:00:00Z", "2027-01-03T10:00:00Z", "2027-01-04T10:00:00Z"];
  assert.deepEqual(kept(times, { weekly: 9 }), [
    "2027-01-04T10:00:00Z weekly",
    "2027-01-03T10:00:00Z weekly",
    "2026-12-31T10:00:00Z weekly",
  ]);
  assert.deepEqual(kept(times, { weekly: 2 }), ["2027-01-04T10:00:00Z weekly", "2027-01-03T10:00:00Z weekly"]);
});

test("a month before the 31st runs over where that month is shorter", () => {
  const times = ["2026-03-31T12:00:00Z", "2026-03-03T12:00:01Z", "2026-03-03T11:59:59Z"];
  assert.deepEqual(kept(times, { within: { years: 0, months: 1, days: 0, hours: 0 } }), [
    "2026-03-31T12:00:00Z within",
    "2026-03-03T12:00:01Z within",
  ]);
});

test("a span counts back from the newest that is not in the future", () => {
  const times = ["2030-01-01T00:00:00Z", "2026-11-20T00:00:00Z", "2026-11-18T00:00:00Z"];
  const within = { years: 0, months: 0, days: 1, hours: 12 };
  assert.deepEqual(kept(times, { within }), ["2030-01-01T00:00:00Z within", "2026-11-20T00:00:00Z within"]);
  assert.deepEqual(kept(["2030-01-01T00:00:00Z"], { within }), ["2030-01-01T00:00:00Z within"]);
});

test("a span of any length that can be written keeps what it reaches back to", () => {
  const times = ["2026-11-20T00:00:00Z", "0001-01-01T00:00:00Z"];
  for (const span of ["9999y", "300000y", "999999y999999m999999d999999h"]) {
    assert.equal(kept(times, { within: parseSpan(span) ?? assert.fail() }).length, 2, span);
  }
});

test("tags: all of one list", () => {
  const times = ["2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z"];
  assert.deepEqual(kept(times, { tags: [["a", "b"], ["c"]] }), ["2026-11-20T00:00:00Z tags"]);
});

test("a rule with some left keeps the oldest, and says that this is why", () => {
  const times = ["2026-11-20T01:00:00Z", "2026-11-20T02:00:00Z", "2026-11-20T03:00:00Z"];
  const snapshots = times.map((time) => ({ id: time, time, tags: [] }));
  const decided = applyRetention(snapshots, { daily: 7 }, "UTC", now);
  assert.deepEqual(
    decided.map(({ rules }) => rules),
    [[{ rule: "daily" }], [], [{ rule: "daily", oldest: true }]],
  );
});

test("spans are written as restic writes them", () => {
  for (const text of ["1y5m7d2h", "2h", "10d", "1y2h"]) assert.equal(spanText(parseSpan(text) ?? assert.fail()), text);
  for (const text of ["", "5", "0d", "2h1y", "1w", "-1d", "1.5d", "d"]) assert.equal(parseSpan(text), undefined, text);
});
