import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { goMode, permissionsOf } from "./mode.ts";
import { compareTimes, formatTime, isTime, parseTime } from "./time.ts";
import type { NodeType } from "./tree.ts";

test("times are written in the one form that Go gives them", () => {
  assert.equal(formatTime(0n), "1970-01-01T00:00:00Z");
  assert.equal(formatTime(1n), "1970-01-01T00:00:00.000000001Z");
  assert.equal(formatTime(-1n), "1969-12-31T23:59:59.999999999Z");
  assert.equal(formatTime(1_795_334_400_500_000_000n), "2026-11-22T08:00:00.5Z");
  assert.equal(formatTime(1_795_334_400_123_456_780n), "2026-11-22T08:00:00.12345678Z");
  assert.equal(formatTime(10n ** 30n), "9999-12-31T23:59:59.999999999Z");
  assert.equal(formatTime(-(10n ** 30n)), "0000-01-01T00:00:00Z");
});

test("any moment comes back to the nanosecond", () => {
  const moment = fc.bigInt({ min: -62_167_219_200_000_000_000n, max: 253_402_300_799_999_999_999n });
  fc.assert(fc.property(moment, (ns) => parseTime(formatTime(ns)) === ns && isTime(formatTime(ns))));
});

test("zones are read, and asked for", () => {
  assert.equal(parseTime("1970-01-01T01:00:00+01:00"), 0n);
  assert.equal(parseTime("1969-12-31T19:30:00.000000001-04:30"), 1n);
  assert.equal(parseTime("2024-02-29T00:00:00Z"), 1_709_164_800_000_000_000n);
  for (const wrong of [
    "2026-11-22T08:00:00",
    "2026-11-22 08:00:00Z",
    "2026-11-22",
    "2026-13-01T00:00:00Z",
    "2026-04-31T00:00:00Z",
    "2026-02-29T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-01-01T24:00:00Z",
    "2026-01-01T00:00:60Z",
    "2026-01-01T00:00:00.Z",
    "2026-01-01T00:00:00+1:00",
    "",
  ]) {
    assert.equal(parseTime(wrong), undefined, wrong);
    assert.equal(isTime(wrong), false, wrong);
  }
});

test("times are compared by what they mean", () => {
  const inOrder = [
    "2026-01-01T01:00:00+02:00",
    "2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00.000000001Z",
    "2026-01-01T00:00:00.1Z",
    "2026-01-01T01:00:00.2+01:00",
    "2025-12-31T20:00:00-05:00",
  ];
  assert.deepEqual(inOrder.toReversed().toSorted(compareTimes), inOrder);
  assert.equal(compareTimes("2026-01-01T00:00:00.000Z", "2026-01-01T01:00:00+01:00"), 0);
});

test("modes are Go's", () => {
  // What restic 0.14 wrote for these.
  assert.equal(goMode("dir", 0o755), 2_147_484_141);
  assert.equal(goMode("dir", 0o1777), 2_148_532_735);
  assert.equal(goMode("symlink", 0o777), 134_218_239);
  assert.equal(goMode("file", 0o644), 420);
  const types: readonly NodeType[] = ["file", "dir", "symlink", "dev", "chardev", "fifo", "socket"];
  fc.assert(
    fc.property(fc.constantFrom(...types), fc.nat(0o7777), (type, permissions) => {
      const mode = goMode(type, permissions);
      return permissionsOf(mode) === permissions && mode >= 0 && mode < 2 ** 32;
    }),
  );
});
