import assert from "node:assert/strict";
import { test } from "node:test";
import { HoldfastError } from "../lib/errors.ts";
import { createFormat } from "../words/format.ts";
import { loadWords } from "../words/words.ts";
import { describeError } from "./report-error.ts";

test("who holds a database open is named by its own command, not by ours", async () => {
  const words = await loadWords("en");
  const format = createFormat(words, "en", "UTC");
  const held = new HoldfastError("target-in-use", { path: "/crm.db", pid: 7, command: "php-fpm" });
  assert.match(describeError(held, words, format, "restore apply").message, /by process 7 \(php-fpm\)/);
  const usage = new HoldfastError("usage", { problem: "search-empty" });
  assert.match(describeError(usage, words, format, "search").hint, /`holdfast search --help`/);
});
