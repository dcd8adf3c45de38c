import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { nameFromText, type ByteName } from "../lib/byte-name.ts";
import { compilePatterns } from "./patterns.ts";

function matches(pattern: string, path: string, kind: "folder" | "other" = "other"): boolean {
  return compilePatterns([pattern]).matches(nameFromText(path), kind);
}

test("documented meanings", () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ["*.tmp", "a.tmp", true],
    ["*.tmp", "deep/down/a.tmp", true],
    ["*.tmp", "a.tmp.txt", false],
    ["node_modules", "a/node_modules", true],
    ["/logs", "logs", true],
    ["/logs", "a/logs", false],
    ["data/cache", "data/cache", true],
    ["data/cache", "a/data/cache", false],
    ["logs/**", "logs/a", true],
    ["logs/**", "logs/a/b", true],
    ["logs/**", "logs", false],
    ["**/a/b", "a/b", true],
    ["**/a/b", "x/y/a/b", true],
    ["**/a/b", "x/a/y/b", false],
    ["a/**/b", "a/b", true],
    ["a/**/b", "a/x/y/b", true],
    ["a/**/b", "a/x/b/c", false],
    ["**", "anything/at/all", true],
    ["a?c", "abc", true],
    ["a?c", "a中c", true],
    ["a?c", "ac", false],
    ["[a-c]x", "bx", true],
    ["[!a-c]x", "bx", false],
    ["[^a-c]x", "中x", true],
    ["[一-龥]", "中", true],
    ["[]x]", "]", true],
    ["[a", "[a", true],
    ["\\*", "*", true],
    ["\\*", "a", false],
    ["合同*.pdf", "合同 2026.pdf", true],
    ["", "a", false],
    ["/", "a", false],
    ["a/*", "a/b/c", false],
    ["*a*b*c*", "xxaxxbxxcxx", true],
    ["*a*b*c*", "xxaxxcxxbxx", false],
  ];
  for (const [pattern, path, expected] of cases) {
    assert.equal(matches(pattern, path), expected, `${pattern} on ${path}`);
  }
});

test("a slash at the end means folders", () => {
  assert.equal(matches("cache/", "a/cache", "folder"), true);
  assert.equal(matches("cache/", "a/cache", "other"), false);
});

test("a byte that is no UTF-8 is one character that only wildcards match", () => {
  const name = "a\xffb" as ByteName;
  const on = (pattern: string): boolean => compilePatterns([pattern]).matches(name, "other");
  assert.deepEqual([on("a?b"), on("a*b"), on("a[!x]b"), on("aÿb"), on("a??b")], [true, true, true, false, false]);
});

test("which folders are on the way", () => {
  const below = (pattern: string, folder: string): boolean =>
    compilePatterns([pattern]).mayMatchBelow(nameFromText(folder));
  assert.equal(below("/a/b/c", "a"), true);
  assert.equal(below("/a/b/c", "a/b"), true);
  assert.equal(below("/a/b/c", "a/x"), false);
  assert.equal(below("/a/b/c", "x"), false);
  assert.equal(below("*.pdf", "x/y"), true);
  assert.equal(below("a/**/z", "a/b/c"), true);
  assert.equal(below("a/**/z", "b"), false);
});

const step = fc
  .array(fc.constantFrom("a", "b", "*", "?", "中"), { minLength: 1, maxLength: 6 })
  .map((all) => all.join(""));
const patternText = fc.array(fc.oneof(step, fc.constant("**")), { minLength: 1, maxLength: 5 });
const name = fc.array(fc.constantFrom("a", "b", "中"), { minLength: 1, maxLength: 6 }).map((all) => all.join(""));
const pathText = fc.array(name, { minLength: 1, maxLength: 5 });

test("agrees with regular expressions", () => {
  fc.assert(
    fc.property(patternText, pathText, (steps, names) => {
      const expression = steps
        .map((one, index) => {
          if (one === "**") return index === steps.length - 1 ? ".+" : "(?:[^/]+/)*";
          const text = one.replaceAll("*", "[^/]*").replaceAll("?", "[^/]");
          return index === steps.length - 1 ? text : `${text}/`;
        })
        .join("");
      const expected = new RegExp(`^${expression}$`, "u").test(names.join("/"));
      assert.equal(matches(`/${steps.join("/")}`, names.join("/")), expected);
    }),
    { numRuns: 2000 },
  );
});

test("whatever a path matches, the folders above it may hold a match", () => {
  fc.assert(
    fc.property(patternText, pathText, (steps, names) => {
      const set = compilePatterns([`/${steps.join("/")}`]);
      if (!set.matches(nameFromText(names.join("/")), "other")) return;
      for (let length = 1; length < names.length; length += 1) {
        const folder = nameFromText(names.slice(0, length).join("/"));
        assert.ok(set.mayMatchBelow(folder) || set.matches(folder, "folder"));
      }
    }),
    { numRuns: 2000 },
  );
});

test("a pattern made to be slow is not", () => {
  const started = process.cpuUsage();
  assert.equal(matches(`${"*a".repeat(100)}b`, "a".repeat(255)), false);
  assert.equal(matches(`${"**/a/".repeat(50)}b`, Array.from({ length: 500 }, () => "a").join("/")), false);
  // One that tries all ways takes longer than the world lasts.
  assert.ok(process.cpuUsage(started).user < 2_000_000);
});
