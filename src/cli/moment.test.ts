import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isHoldfastError } from "../lib/errors.ts";
import { parsePoint } from "./moment.ts";

const now = new Date("2026-11-22T10:00:00Z");

function moment(text: string, zone = "Asia/Shanghai", present = now): string {
  const point = parsePoint(text, present, zone);
  assert.equal(point.kind, "moment", text);
  return point.kind === "moment" ? point.time.toISOString() : "";
}

test("names that are no moments", () => {
  assert.deepEqual(parsePoint("live", now, "UTC"), { kind: "live" });
  assert.deepEqual(parsePoint("latest", now, "UTC"), { kind: "latest" });
  assert.deepEqual(parsePoint("4F2a91c3", now, "UTC"), { kind: "id", prefix: "4f2a91c3" });
});

test("moments, with and without an offset", () => {
  const cases: [string, string][] = [
    ["@2026-03-12T14:00+08:00", "2026-03-12T06:00:00.000Z"],
    ["@2026-03-12 14:00Z", "2026-03-12T14:00:00.000Z"],
    ["@2026-03-12T14:00:05.123456789+0100", "2026-03-12T13:00:05.124Z"],
    ["@2026-03-12T14:00", "2026-03-12T06:00:00.000Z"],
    ["@2026-3-2 9:05:07", "2026-03-02T01:05:07.000Z"],
    ["@2026/03/12", "2026-03-12T15:59:59.999Z"],
    ["@2026-11-22", now.toISOString()],
    ["@14:30", "2026-11-22T06:30:00.000Z"],
    ["@yesterday 14:30", "2026-11-21T06:30:00.000Z"],
    ["@ Yesterday at 14:30", "2026-11-21T06:30:00.000Z"],
    ["@yesterday", "2026-11-21T15:59:59.999Z"],
    ["@昨天 14:30", "2026-11-21T06:30:00.000Z"],
    ["@前天", "2026-11-20T15:59:59.999Z"],
    ["@now", now.toISOString()],
    ["@2h ago", "2026-11-22T08:00:00.000Z"],
    ["@90 minutes ago", "2026-11-22T08:30:00.000Z"],
    ["@3 days ago", "2026-11-19T10:00:00.000Z"],
    ["@2小时前", "2026-11-22T08:00:00.000Z"],
    ['@"2h ago"', "2026-11-22T08:00:00.000Z"],
    ["@1 month ago", "2026-10-22T10:00:00.000Z"],
  ];
  for (const [text, expected] of cases) assert.equal(moment(text), expected, text);
});

test("a day is the zone's day", () => {
  const lateEvening = new Date("2026-11-22T23:30:00Z"); // already the 23rd in Berlin
  assert.equal(moment("@yesterday 08:00", "Europe/Berlin", lateEvening), "2026-11-22T07:00:00.000Z");
  assert.equal(moment("@00:15", "Europe/Berlin", lateEvening), "2026-11-22T23:15:00.000Z");
  // Days ago keep the clock's time across a change of the clock.
  const afterChange = new Date("2026-10-26T12:00:00Z"); // 13:00 +01:00
  assert.equal(moment("@2 days ago", "Europe/Berlin", afterChange), "2026-10-24T11:00:00.000Z");
  assert.equal(moment("@48h ago", "Europe/Berlin", afterChange), "2026-10-24T12:00:00.000Z");
});

test("an hour that comes twice asks for the offset, and names both", () => {
  const present = new Date("2026-11-01T00:00:00Z");
  assert.throws(
    () => parsePoint("@2026-10-25T02:30", present, "Europe/Berlin"),
    (error) => {
      assert.ok(isHoldfastError(error, "moment-ambiguous"));
      assert.equal(error.facts["first"], "@2026-10-25T02:30:00+02:00");
      assert.equal(error.facts["second"], "@2026-10-25T02:30:00+01:00");
      assert.equal(error.facts["zone"], "Europe/Berlin");
      assert.equal(moment(error.facts["first"], "Europe/Berlin", present), "2026-10-25T00:30:00.000Z");
      assert.equal(moment(error.facts["second"], "Europe/Berlin", present), "2026-10-25T01:30:00.000Z");
      return true;
    },
  );
  assert.equal(moment("@2026-10-25T03:00", "Europe/Berlin", present), "2026-10-25T02:00:00.000Z");
});

test("refuses an hour that the clock skipped, what has not come, and what is no moment", () => {
  const cases: [string, string][] = [
    ["@2026-03-29T02:30", "does-not-exist"],
    ["@2026-11-22T12:00", "future"],
    ["@23:00", "future"],
    ["@2026-02-30", "form"],
    ["@2026-02-10 24:10", "form"],
    ["@2026-02-10T12:70Z", "form"],
    ["@2026-02-10T12:00+99:00", "form"],
    ["@soon", "form"],
    ["@", "form"],
    ["lastest", "form"],
    ["abc", "form"],
    ["@5 parsecs ago", "form"],
  ];
  for (const [text, problem] of cases) {
    assert.throws(
      () => parsePoint(text, now, "Europe/Berlin"),
      (error) => isHoldfastError(error, "moment-invalid") && error.facts["problem"] === problem,
      text,
    );
  }
});

test("what a zone's clock shows is what was meant, whenever the clock shows it once", () => {
  const zone = fc.constantFrom("Europe/Berlin", "America/New_York", "Asia/Shanghai", "Australia/Lord_Howe", "UTC");
  fc.assert(
    fc.property(fc.integer({ min: 946_684_800, max: 1_795_000_000 }), zone, (seconds, zoneName) => {
      const zoned = Temporal.Instant.fromEpochMilliseconds(seconds * 1000).toZonedDateTimeISO(zoneName);
      const text = `@${zoned.toPlainDateTime().toString()}`;
      try {
        assert.equal(moment(text, zoneName), new Date(seconds * 1000).toISOString());
      } catch (error) {
        assert.ok(isHoldfastError(error, "moment-ambiguous"));
        assert.ok([error.facts["first"], error.facts["second"]].includes(`${text}${zoned.offset}`));
      }
    }),
  );
});
