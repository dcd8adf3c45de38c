import assert from "node:assert/strict";
import { test } from "node:test";
import { runsOutweigh, sizesFor, tableSizes } from "./table-sizes.ts";

const gib = 2 ** 30;

test("chunks double with each fourfold of a table above 4 GiB", () => {
  const mostChunks = (bytes: number) => sizesFor(tableSizes, bytes * gib).chunkMax >> 10;
  assert.deepEqual([1, 4, 5, 16, 17, 64, 1024].map(mostChunks), [128, 128, 256, 256, 512, 512, 2048]);
});

test("runs outweigh a base above a quarter of it and 1 MiB", () => {
  const mib = 2 ** 20;
  assert.equal(runsOutweigh(tableSizes, mib, 0), false);
  assert.equal(runsOutweigh(tableSizes, mib + 1, 0), true);
  assert.equal(runsOutweigh(tableSizes, 25 * mib, 100 * mib), false);
  assert.equal(runsOutweigh(tableSizes, 25 * mib + 1, 100 * mib), true);
});
