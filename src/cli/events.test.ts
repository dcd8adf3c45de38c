import assert from "node:assert/strict";
import { test } from "node:test";
import { createFormat } from "../words/format.ts";
import { en } from "../words/en.ts";
import { terminalEvents } from "./events.ts";
import { createOutput } from "./output.ts";

test("what is worked on steers no terminal by its name", () => {
  const written: string[] = [];
  const stream = { isTTY: true, columns: 200, write: (text: string | Uint8Array) => written.push(String(text)) > 0 };
  const output = createOutput({ json: false, detail: "normal", stdout: stream, stderr: stream, environment: {} });
  const { report } = terminalEvents(output, en, createFormat(en, "en", "UTC"), () => 200);
  const subject = "x\u001b[2J\u0007";
  report({ type: "phase", phase: "restore", subject });
  report({ type: "progress", phase: "restore", subject, doneBytes: 1, doneItems: 1 });
  assert.equal(written.length, 2);
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  for (const line of written) assert.match(line, /^\r\u001b\[K[^\u001b\u0007]*x\ufffd\[2J\ufffd/);
});
