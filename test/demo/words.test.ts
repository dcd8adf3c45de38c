import assert from "node:assert/strict";
import { test } from "node:test";
import { en, zhCn } from "../../demo/words.ts";

/** Every sentence by its path (`chapters.setUp`), as its placeholders, sorted. */
function placeholders(words: object, path = ""): readonly (readonly [string, string])[] {
  return Object.entries(words).flatMap(([key, value]: [string, unknown]) =>
    typeof value === "string"
      ? [[path + key, (value.match(/\{\w+\}/g) ?? []).toSorted().join(" ")] as const]
      : placeholders(value as object, `${path}${key}.`),
  );
}

test("the demonstration says the same in both languages", () => {
  assert.deepEqual(placeholders(zhCn), placeholders(en));
});
