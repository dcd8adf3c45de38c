import assert from "node:assert/strict";
import { test } from "node:test";
import { told } from "./told.ts";

test("what is told is given one by one, and not before it is asked for", async () => {
  const done: number[] = [];
  const values = told<number>(async (tell) => {
    for (let n = 1; n <= 3; n++) {
      await tell(n);
      done.push(n);
    }
  });
  assert.deepEqual(done, []);
  const seen: number[] = [];
  for await (const value of values) {
    assert.deepEqual(done, seen);
    seen.push(value);
  }
  assert.deepEqual(seen, [1, 2, 3]);
});

test("an error comes out where the values do", async () => {
  const values = told<number>(async (tell) => {
    await tell(1);
    throw new Error("broken");
  });
  await assert.rejects(Array.fromAsync(values), /broken/);
});

test("whoever stops ends it", async () => {
  let ended = "no";
  const values = told<number>(async (tell) => {
    try {
      for (let n = 0; ; n++) await tell(n);
    } finally {
      ended = "yes";
    }
  });
  for await (const value of values) if (value === 2) break;
  assert.equal(ended, "yes");
});
