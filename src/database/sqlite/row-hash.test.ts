import assert from "node:assert/strict";
import { test } from "node:test";

import { rowHash } from "./row-hash.ts";

test("the values that stand in repositories never change", () => {
  const known: Readonly<Record<string, bigint>> = {
    "": 0x6e7f66cddd059361n,
    i1: 0x21bd5e12ce43ff29n,
    i12: 0xc0127a8f2dc16e76n,
    i123: 0x8d79219aee1fb9a7n,
    'i1\t"a"': 0x6e8b31cb37308528n,
    "i9007199254740993\t\\N\tr3p-1\tb00FF": 0x123671cc0ddeeac4n,
    中文: 0xb8ade336f4235c58n,
  };
  for (const [line, hash] of Object.entries(known)) {
    const bytes = Buffer.from(`before${line}after`);
    assert.equal(rowHash(bytes, 6, bytes.length - 5), hash, line);
  }
});

test("small differences change about half of the bits, and sums of neighbouring rows do not collide", () => {
  const sums = new Set<bigint>();
  let flipped = 0;
  for (let id = 0; id < 20_000; id++) {
    const line = Buffer.from(`i${id}\t"name"\ti1`);
    const other = Buffer.from(`i${id}\t"name"\ti2`);
    const one = rowHash(line, 0, line.length);
    const two = rowHash(other, 0, other.length);
    sums.add(BigInt.asUintN(64, one + two));
    flipped += (one ^ two).toString(2).replaceAll("0", "").length;
  }
  assert.equal(sums.size, 20_000);
  assert.ok(Math.abs(flipped / 20_000 - 32) < 1, String(flipped / 20_000));
});
