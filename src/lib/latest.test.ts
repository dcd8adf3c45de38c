import assert from "node:assert/strict";
import { test } from "node:test";
import { Latest } from "./latest.ts";

test("the oldest note goes first, and one that is made again is new", () => {
  const latest = new Latest<number>(3);
  for (const [at, key] of ["a", "b", "c", "a", "d"].entries()) latest.set(key, at);
  assert.deepEqual(
    ["a", "b", "c", "d"].map((key) => latest.get(key)),
    [3, undefined, 2, 4],
  );
});
