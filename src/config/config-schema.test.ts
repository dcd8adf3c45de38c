import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { configJsonSchema } from "./config-schema.ts";
import { parseRate } from "./size.ts";

test("the schema shipped for editors is the one that is read", () => {
  const shipped = readFileSync(new URL("../../docs/holdfast.schema.json", import.meta.url), "utf8");
  const why = "run: npx holdfast config schema > docs/holdfast.schema.json && npx oxfmt docs/holdfast.schema.json";
  assert.deepEqual(JSON.parse(shipped), configJsonSchema(), why);
});

test("rates", () => {
  assert.equal(parseRate("50MB/s"), 50_000_000);
  assert.equal(parseRate("1 MiB/s"), 1_048_576);
  assert.equal(parseRate("800kB/s"), 800_000);
  assert.equal(parseRate("2M"), 2_000_000);
  assert.equal(parseRate("1000"), 1000);
  for (const wrong of ["", "fast", "0MB/s", "-1MB/s", "5 MB per s"]) assert.equal(parseRate(wrong), undefined, wrong);
});
