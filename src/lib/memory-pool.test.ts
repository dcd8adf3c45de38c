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

const MB = 1 << 20;

/** Bytes that all buffers of this thread hold now: what is in a new piece says nothing, since the system's memory is used again too. */
const held = () => process.memoryUsage().arrayBuffers;

function takeAndFree(count: number, length: number): void {
  for (const piece of Array.from({ length: count }, () => takeMemory(length))) freeMemory(piece);
}

test("no more than 32 MB are kept, and they are lent before new ones are made", () => {
  const before = held();
  takeAndFree(12, 8 * MB);
  const kept = held();
  assert.ok(kept - before <= 32 * MB, `${kept - before} bytes are kept`);
  const again = Array.from({ length: 4 }, () => takeMemory(8 * MB));
  assert.ok(held() - kept < 8 * MB, "all four had been kept");
  assert.equal(again.length, 4);
});

test("a few large pieces take the place of all the small ones before them", () => {
  const before = held();
  takeAndFree(128, MB / 4);
  takeAndFree(4, 8 * MB);
  assert.ok(held() - before <= 32 * MB, `${held() - before} bytes are kept`);
});
