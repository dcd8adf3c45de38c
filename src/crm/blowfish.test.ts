import assert from "node:assert/strict";
import { test } from "node:test";
import { blowfishDecrypt } from "./blowfish.ts";

/** Of the test vectors that Eric Young published for Blowfish: key, plain text, cipher text. */
const vectors = [
  ["0000000000000000", "0000000000000000", "4ef997456198dd78"],
  ["ffffffffffffffff", "ffffffffffffffff", "51866fd5b85ecb8a"],
  ["3000000000000000", "1000000000000001", "7d856f9a613063f2"],
  ["fedcba9876543210", "0123456789abcdef", "0aceab0fc6a0a28d"],
  ["f0e1d2c3b4a59687", "fedcba9876543210", "e87a244e2cc85e82"],
] as const;

test("the published vectors", () => {
  for (const [key, plain, cipher] of vectors) {
    assert.equal(blowfishDecrypt(Buffer.from(key, "hex"), Buffer.from(cipher, "hex"))?.toString("hex"), plain);
  }
});

test("what is no key, or no whole blocks, is refused", () => {
  assert.equal(blowfishDecrypt(Buffer.alloc(0), Buffer.alloc(8)), undefined);
  assert.equal(blowfishDecrypt(Buffer.alloc(57), Buffer.alloc(8)), undefined);
  assert.equal(blowfishDecrypt(Buffer.alloc(8), Buffer.alloc(9)), undefined);
});
