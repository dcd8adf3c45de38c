import assert from "node:assert/strict";
import { holdfast } from "../support/holdfast.ts";

export type Answer = Readonly<Record<string, unknown>>;

/** Runs `holdfast --json` that must end well and gives its last object of this type. */
export async function answerOf(type: string, args: readonly string[], cwd: string, state: string): Promise<Answer> {
  const env = { ...process.env, HOLDFAST_STATE: state };
  const { code, stdout, stderr } = await holdfast(["--json", ...args], { cwd, env });
  assert.ok(code === 0 || code === 3, `holdfast ${args.join(" ")} ended with ${code}: ${stderr}\n${stdout}`);
  const lines = stdout.split("\n").filter((line) => line.startsWith("{"));
  const found = lines.map((line) => JSON.parse(line) as Answer).findLast((answer) => answer["type"] === type);
  assert.ok(found, stdout);
  return found;
}
