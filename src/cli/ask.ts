import { createInterface } from "node:readline/promises";
import type { Context } from "./context.ts";

/** Whether a question can be asked: a terminal to read from and to ask on. */
export function canAsk({ surroundings, output }: Context): boolean {
  return surroundings.stdin.isTTY && surroundings.stderr.isTTY === true && !output.json;
}

/** Asks on standard error. The answer is trimmed; ends with an AbortError when the command is cancelled. */
export async function ask({ surroundings, output }: Context, question: string): Promise<string> {
  output.clearProgress();
  const lines = createInterface({ input: surroundings.stdin, output: process.stderr });
  try {
    return (await lines.question(question, { signal: surroundings.signal })).trim();
  } finally {
    lines.close();
  }
}
