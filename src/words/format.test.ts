import assert from "node:assert/strict";
import { test } from "node:test";
import { en } from "./en.ts";
import { createFormat, printable } from "./format.ts";
import { chooseLanguage } from "./language.ts";
import { zhCn } from "./zh-cn.ts";

const english = createFormat(en, "en", "Asia/Shanghai");
const chinese = createFormat(zhCn, "zh-CN", "Asia/Shanghai");

test("sizes, counts, lengths of time", () => {
  const sizes: [number, string][] = [
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.00 kB"],
    [1_240_000, "1.24 MB"],
    [99_950_000, "100 MB"],
    [999_600, "1.00 MB"],
    [1_170_000_000, "1.17 GB"],
  ];
  for (const [bytes, text] of sizes) assert.equal(english.bytes(bytes), text);
  assert.equal(english.count(1, "file"), "1 file");
  assert.equal(english.count(1240, "row"), "1,240 rows");
  assert.equal(chinese.count(1240, "row"), "1,240 行");
  const history = { crm: "acme", backups: 1, days: 1, total: 1000, change: 1000 };
  assert.match(english.fill(en.advise.seen, history), /^acme: 1 backup in 1 day, /);
  assert.match(english.fill(en.advise.thin, { crm: "acme", have: 1, backups: 5, days: 7 }), /\(1 backup\)/);
  assert.equal(english.duration(420), "0.4 s");
  assert.equal(english.duration(200_000), "3 min 20 s");
  assert.equal(english.duration(7_500_000), "2 h 5 min");
});

test("times have their offset, also where the clock went back", () => {
  assert.equal(english.time("2026-03-12T06:00:05.5Z"), "2026-03-12 14:00:05 +08:00");
  const berlin = createFormat(en, "en", "Europe/Berlin");
  assert.equal(berlin.time("2026-10-25T00:30:00Z"), "2026-10-25 02:30:00 +02:00");
  assert.equal(berlin.time("2026-10-25T01:30:00Z"), "2026-10-25 02:30:00 +01:00");
});

test("fills in facts, leaves out what is not known, and keeps terminals safe", () => {
  const template = "Locked[[ by {user}]][[, since {since:time}]]: {files:file}, {bytes:bytes}, {missing}";
  assert.equal(english.fill(template, { user: "eva", files: 1, bytes: 2000 }), "Locked by eva: 1 file, 2.00 kB, ?");
  assert.equal(english.fill("[[a {x}]][[b {y}]]", { x: "", y: 0 }), "b 0");
  assert.equal(english.fill("{name}", { name: "a\u001b[2Jb\nc\u202ed" }), "a\ufffd[2Jb\ufffdc\ufffdd");
  assert.equal(printable("张三.txt"), "张三.txt");
});

test("the language: asked for, then the locale", () => {
  assert.equal(chooseLanguage(["zh-CN"], { LANG: "C" }), "zh-CN");
  assert.equal(chooseLanguage([undefined, "zh-CN"], { LANG: "en_US.UTF-8" }), "zh-CN");
  assert.equal(chooseLanguage([], { LANG: "zh_CN.UTF-8" }), "zh-CN");
  assert.equal(chooseLanguage([], { LC_ALL: "en_GB.UTF-8", LANG: "zh_CN.UTF-8" }), "en");
  assert.equal(chooseLanguage([], { LC_MESSAGES: "zh_CN", LANG: "en_US" }), "zh-CN");
  assert.equal(chooseLanguage(["fr"], { LANG: "fr_FR" }), "en");
  assert.equal(chooseLanguage([], {}), "en");
});
