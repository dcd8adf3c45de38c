import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { Chunker, gearTable, maxChunk, minChunk } from "./chunker.ts";

const table = gearTable(Buffer.alloc(32, 7));

/** Noise that is the same in each run. */
function noise(length: number, seed: number): Buffer {
  return createCipheriv("aes-128-ctr", Buffer.alloc(16, seed), Buffer.alloc(16)).update(Buffer.alloc(length));
}

/** Lengths of all chunks, the bytes given in steps of `step`. */
function chunkLengths(bytes: Buffer, step: number, secretTable = table): number[] {
  const chunker = new Chunker(secretTable);
  const lengths: number[] = [];
  let start = 0;
  let end = 0;
  while (start < bytes.length) {
    const cut = chunker.cut(bytes, start, end);
    if (cut !== undefined) {
      lengths.push(cut - start);
      start = cut;
    } else if (end < bytes.length) end = Math.min(bytes.length, end + step);
    else {
      lengths.push(end - start);
      break;
    }
  }
  return lengths;
}

test("chunks keep the limits and are about 1 MiB", () => {
  const lengths = chunkLengths(noise(64 << 20, 1), 1 << 20);
  assert.ok(lengths.slice(0, -1).every((length) => length >= minChunk && length <= maxChunk));
  const mean = (64 << 20) / lengths.length;
  assert.ok(mean > 0.8 * (1 << 20) && mean < 1.3 * (1 << 20), `mean ${mean}`);
  assert.deepEqual(chunkLengths(Buffer.alloc(20 << 20), 1 << 20), [maxChunk, maxChunk, 4 << 20]);
});

test("the cuts do not depend on how the bytes arrive", () => {
  const bytes = noise(6 << 20, 2);
  const whole = chunkLengths(bytes, bytes.length);
  fc.assert(
    fc.property(fc.integer({ min: 1000, max: 2 << 20 }), (step) => {
      assert.deepEqual(chunkLengths(bytes, step), whole);
    }),
    { numRuns: 15 },
  );
  assert.deepEqual(chunkLengths(bytes.subarray(0, 700_000), 1), chunkLengths(bytes.subarray(0, 700_000), 700_000));
});

test("an insertion moves few cuts, another secret all", () => {
  const bytes = noise(32 << 20, 3);
  const ends = (lengths: number[]): Set<number> => {
    let end = 0;
    return new Set(lengths.map((length) => (end += length)));
  };
  const before = ends(chunkLengths(bytes, 1 << 20));
  const inserted = Buffer.concat([bytes.subarray(0, 10_000_000), Buffer.from("new"), bytes.subarray(10_000_000)]);
  const after = [...ends(chunkLengths(inserted, 1 << 20))].filter((end) =>
    before.has(end < 10_000_000 ? end : end - 3),
  );
  assert.ok(after.length >= before.size - 3, `${after.length} of ${before.size}`);
  const other = ends(chunkLengths(bytes, 1 << 20, gearTable(Buffer.alloc(32, 8))));
  assert.ok([...other].filter((end) => before.has(end)).length <= 1);
});
