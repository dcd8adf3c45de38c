import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { displayWidth, padEnd, padStart, truncate, wrap } from "./width.ts";

test("characters take the columns that a terminal gives them", () => {
  const widths: [string, number][] = [
    ["abc", 3],
    ["恢复点", 6],
    ["（全角）", 8],
    ["ﾊﾝｶｸ", 4],
    ["한국어", 6],
    ["e\u0301", 1],
    ["👍", 2],
    ["→ ✓", 3],
    ["…", 1],
    ["𠀀", 2],
    ["", 0],
  ];
  for (const [text, width] of widths) assert.equal(displayWidth(text), width, text);
});

test("whole classes of characters: Han, kana and Hangul syllables are wide, marks are nothing", () => {
  for (let code = 0x20; code < 0x30000; code++) {
    if (code >= 0xd800 && code < 0xe000) continue;
    const character = String.fromCodePoint(code);
    if (/\p{Unified_Ideograph}/u.test(character)) assert.equal(displayWidth(character), 2, code.toString(16));
    if (/^\p{Mn}$/u.test(character)) assert.equal(displayWidth(character), 0, code.toString(16));
    if (/^[\p{Script=Latin}\p{Script=Cyrillic}\p{Script=Greek}]$/u.test(character) && !/\p{M}/u.test(character)) {
      assert.equal(displayWidth(character), code >= 0xff00 && code < 0xff60 ? 2 : 1, code.toString(16));
    }
  }
});

test("padding and truncating reach the width that was asked for", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "恢", "复", " ", "é", "👍"), maxLength: 20 });
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 40 }), (one, width) => {
      const wanted = Math.max(width, displayWidth(one));
      assert.equal(displayWidth(padEnd(one, width)), wanted);
      assert.equal(displayWidth(padStart(one, width)), wanted);
      assert.ok(displayWidth(truncate(one, width)) <= width);
      if (displayWidth(one) <= width) assert.equal(truncate(one, width), one);
    }),
  );
});

test("wraps at spaces, and Chinese anywhere but before a stop and after an opening bracket", () => {
  assert.equal(wrap("only the database, as it was", 14), "only the\ndatabase, as\nit was");
  assert.equal(wrap("数据库的 URL，用于服务器", 12), "数据库的\nURL，用于服\n务器");
  assert.equal(wrap("全部还原（默认：latest）", 8), "全部还原\n（默认：\nlatest）");
  assert.equal(wrap("averylongword 无", 5), "averylongword\n无");
  assert.equal(wrap("", 5), "");
});
