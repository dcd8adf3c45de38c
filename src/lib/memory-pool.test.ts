import assert from "node:assert/strict";
import { test } from "node:test";
import { freeMemory, isAlone, takeMemory } from "./memory-pool.ts";

test("memory that was given back is lent again, and empty for whoever still holds it", () => {
  const first = takeMemory(300_000);
  first.fill(7);
  assert.equal(first.length, 300_000);
  freeMemory(first);
  assert.equal(first.length, 0);
  const second = takeMemory(400_000);
  assert.equal(second.length, 400_000);
  assert.equal(second[299_999], 7, "the same memory");
  const third = takeMemory(400_000);
  third.fill(1);
  assert.equal(second[0], 7, "nobody else's meanwhile");
});

test("a part of a piece frees nothing", () => {
  const whole = takeMemory(300_000);
  for (const part of [whole.subarray(0, 200_000), whole.subarray(1), whole.subarray(1, 299_999)]) {
    assert.equal(isAlone(part), false);
    freeMemory(part);
  }
  assert.equal(whole.length, 300_000);
  assert.ok(isAlone(whole));
});

test("what another thread gave back is lent again, whatever was asked for of it", () => {
  const sent = takeMemory(3_000_000);
  const buffer = sent.buffer as ArrayBuffer;
  const moved = structuredClone(buffer, { transfer: [buffer] });
  freeMemory(new Uint8Array(moved));
  assert.equal(moved.byteLength, 0);
  assert.equal(takeMemory(3_000_000).buffer.byteLength, 4 << 20);
});

test("a few large pieces take the place of all the small ones before them", () => {
  const small = Array.from({ length: 128 }, () => takeMemory(256 << 10));
  for (const piece of small) piece[0] = 5;
  for (const piece of small) freeMemory(piece);
  const large = Array.from({ length: 4 }, () => takeMemory(8 << 20));
  for (const piece of large) freeMemory(piece);
  const again = Array.from({ length: 128 }, () => takeMemory(256 << 10));
  assert.equal(again.filter((piece) => piece[0] === 5).length, 0);
});

test("no more than a few pieces are kept", () => {
  const pieces = Array.from({ length: 12 }, () => takeMemory(8 << 20));
  for (const piece of pieces) piece[0] = 9;
  for (const piece of pieces) freeMemory(piece);
  const again = Array.from({ length: 12 }, () => takeMemory(8 << 20));
  assert.equal(again.filter((piece) => piece[0] === 9).length, 4);
});
