import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { escapeName, tableFolder, unescapeName } from "./layout.ts";

test("a name comes back from its escaped form, which every file system takes", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 40 }), (name) => {
      const wellFormed = name.toWellFormed();
      const escaped = escapeName(wellFormed);
      assert.match(escaped, /^[a-z0-9._-]{1,200}$/);
      assert.notEqual(escaped, ".");
      assert.notEqual(escaped, "..");
      const back = unescapeName(escaped);
      if (back !== undefined) assert.equal(back, wellFormed);
      else assert.ok(escaped.length > 120);
    }),
  );
});

test("names that differ only in case, and long ones that begin alike, stay apart", () => {
  assert.notEqual(escapeName("Contact"), escapeName("contact"));
  assert.equal(tableFolder("main", "客户/Kunde"), "tables/main/.e5.ae.a2.e6.88.b7.2f.4bunde");
  assert.notEqual(escapeName(`${"客".repeat(90)}a`), escapeName(`${"客".repeat(90)}b`));
  assert.equal(unescapeName(escapeName("")), "");
});

test("what is not an escaped name is refused", () => {
  for (const name of ["..", "A", "a/b", ".4", ".zz"]) assert.throws(() => unescapeName(name), /repository-damaged/);
});
