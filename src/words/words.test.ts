import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { errorCodes } from "../lib/errors.ts";
import { noteCodes, warningCodes } from "../lib/events.ts";
import { en } from "./en.ts";
import { placeholdersOf } from "./format.ts";
import { zhCn } from "./zh-cn.ts";

/** Every sentence by its path: `errors.usage.text`. */
function sentences(words: object, path = ""): [string, string][] {
  return Object.entries(words).flatMap(([key, value]) => {
    const here = path === "" ? key : `${path}.${key}`;
    return typeof value === "string" ? [[here, value] as [string, string]] : sentences(value as object, here);
  });
}

test("both languages have the same keys, and each sentence the same placeholders", () => {
  const english = new Map(sentences(en));
  const chinese = new Map(sentences(zhCn));
  assert.deepEqual([...chinese.keys()].toSorted(), [...english.keys()].toSorted());
  for (const [key, sentence] of english) {
    assert.deepEqual(placeholdersOf(chinese.get(key) ?? ""), placeholdersOf(sentence), key);
  }
});

test("every code has its sentence", () => {
  assert.deepEqual(Object.keys(en.errors).toSorted(), [...errorCodes].toSorted());
  assert.deepEqual(Object.keys(en.warnings).toSorted(), [...warningCodes].toSorted());
  assert.deepEqual(Object.keys(en.notes).toSorted(), [...noteCodes].toSorted());
});

test("the Chinese ones are Chinese", () => {
  const sameOnPurpose = /^(?:units|kit\.crms|tables\.crm|progress|browse\.title|errors\..*\.hint|label\.colon)/;
  for (const [key, sentence] of sentences(zhCn)) {
    const bare = sentence.replace(/\{[^}]*\}|[[\]]/g, "");
    const wordless = !/[a-z]{4}/i.test(bare);
    if (!wordless && !sameOnPurpose.test(key)) assert.match(bare, /\p{Script=Han}|^holdfast backup$|^chmod /u, key);
  }
});

test("the glossary is kept", () => {
  const glossary: [RegExp, RegExp][] = [
    [/recovery points?/i, /恢复点/],
    [/snapshot/i, /快照|恢复点/],
    [/repository/i, /仓库/],
    [/recovery kit/i, /恢复包/],
  ];
  const chinese = new Map(sentences(zhCn));
  for (const [key, sentence] of sentences(en)) {
    const plain = sentence.replace(/`[^`]*`|--[a-z-]+|\{[^}]*\}/g, "");
    for (const [english, word] of glossary) {
      if (english.test(plain) && !key.endsWith(".hint")) assert.match(chinese.get(key) ?? "", word, key);
    }
  }
});

test("no sentence for a person stands outside the catalogue", () => {
  const folder = join(import.meta.dirname, "../cli");
  for (const name of readdirSync(folder).filter((file) => !file.endsWith(".test.ts"))) {
    const code = readFileSync(join(folder, name), "utf8").replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, "");
    // A sentence printed as it stands: three words or more between quotes, given to the output.
    assert.doesNotMatch(code, /output\.(?:line|talk)\(\s*["'`][A-Z][a-z]+ [a-z]+ [a-z]+/, name);
  }
});
