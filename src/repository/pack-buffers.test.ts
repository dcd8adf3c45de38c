import assert from "node:assert/strict";
import { test } from "node:test";
import {
  makePackBuffer,
  offerPackBuffer,
  packBufferBytes,
  packRoom,
  takePackBuffer,
  type PackBuffer,
} from "./pack-buffers.ts";

test("a buffer that came back goes to whoever asks first, and to nobody else until it came back again", () => {
  const told: readonly PackBuffer[][] = [[], []];
  const tell = (buffer: PackBuffer): void => {
    for (const queue of told) queue.push(buffer);
  };
  const take = (thread: number) => takePackBuffer(() => told[thread]?.shift());
  const [first, second] = [makePackBuffer(5), makePackBuffer(5)];
  assert.equal(take(0), undefined);
  offerPackBuffer(first, tell);
  assert.equal(take(1), first);
  assert.equal(take(0), undefined);
  offerPackBuffer(first, tell);
  offerPackBuffer(second, tell);
  assert.equal(take(0), first);
  assert.equal(take(1), second, "what another has taken is passed over");
  assert.equal(take(0), undefined);
  // One who never asks has a long list of what others have had meanwhile.
  for (let round = 0; round < 3; round++) {
    offerPackBuffer(first, tell);
    assert.equal(take(0), first);
  }
  assert.equal(take(1), undefined);
});

test("what is written to a pack is no mark, and what is too long is not kept", () => {
  const buffer = makePackBuffer(5);
  assert.equal(buffer.byteLength, packBufferBytes);
  packRoom(buffer).fill(0xff);
  const told = [buffer];
  assert.equal(
    takePackBuffer(() => told.shift()),
    undefined,
  );
  const huge = makePackBuffer(packBufferBytes + 1);
  assert.ok(packRoom(huge).length > packBufferBytes);
  offerPackBuffer(huge, () => assert.fail("kept"));
});
