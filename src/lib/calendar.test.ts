import assert from "node:assert/strict";
import { test } from "node:test";
import { type Calendar, lastTime, nextTime, parseCalendar, parseTimeOfDay, parseWeekdays } from "./calendar.ts";

const parsed = (text: string): Calendar => {
  const calendar = parseCalendar(text);
  assert.ok(calendar, text);
  return calendar;
};

/** All that is due in a stretch of time, as the zone writes it. */
function due(text: string, from: string, until: string, zone: string): readonly string[] {
  const found: string[] = [];
  let at = Date.parse(from) - 1;
  for (;;) {
    const next = nextTime(parsed(text), at, zone);
    if (next === undefined || next >= Date.parse(until)) return found;
    found.push(Temporal.Instant.fromEpochMilliseconds(next).toZonedDateTimeISO(zone).toString().slice(0, 22));
    at = next;
  }
}

test("reads words and cron's fields", () => {
  const zone = "UTC";
  assert.deepEqual(due("daily 02:30", "2026-03-01T00:00Z", "2026-03-03T00:00Z", zone), [
    "2026-03-01T02:30:00+00:00".slice(0, 22),
    "2026-03-02T02:30:00+00:00".slice(0, 22),
  ]);
  assert.equal(due("hourly", "2026-03-01T00:00Z", "2026-03-02T00:00Z", zone).length, 24);
  assert.equal(due("every 15m", "2026-03-01T00:00Z", "2026-03-01T01:00Z", zone).length, 4);
  assert.equal(due("every 6h", "2026-03-01T00:00Z", "2026-03-02T00:00Z", zone).length, 4);
  assert.deepEqual(due("weekly sun 02:00", "2026-11-23T00:00Z", "2026-12-08T00:00Z", zone), [
    "2026-11-29T02:00:00+00",
    "2026-12-06T02:00:00+00",
  ]);
  assert.equal(due("0 2 * * mon-fri", "2026-11-23T00:00Z", "2026-11-30T00:00Z", zone).length, 5);
  assert.equal(due("0 0,1,3-23 * * *", "2026-11-23T00:00Z", "2026-11-24T00:00Z", zone).length, 23);
  // As in cron: the 13th, and every Friday.
  assert.equal(due("0 0 13 * 5", "2026-10-01T00:00Z", "2026-11-01T00:00Z", zone).length, 6);
  assert.deepEqual(due("0 0 29 feb *", "2026-01-01T00:00Z", "2029-01-01T00:00Z", zone), ["2028-02-29T00:00:00+00"]);
});

test("refuses what is none", () => {
  const wrong = [
    "",
    "never",
    "every 7m",
    "every 0m",
    "daily 25:00",
    "60 * * * *",
    "* * 31 2 *",
    "0 5-2 * * *",
    "weekly",
  ];
  for (const text of [...wrong, "* * * *", "1 2 3 4 8", "daily 02:30 utc", "*/0 * * * *"]) {
    assert.equal(parseCalendar(text), undefined, text);
  }
  assert.equal(parseTimeOfDay("24:00"), 1440);
  assert.equal(parseTimeOfDay("24:01"), undefined);
  assert.deepEqual([...(parseWeekdays("sat-sun,0") ?? [])], [7, 6]);
});

test("a fixed time is due once a day, whatever the clocks do; every hour is real time", () => {
  const zone = "Europe/Berlin"; // 2026-03-29 02:00 becomes 03:00; 2026-10-25 03:00 becomes 02:00
  assert.deepEqual(due("daily 02:30", "2026-03-28T00:00Z", "2026-03-30T12:00Z", zone), [
    "2026-03-28T02:30:00+01",
    "2026-03-29T03:30:00+02",
    "2026-03-30T02:30:00+02",
  ]);
  assert.deepEqual(due("daily 02:30", "2026-10-24T12:00Z", "2026-10-26T12:00Z", zone), [
    "2026-10-25T02:30:00+02",
    "2026-10-26T02:30:00+01",
  ]);
  assert.equal(due("hourly", "2026-10-24T22:00Z", "2026-10-25T23:00Z", zone).length, 25);
  assert.equal(due("hourly", "2026-03-28T23:00Z", "2026-03-29T22:00Z", zone).length, 23);
  // Half an hour, at midnight: a day that has no 00:15.
  assert.deepEqual(due("daily 00:15", "2026-09-05T00:00Z", "2026-09-07T12:00Z", "America/Santiago"), [
    "2026-09-05T00:15:00-04",
    "2026-09-06T01:15:00-03",
    "2026-09-07T00:15:00-03",
  ]);
});

test("the last time before is what the next one came after", () => {
  const zone = "Asia/Shanghai";
  for (const text of ["hourly", "daily 02:30", "weekly sun 02:00", "monthly 31 01:00", "*/20 8-18 * * 1-5"]) {
    const calendar = parsed(text);
    let at = Date.parse("2026-01-01T00:00Z");
    for (let step = 0; step < 20; step++) {
      const next = nextTime(calendar, at, zone);
      assert.ok(next !== undefined);
      assert.equal(lastTime(calendar, next, zone), next);
      assert.ok((lastTime(calendar, next - 1, zone) ?? 0) <= at);
      at = next;
    }
  }
});

test("a time that the change of the clock puts into the next day is due then, whoever asks when", () => {
  // 2026-03-28 23:00 becomes 2026-03-29 00:00.
  const zone = "America/Nuuk";
  const put = Date.parse("2026-03-29T00:30:00-01:00");
  for (const ms of [-2, -0.25]) assert.equal(nextTime(parsed("daily 23:30"), put + ms * 3_600_000, zone), put);
  assert.equal(lastTime(parsed("daily 23:30"), put, zone), put);
});
