import assert from "node:assert/strict";
import { test } from "node:test";
import { createOutput } from "./output.ts";

test("a line of JSON steers no terminal, and says the same", () => {
  const written: string[] = [];
  const stream = { write: (text: string | Uint8Array) => written.push(String(text)) > 0 };
  const output = createOutput({ json: true, detail: "normal", stdout: stream, stderr: stream, environment: {} });
  const value = { title: "\u009b2J \u001b[2J \u202eevil \u007f 合同 😀 \u2028" };
  output.record(value);
  const [line = ""] = written;
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  assert.doesNotMatch(line.slice(0, -1), /[\u0000-\u001f\u007f-\u009f\u202e\u2028]/);
  assert.deepEqual(JSON.parse(line), value);
  assert.ok(line.includes("合同 😀"));
});
