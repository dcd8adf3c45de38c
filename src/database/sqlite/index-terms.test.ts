import assert from "node:assert/strict";
import { test } from "node:test";
import { indexTerms } from "./index-terms.ts";

test("what an index is over, whatever stands in its definition", () => {
  const read = (rest: string) => indexTerms(`CREATE UNIQUE INDEX "a (b" ON [t (x]${rest}`);
  assert.deepEqual(read("(a)"), { terms: ["a"] });
  assert.deepEqual(read(' ( lower(a) desc, "b,)" COLLATE NOCASE ASC ,c ) '), {
    terms: ["lower(a)", '"b,)" COLLATE NOCASE', "c"],
  });
  assert.deepEqual(read("(coalesce(a, ''')', (b)))where deleted=0 -- (not\n AND a <> ''"), {
    terms: ["coalesce(a, ''')', (b))"],
    where: "deleted=0  \n AND a <> ''",
  });
  assert.deepEqual(read("(a /* , b */ || ',' DESC) WHERE (x)"), { terms: ["a   || ','"], where: "(x)" });
});
