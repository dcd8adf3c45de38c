import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "../..");
const pages = globSync(["*.md", "docs/*.md"], { cwd: root }).toSorted();

/** As GitHub names a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replaceAll(/\s/g, "-");
}

function anchorsOf(page: string): readonly string[] {
  return [...readFileSync(page, "utf8").matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) => anchorOf(heading));
}

test("each link of a page leads to a page and a heading that are there, in the page's language", () => {
  let links = 0;
  for (const page of pages) {
    for (const [, target = ""] of readFileSync(join(root, page), "utf8").matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      links++;
      const [path = "", anchor] = target.split("#");
      const file = path === "" ? join(root, page) : join(root, dirname(page), path);
      assert.ok(existsSync(file), `${page}: ${target} is not there`);
      if (anchor !== undefined) {
        assert.ok(anchorsOf(file).includes(decodeURIComponent(anchor)), `${page}: ${target} is no heading there`);
      }
      const translated = file.replace(/\.md$/, ".zh-CN.md");
      const isSwitch = translated === join(root, page);
      const isEnglish =
        page.includes(".zh-CN.") && file !== translated && !file.includes(".zh-CN.") && existsSync(translated);
      assert.ok(!isEnglish || isSwitch, `${page}: ${target} is there in Chinese`);
    }
  }
  assert.ok(links > 200);
});
