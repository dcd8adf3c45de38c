import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { byteName, nameFromText, type ByteName } from "../lib/byte-name.ts";
import { goJsonString } from "./go-json.ts";
import { quoteName, unquoteName } from "./name.ts";

/** Raw name and the JSON that restic 0.14 wrote for it. */
const golden: readonly (readonly [string | Buffer, string])[] = [
  ["plain.txt", '"plain.txt"'],
  ["with space", '"with space"'],
  ["quote\"s'", '"quote\\\\\\"s\'"'],
  ["back\\slash", '"back\\\\\\\\slash"'],
  ["lt<gt>amp&", '"lt\\u003cgt\\u003eamp\\u0026"'],
  ["tab\tnewline\nreturn\r", '"tab\\\\tnewline\\\\nreturn\\\\r"'],
  ["\x07\b\f\v", '"\\\\a\\\\b\\\\f\\\\v"'],
  ["\x01\x1f\x7f", '"\\\\x01\\\\x1f\\\\x7f"'],
  ["nbsp\u00a0", '"nbsp\\\\u00a0"'],
  ["soft\u00ad", '"soft\\\\u00ad"'],
  ["合同.pdf", '"合同.pdf"'],
  ["ü\u0308", '"ü\u0308"'],
  ["😀", '"😀"'],
  ["\u{10ffff}", '"\\\\U0010ffff"'],
  ["\ufeff", '"\\\\ufeff"'],
  ["\ufffd", '"\ufffd"'],
  ["\u2028\u2029", '"\\\\u2028\\\\u2029"'],
  ["\u200b", '"\\\\u200b"'],
  ["\u3000", '"\\\\u3000"'],
  ["\ue000", '"\\\\ue000"'],
  [Buffer.from([0xff]), '"\\\\xff"'],
  [Buffer.from([0xed, 0xa0, 0x80]), '"\\\\xed\\\\xa0\\\\x80"'],
  [Buffer.from([0xc0, 0xaf]), '"\\\\xc0\\\\xaf"'],
  [Buffer.from([0xe4, 0xb8]), '"\\\\xe4\\\\xb8"'],
  [Buffer.from([0xf4, 0x90, 0x80, 0x80]), '"\\\\xf4\\\\x90\\\\x80\\\\x80"'],
  [Buffer.from([0x61, 0xe4, 0x62]), '"a\\\\xe4b"'],
];

test("names are quoted as restic does, and read back", () => {
  for (const [raw, json] of golden) {
    const name = typeof raw === "string" ? nameFromText(raw) : byteName(raw);
    assert.equal(goJsonString(quoteName(name)), json);
    assert.equal(unquoteName(JSON.parse(json) as string), name);
  }
});

test("any bytes come back as they were", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 12 }).map((array) => byteName(array)),
    fc.string({ unit: "binary", maxLength: 12 }).map((text) => nameFromText(text)),
  );
  fc.assert(
    fc.property(bytes, (name) => unquoteName(JSON.parse(goJsonString(quoteName(name))) as string) === name),
    { numRuns: 2000 },
  );
});

test("other ways of escaping are read, wrong ones refused", () => {
  assert.equal(unquoteName("\\101\\x42\\u0043\\U00000044\\'"), "ABCD'" as ByteName);
  assert.equal(unquoteName("\\377"), "\xff" as ByteName);
  for (const wrong of ["\\", "a\\", "\\q", "\\x4", "\\xzz", "\\ud800", "\\U00110000", "\\400", "\\8", 'a"b', "a\nb"]) {
    assert.equal(unquoteName(wrong), undefined, JSON.stringify(wrong));
  }
});

test("JSON strings stay what they were", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => JSON.parse(goJsonString(text)) === text),
    { numRuns: 1000 },
  );
  assert.equal(goJsonString("\ud800x"), '"\\ufffdx"');
  assert.equal(goJsonString("\u0001\u2028<\n"), '"\\u0001\\u2028\\u003c\\n"');
});
