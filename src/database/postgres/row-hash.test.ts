import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { rowHash } from "./row-hash.ts";

/** From PostgreSQL 15: `SELECT to_hex(hashtextextended(line COLLATE "C", 0))`, control characters as they are. */
const known: readonly (readonly [line: string, hash: string])[] = [
  ["", "9fb1b765a7ea466d"],
  ["1", "78760575da61aaf9"],
  ["12\ta", "53bdf8182e1d01ec"],
  ["\\N", "1a814326e40f227b"],
  ["12345678901", "3936a7bf6259ed3a"],
  ["123456789012", "d0fc95ef82b5257d"],
  ["1234567890123", "20f0549c1a136a60"],
  ["1\t\\N\tx", "574d217538db4ed5"],
  ["tab\\there\\nand \\\\t \\\\", "b0489ce2e18f65f1"],
  ["合同\t张伟", "74529b678d8b6b8d"],
  ["a\\b\\f\\r\\v\\\\N", "26d64ec12c22eba6"],
  [
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "9fde540a46066f26",
  ],
];

test("hashes are the database's own, for ever", () => {
  for (const [line, hash] of known) {
    const bytes = Buffer.from(`??${line}\n`);
    assert.equal(rowHash(bytes, 2, bytes.length - 1).toString(16), hash, JSON.stringify(line));
  }
});

test("an escape counts as the character it stands for, wherever it is, and what is none as it stands", () => {
  const controls = [...Object.entries({ b: "\b", t: "\t", n: "\n", v: "\v", f: "\f", r: "\r" })];
  const piece = fc.oneof(
    fc.constantFrom(...controls.map(([letter, character]) => [`\\${letter}`, character] as const)),
    fc.constantFrom("\\\\", "\\N", "N", "n").map((text) => [text, text] as const),
    fc.stringMatching(/^[a-z\t]{0,20}$/).map((text) => [text, text] as const),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const [line, plain] = [0, 1].map((side) => Buffer.from(pieces.map((one) => one[side]).join("")));
      assert.ok(line && plain);
      assert.equal(rowHash(line, 0, line.length), rowHash(plain, 0, plain.length));
    }),
    { numRuns: 500 },
  );
});
