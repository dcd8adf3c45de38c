import assert from "node:assert/strict";
import { createCipheriv, randomBytes } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { isHoldfastError } from "../lib/errors.ts";
import { alignedLength, seal, sealOverhead, SealRun, unseal, UnsealRun, type MasterKey } from "./crypto.ts";

const counting = (from: number, length: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => from + i));

const vectorKey: MasterKey = { encrypt: counting(0x00, 32), macK: counting(0x20, 16), macR: counting(0x30, 16) };
const vectorIv = counting(0x40, 16);
const damaged = (error: unknown): boolean => isHoldfastError(error, "repository-damaged");

function randomKey(): MasterKey {
  return { encrypt: randomBytes(32), macK: randomBytes(16), macR: randomBytes(16) };
}

test("a sealed piece made by another implementation opens", () => {
  const ciphertext = Buffer.from("d85cb150f33fc9cda9203fba87", "hex");
  const tag = Buffer.from("69c47f91ec41da1bcc2336ae529e6752", "hex");
  assert.equal(unseal(vectorKey, Buffer.concat([vectorIv, ciphertext, tag])).toString(), '{"nodes":[]}\n');
});

test("the tag of an empty message is AES of the nonce", () => {
  const tag = Buffer.from("859469c07743c7e45b318d151d3d87e9", "hex");
  assert.equal(unseal(vectorKey, Buffer.concat([vectorIv, tag])).length, 0);
});

test("the counter wraps at 128 bits", () => {
  const cipher = createCipheriv("aes-256-ctr", vectorKey.encrypt, Buffer.alloc(16, 0xff));
  assert.equal(
    cipher.update(Buffer.alloc(32)).toString("hex"),
    "e999e41d4ca770da5387117b5d8f57eef29000b62a499fd0a9f39a6add2e7780",
  );
});

test("what was sealed opens again, and is refused after any change", () => {
  const key = randomKey();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(), (plaintext, position) => {
      const sealed = seal(key, plaintext);
      assert.equal(sealed.length, plaintext.length + sealOverhead);
      assert.deepEqual(unseal(key, sealed), Buffer.from(plaintext));
      const at = position % sealed.length;
      sealed[at] = (sealed[at] ?? 0) ^ 1;
      assert.throws(() => unseal(key, sealed), damaged);
      assert.throws(() => unseal(key, sealed.subarray(0, at)), damaged);
    }),
  );
});

test("two seals of one text differ", () => {
  assert.notDeepEqual(seal(vectorKey, Buffer.from("a")), seal(vectorKey, Buffer.from("a")));
});

test("pieces of a run open alone, in order and out of order, and share no counter", () => {
  const key = randomKey();
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 70 }), { minLength: 1, maxLength: 12 }), (pieces) => {
      const run = new SealRun(key);
      const first = Buffer.alloc(5 + sealOverhead);
      run.sealInto(first, 0, Buffer.from("first"));
      const lengths = pieces.map((piece) => piece.length);
      const staged = Buffer.alloc(lengths.reduce((sum, length) => sum + alignedLength(length), 0));
      let at = 0;
      for (const piece of pieces) {
        staged.set(piece, at);
        at += alignedLength(piece.length);
      }
      const target = Buffer.alloc(lengths.reduce((sum, length) => sum + length + sealOverhead, 0));
      assert.equal(run.sealAllInto(target, 0, staged, lengths), target.length);
      const together = new UnsealRun(key).unsealAll(target, lengths);
      assert.equal(together.length, staged.length);
      let start = 0;
      for (const piece of pieces) {
        assert.deepEqual(together.subarray(start, start + piece.length), Buffer.from(piece));
        start += alignedLength(piece.length);
      }
      let offset = 0;
      const sealed = pieces.map((piece) => {
        const part = target.subarray(offset, offset + piece.length + sealOverhead);
        offset += part.length;
        return part;
      });
      const opener = new UnsealRun(key);
      assert.equal(opener.unseal(first).toString(), "first");
      const opened = sealed.map((part) => opener.unseal(part));
      const backwards = sealed.toReversed().map((part) => new UnsealRun(key).unseal(part));
      for (const [index, piece] of pieces.entries()) {
        assert.deepEqual(opened[index], Buffer.from(piece));
        assert.deepEqual(backwards.toReversed()[index], Buffer.from(piece));
      }
      let next = toNumber(first.subarray(0, 16)) + 1n;
      for (const [index, part] of sealed.entries()) {
        assert.equal(toNumber(part.subarray(0, 16)), next);
        next = (next + BigInt(alignedLength(lengths[index] ?? 0) / 16)) % 2n ** 128n;
      }
    }),
  );
});

function toNumber(iv: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(iv).toString("hex")}`);
}

test("pieces opened together: a flipped bit anywhere, another order or other lengths are refused", () => {
  const key = randomKey();
  const lengths = [20, 16, 3];
  const sealed = Buffer.alloc(39 + 3 * sealOverhead);
  new SealRun(key).sealAllInto(sealed, 0, Buffer.alloc(32 + 16 + 16, 7), lengths);
  assert.equal(new UnsealRun(key).unsealAll(sealed, lengths).length, 64);
  for (let at = 0; at < sealed.length; at++) {
    const broken = Buffer.from(sealed);
    broken[at] = (broken[at] ?? 0) ^ 1;
    assert.throws(() => new UnsealRun(key).unsealAll(broken, lengths), damaged);
  }
  const [first, rest] = [sealed.subarray(0, 52), sealed.subarray(52)];
  assert.throws(() => new UnsealRun(key).unsealAll(Buffer.concat([rest, first]), [16, 3, 20]), damaged);
  assert.throws(() => new UnsealRun(key).unsealAll(sealed, [16, 20, 3]), damaged);
});
