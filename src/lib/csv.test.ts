import assert from "node:assert/strict";
import { test } from "node:test";
import { csvLine, sheetLine } from "./csv.ts";

test("what a spreadsheet would take apart is quoted, and NULL is not an empty text", () => {
  assert.equal(
    csvLine(["a", 1, 'say "hi"', "x,y", "two\nlines", "", null, undefined]),
    'a,1,"say ""hi""","x,y","two\nlines","",,\r\n',
  );
});

test("where a spreadsheet separates by semicolons, they are what is quoted", () => {
  assert.equal(sheetLine(["a;b", "a,b", 1.5, "=1", null], ";"), `"a;b";a,b;1.5;'=1;\r\n`);
});

test("what somebody wrote into the CRM is no formula in a spreadsheet, and numbers stay numbers", () => {
  const texts = ['=HYPERLINK("http://evil.test")', "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+cmd|x", "\t=1", "＝1+1"];
  for (const text of texts) assert.equal(sheetLine([text]).replaceAll('"', "").startsWith("'"), true, text);
  for (const text of ["-5.25", "+49 (30) 123-45", "1e-5", "a=b", "", "-"]) {
    assert.equal(sheetLine([text]), csvLine([text]), text);
  }
});
