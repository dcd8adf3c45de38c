import assert from "node:assert/strict";
import { test } from "node:test";
import { contactTable, rules } from "../../../test/support/table-model.ts";
import { keysHeader, keysLine, parseKeys } from "./keys-file.ts";
import { rowOrder } from "./row-order.ts";

const order = rowOrder(contactTable, rules);
const blob = { id: "a".repeat(64), bytes: 8 << 20 };
const parsed = (lines: readonly string[]) =>
  parseKeys(
    Buffer.from(keysHeader(contactTable) + lines.join(""), "latin1"),
    { rows: lines.map(() => blob), deleted: [] },
    order,
    "keys",
  );
const first = (rows: number) => keysLine("r", rows, blob.bytes, "i1");
const more = keysLine("r", 0, blob.bytes, undefined);
const damaged = { code: "repository-damaged" };

test("a chunk that would hold more rows than bytes, or more bytes than any row has, is damage before it is read", () => {
  assert.equal(parsed([first(1), more, more]).rows[0]?.bytes, 3 * blob.bytes);
  assert.equal(parsed([first(blob.bytes)]).rows.length, 1);
  assert.throws(() => parsed([first(blob.bytes + 1)]), damaged);
  assert.throws(() => parsed([first(999_999_999_999_999)]), damaged);
  assert.throws(() => parsed([first(1), ...Array.from({ length: 256 }, () => more)]), damaged);
});
