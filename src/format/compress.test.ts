import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { isHoldfastError } from "../lib/errors.ts";
import { compress, compressBound, decompress } from "./compress.ts";
import { ZstdDecoder, ZstdEncoder, ZstdStreamEncoder } from "./zstd-context.ts";

const damaged = (error: unknown): boolean => isHoldfastError(error, "repository-damaged");

test("one-shot: round trip, with the content size in the frame", () => {
  for (const length of [0, 1, 255, 256, 70_000, 3_000_000]) {
    const bytes = Buffer.alloc(length, "holdfast ");
    const frame = compress(bytes);
    assert.deepEqual(decompress(frame, length), bytes);
    // Frame header, RFC 8878 §3.1.1.1: a content-size flag, or a single segment, means that the size is there.
    assert.ok(length === 0 || ((frame[4] ?? 0) & 0b1110_0000) !== 0);
  }
  const noise = randomBytes(1 << 20);
  assert.ok(compress(noise).length <= compressBound(noise.length));
});

test("one-shot: more than asked for, and what is no frame, is refused", () => {
  assert.throws(() => decompress(compress(Buffer.alloc(1000)), 999), damaged);
  assert.throws(() => decompress(Buffer.from("no frame"), 100), damaged);
  assert.throws(() => decompress(compress(randomBytes(500)).subarray(0, 400), 500), damaged);
});

test("one-shot: whatever the header says of the size, what is in the frame counts", () => {
  const bytes = Buffer.alloc(5_000_000, "holdfast ");
  const stream = new ZstdStreamEncoder();
  stream.write(bytes);
  const untold = stream.finish();
  assert.equal((untold[4] ?? 0) >> 5, 0, "the header says nothing");
  assert.deepEqual(decompress(untold, 5_000_000), bytes);
  for (const length of [0, 4_999_999, 5_000_001, 0xffff_ffff]) {
    const lying = compress(bytes);
    assert.equal((lying[4] ?? 0) >> 5, 0b100, "four bytes, after the window's");
    lying.writeUInt32LE(length, 6);
    assert.throws(() => decompress(lying, 512 << 20), damaged);
  }
});

test("contexts: blobs of all sizes in any order, the same as one-shot", () => {
  const encoder = new ZstdEncoder();
  const decoder = new ZstdDecoder();
  const scratch = Buffer.alloc(3000);
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 2000 }),
    fc.nat({ max: 300_000 }).map((length) => Buffer.alloc(length, "row\t1\tname\n")),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      for (const bytes of pieces) {
        const target = Buffer.alloc(compressBound(bytes.length) + 7);
        const frame = target.subarray(7, 7 + encoder.compressInto(target, 7, bytes));
        assert.deepEqual(decoder.decompress(frame, bytes.length, scratch), Buffer.from(bytes));
        assert.deepEqual(decompress(frame, bytes.length), Buffer.from(bytes));
      }
    }),
    { numRuns: 50 },
  );
});

test("contexts: a damaged frame is refused and the next one is read", () => {
  const decoder = new ZstdDecoder();
  const bytes = Buffer.alloc(50_000, "some text, again and again; ");
  const good = compress(bytes);
  const noise = randomBytes(4000);
  const bad = [
    good.subarray(0, good.length - 1),
    Buffer.from("no frame at all"),
    Buffer.alloc(0),
    compress(noise).subarray(0, 2000),
  ];
  for (const frame of bad) {
    assert.throws(() => decoder.decompress(frame, bytes.length), damaged);
    assert.deepEqual(decoder.decompress(good, bytes.length), bytes);
  }
  assert.throws(() => decoder.decompress(good, bytes.length - 1), damaged);
  assert.throws(() => decoder.decompress(good, bytes.length + 1), damaged);
  assert.deepEqual(decoder.decompress(compress(noise), noise.length), noise);
});
