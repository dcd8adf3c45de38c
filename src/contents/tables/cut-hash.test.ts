import assert from "node:assert/strict";
import { test } from "node:test";
import { cutHash, cutKeyFrom } from "./cut-hash.ts";

const key = cutKeyFrom(Buffer.from("0123456789abcdef"));

test("the hash is that of the bytes, wherever they lie, and of the secret", () => {
  for (let length = 0; length < 20; length++) {
    const bytes = Buffer.from(`xx${"abcdefghijklmnopqrstuvwxyz".slice(0, length)}yy`);
    const alone = bytes.subarray(2, 2 + length);
    assert.equal(cutHash(key, bytes, 2, 2 + length), cutHash(key, Buffer.from(alone), 0, length));
    const other = cutKeyFrom(Buffer.from("0123456789abcdeX").subarray(8));
    assert.notEqual(cutHash(key, bytes, 2, 2 + length), cutHash(other, bytes, 2, 2 + length));
  }
});

test("smallest hashes are spread evenly over consecutive keys", () => {
  const counts = Array.from({ length: 10 }, () => 0);
  for (let window = 0; window < 5000; window++) {
    let best = 0;
    let least = Infinity;
    for (let at = 0; at < 10; at++) {
      const bytes = Buffer.from(`i${window * 10 + at}`);
      const hash = cutHash(key, bytes, 0, bytes.length);
      if (hash < least) [best, least] = [at, hash];
    }
    counts[best] = (counts[best] ?? 0) + 1;
  }
  for (const count of counts) assert.ok(count > 400 && count < 600, counts.join(" "));
});
