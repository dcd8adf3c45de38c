import assert from "node:assert/strict";
import { test } from "node:test";
import { en, zhCn } from "../../demo/words.ts";

/** `chapters.setUp` → its placeholders, sorted. */
function placeholders(words: object, path = ""): Record<string, string> {
  return Object.assign(
    {},
    ...Object.entries(words).map(([key, value]: [string, unknown]) =>
      typeof value === "string"
        ? {
            [path + key]: [...value.matchAll(/\{\w+\}/g)]
              .map(([found]) => found)
              .toSorted()
              .join(" "),
          }
        : placeholders(value as object, `${path}${key}.`),
    ),
  );
}

test("the demonstration says the same in both languages", () => {
  assert.deepEqual(placeholders(zhCn), placeholders(en));
});
