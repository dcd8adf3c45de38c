import assert from "node:assert/strict";
import { test } from "node:test";
import { csvLine } from "./csv.ts";

test("what a spreadsheet would take apart is quoted, and NULL is not an empty text", () => {
  assert.equal(
    csvLine(["a", 1, 'say "hi"', "x,y", "two\nlines", "", null, undefined]),
    'a,1,"say ""hi""","x,y","two\nlines","",,\r\n',
  );
});
