import assert from "node:assert/strict";
import { test } from "node:test";
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
