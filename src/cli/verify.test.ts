import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSubset } from "./verify.ts";

test("a part of the data is a fraction, a percentage or a size", () => {
  assert.deepEqual(parseSubset("2/10"), { kind: "part", part: 2, of: 10 });
  assert.deepEqual(parseSubset("256/256"), { kind: "part", part: 256, of: 256 });
  assert.deepEqual(parseSubset("12.5%"), { kind: "percent", percent: 12.5 });
  assert.deepEqual(parseSubset("100%"), { kind: "percent", percent: 100 });
  assert.deepEqual(parseSubset("5G"), { kind: "bytes", bytes: 5_000_000_000 });
  assert.deepEqual(parseSubset("500MiB"), { kind: "bytes", bytes: 500 << 20 });
  for (const wrong of ["0/5", "6/5", "1/257", "0%", "101%", "-1%", "", "some", "5G/s", "1/"]) {
    assert.equal(parseSubset(wrong), undefined, wrong);
  }
});
