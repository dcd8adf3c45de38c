import assert from "node:assert/strict";
import { test } from "node:test";

import * as fc from "fast-check";

import { compareKeys } from "./compare-keys.ts";
import { decodeField } from "./field.ts";
import { createRealEncoder, decodeReal } from "./real.ts";

test("reals keep all 64 bits", () => {
  const encode = createRealEncoder();
  const special = [
    0,
    -0,
    5e-324,
    -5e-324,
    2.225073858507201e-308,
    2 ** -1022,
    Number.MAX_VALUE,
    Infinity,
    -Infinity,
    0.1,
    1 / 3,
  ];
  for (const value of special) assert.ok(Object.is(decodeReal(encode(value)), value), encode(value));
  fc.assert(
    fc.property(fc.double({ noNaN: true }), (value) => {
      const encoded = encode(value);
      assert.ok(encoded.length <= 24, encoded);
      assert.ok(Object.is(decodeReal(encoded), value), encoded);
    }),
    { numRuns: 5000 },
  );
  assert.equal(encode(0.1), "r3602879701896397p-55");
});

test("what no field of ours looks like is refused", () => {
  for (const field of [
    "",
    "x",
    "i",
    "i1.5",
    "i12345678901234567890",
    "r1",
    "rp1",
    "r1p",
    '"',
    '"a',
    '"\\x"',
    "b0",
    "bzz",
    "t0g",
    "\\n",
    "N",
  ]) {
    assert.throws(() => decodeField(field), { code: "restore-mismatch" }, field);
  }
});

test("keys compare as SQLite's binary index walks, and are equal only when their bytes are", () => {
  const ascending = [
    "i-9223372036854775808",
    "i-10",
    "i-9",
    "i0",
    "i9",
    "i10",
    "i9223372036854775807",
    '""',
    '"\\u0001"',
    '"\\t"',
    '" "',
    '"!"',
    '"\\""',
    '"A"',
    '"\\\\"',
    '"a"',
    '"a b"',
    '"ab"',
    "t616263",
    '"abd"',
    Buffer.from('"é"').toString("latin1"),
    Buffer.from('"中"').toString("latin1"),
    "b",
    "b00",
    "b00FF",
    "b01",
  ];
  ascending.forEach((a, at) =>
    ascending.forEach((b, to) => {
      assert.equal(Math.sign(compareKeys(a, b)), Math.sign(at - to), `${a} ${b}`);
      assert.equal(Math.sign(compareKeys(`i5\t${a}\ti1`, `i5\t${b}\ti0`)), at === to ? 1 : Math.sign(at - to));
    }),
  );
  assert.notEqual(compareKeys('"a"', "t61"), 0);
});
