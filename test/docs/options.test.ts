import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Option } from "commander";
import { commands } from "../../src/cli/commands.ts";
import { loadWords, sentence, type Words } from "../../src/words/words.ts";

const root = join(import.meta.dirname, "../..");

/** `--keep-last` and the like are the rules of `retention:`, which the page describes under their own names. */
const isRule = (flag: string): boolean => /^--keep-(?!marked)/.test(flag);

function textsOf(words: Words, command: string): Readonly<Record<"options" | "arguments", Record<string, unknown>>> {
  const all: Readonly<Record<string, { options: Record<string, unknown>; arguments: Record<string, unknown> }>> =
    words.commands;
  return all[command] ?? { options: {}, arguments: {} };
}

for (const [language, ending] of [
  ["en", ".md"],
  ["zh-CN", ".zh-CN.md"],
] as const) {
  test(`each option and argument is explained by the help, and each option by a page: ${language}`, async () => {
    const words = await loadWords(language);
    const pages = globSync(["README*.md", "docs/*.md"], { cwd: root }).filter(
      (page) => page.endsWith(ending) && page.includes(".zh-CN.") === (language === "zh-CN"),
    );
    const documented = pages.map((page) => readFileSync(join(root, page), "utf8")).join("\n");
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
}
