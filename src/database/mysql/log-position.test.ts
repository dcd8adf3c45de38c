import assert from "node:assert/strict";
import { test } from "node:test";
import { placeAfter } from "./log-position.ts";

test("places behind four gibibytes of a file are told apart from those at its beginning", () => {
  const wrap = 2 ** 32;
  const cases: readonly (readonly [before: number, low: number, place: number])[] = [
    [0, 4, 4],
    [0, wrap - 1, wrap - 1],
    [256, 344, 344],
    [344, 344, 344],
    [wrap - 10, 90, wrap + 90],
    [wrap + 90, 200, wrap + 200],
    [2 * wrap - 1, 5, 2 * wrap + 5],
    // A server that tells an older place again.
    [wrap + 200, 100, wrap + 100],
  ];
  for (const [before, low, place] of cases) assert.equal(placeAfter(before, low), place, `${before} ${low}`);
});
