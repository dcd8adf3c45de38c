import assert from "node:assert/strict";
import { test } from "node:test";
import { Originals } from "./originals.ts";
import { pseudonym } from "./pseudonym.ts";

const secret = Buffer.from("secret");

function people(): Originals {
  const originals = new Originals();
  for (const name of ["Anna Schmidt", "Einstein", "commercial", "Management", "张伟", "张伟有限公司", "André Dupont"]) {
    originals.add("name", name);
  }
  originals.add("name", "Magic Food Store");
  originals.add("name", "24/7 Couriers");
  originals.add("email", "anna.schmidt@firma.test");
  originals.add("email", "+49 171 2345678");
  originals.add("phone", "(030) 123-45 67");
  originals.add("address", "21 Jump Street");
  originals.add("text", "She told us that she would come on Monday");
  originals.add("text", "very good");
  return originals;
}

test("what tells somebody is found wherever it stands", () => {
  const originals = people();
  for (const text of [
    ...[
      "called anna  SCHMIDT",
      "<b>Anna</b> Schmidt",
      "schmidt: Anna.Schmidt@FIRMA.test!",
      "at 030/1234567",
      "+491712345678",
    ],
    ...[
      "与张伟有限公司开会",
      "Andr&eacute;&nbsp;Dupont was here",
      "stock of Magic Food Store (old)",
      "to 21 jump street, 2nd floor",
    ],
    ...[
      String.raw`{"name":"\u5f20\u4f1f\u6709\u9650\u516c\u53f8"}`,
      String.raw`{"to":"Andr\u00e9 Dupont","in":"{\\"a\\":\\"Andr\\u00E9 Dupont\\"}"}`,
      "Andr&#233; Dupont and Andr&#xE9; Dupont",
      "?to=anna.schmidt%40firma.test&x=1",
      "Einstein",
      "She told us  that she would come on monday",
      '{"name":"Anna Schmidt"}',
      's:12:"Anna Schmidt";',
      "Management",
    ],
  ]) {
    assert.ok(originals.isIn(text), text);
  }
});

test("an everyday word is nobody, though it be somebody's name", () => {
  const originals = people();
  for (const text of [
    ...[
      "einstein",
      "commercial",
      "Commercial",
      "management",
      "very good",
      "Anna",
      "Schmidt",
      "food store",
      "Einstein ring",
    ],
    ...["12345", "2345678 pieces", "a.schmidt@firma.example", "Jump Street", "", "张三有限公司", "AT&T &lt;b&gt;"],
  ]) {
    assert.ok(!originals.isIn(text), text);
  }
});

test("whoever is named in a text is replaced there, and the rest of it stays", () => {
  const originals = people();
  const replaced = (text: string): string =>
    originals.replaced(text, (kind, part) => pseudonym(kind, part, secret) ?? "");
  const name = (text: string): string => pseudonym("name", text, secret) ?? "";
  for (const [text, wanted] of [
    ["A beautiful dress &amp; 12 apples, 24.12.2018", "A beautiful dress &amp; 12 apples, 24.12.2018"],
    ["Call Anna Schmidt, or Einstein.", `Call ${name("Anna Schmidt")}, or ${name("Einstein")}.`],
    ["sent by x@y.example", `sent by ${pseudonym("email", "x@y.example", secret)}`],
    ["Europe/Einstein einstein=1 A_Einstein", "Europe/Einstein einstein=1 A_Einstein"],
    ["张伟来了", `${name("张伟")}来了`],
    ["Tel. (030) 123-45 67!", `Tel. (${pseudonym("phone", "030) 123-45 67", secret)}!`],
    ["of Andr&eacute; Dupont", `of ${name("André Dupont")}`],
  ] as const) {
    assert.equal(replaced(text), wanted);
    assert.equal(replaced(text), replaced(text));
    assert.ok(!originals.isNamedIn(replaced(text)), text);
  }
  assert.ok(originals.isNamedIn("Anna Schmidt"));
  // What was put there is nobody, though somebody is called so.
  originals.add("name", name("Anna Schmidt"));
  assert.ok(!originals.isNamedIn(`Call ${name("Anna Schmidt")}`));
});

test("a long text of one word is no reason to wait", () => {
  const originals = people();
  const long = `${"a".repeat(2_000_000)} x@`;
  assert.ok(!originals.isIn(long));
  assert.ok(originals.isIn(`${long} anna.schmidt@firma.test`));
});
