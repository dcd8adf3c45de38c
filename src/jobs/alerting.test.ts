import assert from "node:assert/strict";
import { test } from "node:test";
import { alertOfGap, alertOfGapsClosed } from "./alerting.ts";
import { gapReportOf } from "./gaps.ts";
import { type JobRun, JobStore } from "./store.ts";

const run: JobRun = {
  ...{ id: "1", item: "follow/acme", job: "follow", subject: "acme", input: {} },
  ...{ dueMs: 0, times: 1, readyMs: 0, state: "running", attempts: 1, cancelling: false, reported: false },
};

test("a gap that a restart makes is one alert, of any other its end is told as well", () => {
  using store = new JobStore(":memory:");
  const events = (reason: string, time: string): readonly (string | undefined)[] => {
    const facts = { subject: "main", reason, time };
    const report = gapReportOf({ type: "note", code: "follow-gap", facts }, time, time);
    assert.ok(report);
    const told = [alertOfGap(report, run, store), alertOfGap(report, run, store)];
    const closed = [alertOfGapsClosed("acme", 1000, store), alertOfGapsClosed("acme", 2000, store)];
    return [...told, ...closed].map((alert) => alert?.event);
  };
  const one = ["warning", undefined, undefined, undefined];
  assert.deepEqual(events("unwatched", "2026-03-12T14:00:00.000Z"), one);
  assert.deepEqual(events("unwatched", "2026-03-12T15:00:00.000Z"), one);
  assert.deepEqual(events("slot-lost", "2026-03-12T16:00:00.000Z"), ["warning", undefined, "recovered", undefined]);
});
