import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { isHoldfastError } from "../lib/errors.ts";
import { decodePackHeader, maxHeaderBytes, PackHeader, sealedHeaderLength } from "./pack.ts";

const damaged = (error: unknown): boolean => isHoldfastError(error, "repository-damaged");

const blob = fc.record({
  type: fc.constantFrom("data" as const, "tree" as const),
  id: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  length: fc.integer({ min: 32, max: 9_000_000 }),
  uncompressedLength: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 9_000_000 })),
});

test("a header comes back as it was written, with running offsets", () => {
  fc.assert(
    fc.property(fc.array(blob, { maxLength: 40 }), (blobs) => {
      const header = new PackHeader();
      let offset = 0;
      const expected = blobs.map(({ id, ...rest }) => {
        header.add(rest.type, rest.length, rest.uncompressedLength, id);
        offset += rest.length;
        return { ...rest, id: Buffer.from(id).toString("hex"), offset: offset - rest.length };
      });
      assert.equal(header.blobs, blobs.length);
      assert.ok(header.bytes().length + 36 <= maxHeaderBytes(blobs.length));
      assert.deepEqual(decodePackHeader(header.bytes(), offset), expected);
      assert.throws(() => decodePackHeader(header.bytes(), offset + 1), damaged);
    }),
  );
});

test("whatever bytes a header has, it is read or refused", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.nat(), (bytes, size) => {
      try {
        decodePackHeader(bytes, size);
      } catch (error) {
        assert.ok(damaged(error));
      }
    }),
  );
  const header = new PackHeader();
  header.add("data", 100, 50, randomBytes(32));
  assert.throws(() => decodePackHeader(header.bytes().subarray(0, 40), 100), damaged);
  header.add("data", 31, 0, randomBytes(32));
  assert.throws(() => decodePackHeader(header.bytes(), 131), damaged);
});

test("the length field is believed only where it can be true", () => {
  const tail = (length: number): Buffer => {
    const bytes = Buffer.alloc(10);
    bytes.writeUInt32LE(length, 6);
    return bytes;
  };
  assert.equal(sealedHeaderLength(tail(69), 1000), 69);
  assert.equal(sealedHeaderLength(tail(996), 1000), 996);
  for (const length of [0, 68, 997, (16 << 20) + 1, 0xffff_ffff]) {
    assert.throws(() => sealedHeaderLength(tail(length), 1000), damaged);
  }
  assert.throws(() => sealedHeaderLength(Buffer.alloc(3), 3), damaged);
});
