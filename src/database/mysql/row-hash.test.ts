import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import { rowHash } from "./row-hash.ts";

/** They stand in repositories: a change of these values is a change of the format. */
const known: readonly (readonly [line: string, hash: string])[] = [
  ["", "0"],
  ["123456789", "cbf43926e3069283"],
  [String.raw`1	a\tb\\\0\n\r	\N`, "1bdf9ee76732d7eb"],
  [String.raw`\N	\N	x`, "c65b25a8dc2c7994"],
];

test("the hash of a line has its known values, which MariaDB computes too (`round-trip.test.ts`)", () => {
  for (const [line, hash] of known) {
    const bytes = Buffer.from(`..${line}..`, "latin1");
    assert.equal(rowHash(bytes, 2, bytes.length - 2).toString(16), hash, line);
  }
});

test("one half of it is zlib's CRC-32 of the bytes that a line stands for, wherever it has escapes", () => {
  for (let length = 0; length < 20; length++) {
    for (let at = 0; at <= length; at++) {
      const plain = "0123456789abcdefghij".slice(0, length);
      const bytes = Buffer.from(String.raw`${plain.slice(0, at)}\n${plain.slice(at)}`, "latin1");
      const hash = rowHash(bytes, 0, bytes.length);
      assert.equal(Number(hash >> 32n), crc32(`${plain.slice(0, at)}\n${plain.slice(at)}`), bytes.toString("latin1"));
    }
  }
});
