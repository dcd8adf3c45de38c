import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { bitsOfNumber, bitsOfText, columnSigns, hasBits, signatureBytes, signRows } from "./row-signature.ts";

const { mixed, nothing, number, text } = columnSigns;
const utf8 = (value: string) => Buffer.from(value, "utf8").toString("latin1");

test("whatever is in a text is in the signature, at any place and in any case", () => {
  const field = fc.string({ unit: "grapheme", maxLength: 30 }).map((value) => value.replaceAll(/[\t\n]/g, " "));
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer(), field, field), { minLength: 1, maxLength: 30 }),
      fc.nat(),
      (rows, pick) => {
        const lines = Buffer.from(rows.map(([id, a, b]) => `${id}\t${a}\t"${b}\n`).join(""), "utf8");
        const signature = signRows(lines, Uint8Array.of(number, text, mixed));
        assert.equal(signature.length, signatureBytes);
        const [id, a, b] = rows[pick % rows.length] ?? assert.fail();
        assert.ok(hasBits(signature, 0, bitsOfNumber(0, String(id))));
        for (const value of [a, b]) {
          const piece = utf8(value.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase()));
          for (let at = 0; at < piece.length; at++)
            assert.ok(hasBits(signature, 0, bitsOfText(piece.slice(at, at + 9))));
        }
      },
    ),
  );
});

test("the bits of texts are those that the format names, and no others", () => {
  const field = fc.string({
    unit: fc.constantFrom("a", "Z", "[", "@", "`", "{", "é", "张", "\\", "\u000b", "\u0001"),
    maxLength: 20,
  });
  fc.assert(
    fc.property(fc.array(fc.tuple(field, field), { minLength: 1, maxLength: 10 }), (rows) => {
      const lines = Buffer.from(rows.map(([a, b]) => `${a}\t${b}\n`).join(""), "utf8");
      const expected = new Uint8Array(signatureBytes);
      for (const value of rows.flat()) {
        const piece = utf8(`\0\0${value.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())}`);
        for (const bit of bitsOfText(piece)) expected[bit >>> 3] = (expected[bit >>> 3] ?? 0) | (1 << (bit & 7));
      }
      assert.deepEqual(signRows(lines, Uint8Array.of(text, text)), expected);
    }),
    { numRuns: 300 },
  );
});

test("it leaves out what is not there, and columns that nobody looks into", () => {
  const signature = signRows(
    Buffer.from("1\t张伟有限公司\tsecret\n2\tBerlin\t\\N\n"),
    Uint8Array.of(number, text, nothing),
  );
  for (const there of ["张", "张伟", "伟有限", "berlin", "ber"])
    assert.ok(hasBits(signature, 0, bitsOfText(utf8(there))), there);
  for (const absent of ["王", "张有", "secret", "司ber", "hamburg"]) {
    assert.ok(!hasBits(signature, 0, bitsOfText(utf8(absent))), absent);
  }
  assert.ok(hasBits(signature, 0, bitsOfNumber(0, "2")));
  assert.ok(!hasBits(signature, 0, bitsOfNumber(0, "3")));
  assert.ok(!hasBits(signature, 0, bitsOfNumber(1, "2")));
});

test("the bits are forever: they stand in repositories", () => {
  assert.deepEqual(bitsOfText("abc"), bitsOfText("xabcx").slice(1, 2));
  assert.deepEqual(
    [bitsOfText("abc"), bitsOfText(utf8("张")), bitsOfNumber(2, "i12")],
    [[3432], [12165], [17157, 29357]],
  );
  const signature = signRows(Buffer.from('i1\t"abc"\ti12\tr3p0\n'), Uint8Array.of(nothing, mixed, mixed, mixed));
  assert.equal(
    signature.reduce((sum, byte) => sum + byte.toString(2).replaceAll("0", "").length, 0),
    5 + 2,
  );
});
