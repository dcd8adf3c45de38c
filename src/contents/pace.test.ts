import assert from "node:assert/strict";
import { test } from "node:test";
import { Pace } from "./pace.ts";

const { signal } = new AbortController();

/** A server that others use so much, and that answers so slowly while rows are read; `slowdown` may change. */
function world(othersPerSecond: number, slowdown: number, toldEveryMs = 1) {
  const state = { now: 0, asleep: 0, paused: "no", others: 0, told: 0, slowdown };
  const pace = new Pace({
    now: () => state.now,
    sleep: async (ms) => {
      state.now += ms;
      state.asleep += ms;
      state.paused = "yes";
    },
    load: async () => {
      const answerMs = state.paused === "yes" ? 1 : state.slowdown;
      const toldOf = Math.floor(state.now / toldEveryMs) * toldEveryMs;
      return { others: Math.round((toldOf * othersPerSecond) / 1000), answerMs };
    },
    onYield: () => state.told++,
  });
  const read = async (batches: number) => {
    for (let count = 0; count < batches; count++) {
      state.paused = "no";
      await pace.take(1000, 1 << 20, signal);
      state.now += 10; // as long as it takes to read a batch
    }
  };
  return { state, pace, read };
}

test("nobody else uses the server: rows pass without a pause, however slowly it answers", async () => {
  const { state, pace, read } = world(0, 10);
  await read(1000);
  assert.deepEqual([pace.share, state.asleep, state.told], [1, 0, 0]);
});

test("others use it and it answers more slowly beside us: down to a quarter of the time, told once", async () => {
  const { state, pace, read } = world(200, 2);
  await read(1000);
  assert.equal(pace.share, 0.25);
  assert.equal(state.told, 1);
  const before = { ...state };
  await read(1000);
  const share = 1 - (state.asleep - before.asleep) / (state.now - before.now);
  assert.ok(share > 0.24 && share < 0.3, `${share}`);
});

test("others use it and do not feel us: nearly all of the time", async () => {
  const { pace, read } = world(200, 1);
  await read(3000);
  assert.equal(pace.share, 0.9);
});

test("they feel us only later, in the midst of pauses: down again", async () => {
  const { state, pace, read } = world(200, 1);
  await read(3000);
  state.slowdown = 2;
  await read(1000);
  assert.equal(pace.share, 0.25);
});

test("others are known of before a second is over, and little is read until it is known what they feel", async () => {
  const { state, pace, read } = world(200, 1);
  while (state.now < 300) await read(1);
  assert.ok(pace.share <= 0.3, `${pace.share}`);
  assert.equal(state.told, 1);
});

test("the server tells of others hardly once a second: they are not taken to be gone in between", async () => {
  const { state, pace, read } = world(200, 2, 1020);
  await read(500);
  assert.equal(state.told, 1);
  let most = 0;
  for (let count = 0; count < 3000; count++) {
    await read(1);
    most = Math.max(most, pace.share);
  }
  assert.equal(most, 0.25);
});

test("they go: no more pauses", async () => {
  const busy = { others: 0 };
  const state = { now: 0, asleep: 0 };
  const pace = new Pace({
    now: () => state.now,
    sleep: async (ms) => {
      state.now += ms;
      state.asleep += ms;
    },
    load: async () => ({ others: busy.others, answerMs: 1 }),
  });
  const read = async (batches: number, each: number) => {
    for (let count = 0; count < batches; count++) {
      busy.others += each;
      await pace.take(1, 1, signal);
      state.now += 10;
    }
  };
  await read(500, 5);
  assert.ok(pace.share < 1 && state.asleep > 0);
  await read(500, 0);
  assert.equal(pace.share, 1);
});

test("rows a second are a limit of their own", async () => {
  const pace = new Pace({ rowsPerSecond: 10_000 });
  const from = performance.now();
  for (let count = 0; count < 5; count++) await pace.take(2000, 10, signal);
  assert.ok(performance.now() - from > 600);
});
