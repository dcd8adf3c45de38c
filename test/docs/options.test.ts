import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Option } from "commander";
import { commands } from "../../src/cli/commands.ts";
import { exitCodes } from "../../src/cli/exit-codes.ts";
import { loadWords, sentence, type Words } from "../../src/words/words.ts";

const root = join(import.meta.dirname, "../..");

/** `--keep-last` and the like are the rules of `retention:`, which the page describes under their own names. */
const isRule = (flag: string): boolean => /^--keep-(?!marked)/.test(flag);

function textsOf(words: Words, command: string): Readonly<Record<"options" | "arguments", Record<string, unknown>>> {
  const all: Readonly<Record<string, { options: Record<string, unknown>; arguments: Record<string, unknown> }>> =
    words.commands;
  return all[command] ?? { options: {}, arguments: {} };
}

/** Names of keys, however deep. */
function keysOf(schema: unknown): readonly string[] {
  if (typeof schema !== "object" || schema === null) return [];
  return Object.entries(schema).flatMap(([name, value]) =>
    name === "properties"
      ? [...Object.keys(value as object), ...Object.values(value as object).flatMap(keysOf)]
      : keysOf(value),
  );
}

for (const [language, ending] of [
  ["en", ".md"],
  ["zh-CN", ".zh-CN.md"],
] as const) {
  const userPages = globSync(["README*.md", "docs/*.md"], { cwd: root }).filter(
    (page) => page.endsWith(ending) && page.includes(".zh-CN.") === (language === "zh-CN"),
  );
  const documented = userPages
    .filter((page) => !/architecture|bench|format/.test(page))
    .map((page) => readFileSync(join(root, page), "utf8"))
    .join("\n");

  test(`each option and argument is explained by the help, and each option by a page: ${language}`, async () => {
    const words = await loadWords(language);
    for (const command of commands) {
      const texts = textsOf(words, command.name);
      for (const { flags } of command.options ?? []) {
        const option = new Option(flags);
        assert.ok(sentence(texts.options, option.attributeName()), `${command.name} ${flags} has no words`);
        const flag = option.long ?? flags;
        assert.ok(isRule(flag) || documented.includes(flag), `${command.name} ${flag} stands on no page`);
      }
      for (const { form } of command.arguments ?? []) {
        const name = form.replaceAll(/[<>[\].]/g, "");
        assert.ok(sentence(texts.arguments, name), `${command.name} ${form} has no words`);
      }
    }
  });

  test(`each key of holdfast.yaml and each exit code stands on a page: ${language}`, () => {
    const schema: unknown = JSON.parse(readFileSync(join(root, "docs/holdfast.schema.json"), "utf8"));
    const keys = new Set(keysOf(schema));
    assert.ok(keys.size > 80);
    for (const key of keys) {
      assert.ok(new RegExp(`\\b${key}\\b\\s*:|\`${key}[:\`]`).test(documented), `${key} stands on no page`);
    }
    for (const code of Object.values(exitCodes)) {
      assert.ok(new RegExp(`^\\| ${code} +\\|`, "m").test(documented), `exit code ${code} stands on no page`);
    }
  });
}
