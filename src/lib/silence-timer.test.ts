import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { SilenceTimer } from "./silence-timer.ts";

test("silence is what a process that runs does not hear; what one that was stopped missed is none", async () => {
  let rung = 0;
  using timer = new SilenceTimer(400, () => rung++);
  for (let round = 0; round < 3; round++) {
    await wait(50);
    // Neither timers nor what comes in: as if it were stopped, for far longer than that.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1200);
    await wait(0);
    timer.heard();
  }
  assert.equal(rung, 0);
  const since = performance.now();
  while (rung === 0) await wait(20);
  assert.ok(performance.now() - since >= 300);
  await wait(600);
  assert.equal(rung, 1);
});
