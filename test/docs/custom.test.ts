import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { loadConfig } from "../../src/config/load.ts";
import { codeBlocks } from "../support/doc-commands.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

for (const page of ["custom.md", "custom.zh-CN.md", "tryton.md", "tryton.zh-CN.md", "drills.md", "drills.zh-CN.md"]) {
  test(`the configuration in ${page} is valid`, async () => {
    using folder = temporaryFolder();
    const text = readFileSync(join(import.meta.dirname, "../../docs", page), "utf8");
    const yaml = codeBlocks(text).find(({ language }) => language === "yaml");
    const file = join(folder.path, "holdfast.yaml");
    writeFileSync(file, yaml?.text ?? "");
    const config = await loadConfig(file);
    assert.equal(config.crms.length, 1);
  });
}
