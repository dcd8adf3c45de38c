import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { contactTable, rules } from "../../../test/support/table-model.ts";
import { commonLines, keyAt, lastLineStart, lineEnd, lowerBound, rowOrder } from "./row-order.ts";

const order = rowOrder(contactTable, rules);
const lines = fc
  .uniqueArray(fc.nat(2000), { maxLength: 60 })
  .map((ids) => ids.toSorted((a, b) => a - b).map((id) => `i${id}\tt${"x".repeat((id * 13) % 150)}\n`));

test("a key is found where it is, or where it would be", () => {
  fc.assert(
    fc.property(lines, fc.nat(2000), (rows, id) => {
      const bytes = Buffer.from(`before\n${rows.join("")}`);
      const expected = rows.filter((row) => Number(row.slice(1, row.indexOf("\t"))) < id).join("").length;
      assert.equal(lowerBound(order, bytes, 7, bytes.length, `i${id}`), 7 + expected);
    }),
  );
});

test("lines that two stretches begin with are whole lines", () => {
  fc.assert(
    fc.property(lines, lines, fc.nat(60), (a, b, shared) => {
      const same = a.slice(0, shared).join("");
      const [left, right] = [`${same}${a.slice(shared).join("")}`, `${same}${b.join("")}`];
      let expected = 0;
      for (let at = 0; at < Math.min(left.length, right.length) && left[at] === right[at]; at++) {
        if (left[at] === "\n") expected = at + 1;
      }
      const [one, other] = [Buffer.from(`?${left}`), Buffer.from(`??${right}`)];
      assert.equal(commonLines(one, 1, one.length, other, 2, other.length), expected);
    }),
  );
});

test("keys of several columns, line ends and last lines", () => {
  const bytes = Buffer.from('i1\t"a"\tb00\n\ni2\t"b"\n');
  const two = rowOrder({ ...contactTable, keyLength: 2 }, rules);
  assert.equal(lineEnd(bytes, 0, bytes.length), 10);
  assert.equal(lineEnd(bytes, 0, 5), -1);
  assert.equal(keyAt(two, bytes, 0, 10), 'i1\t"a"');
  assert.equal(keyAt(two, bytes, 12, 18), 'i2\t"b"');
  assert.equal(lastLineStart(bytes, 0, bytes.length), 12);
  assert.equal(lastLineStart(bytes, 12, bytes.length), 12);
  const long = Buffer.from(`${"x".repeat(500)}\n`);
  assert.equal(lineEnd(long, 3, long.length), 500);
});
