import { spawn } from "node:child_process";
import { join } from "node:path";

/** The command as a person starts it, from this checkout. */
const program = join(import.meta.dirname, "../bin/holdfast");

export type Answer = Readonly<Record<string, unknown>> & { readonly type: string };

export interface Ended {
  readonly code: number | null;
  /** What came on standard output with `--json`, one object a line. */
  readonly answers: readonly Answer[];
  readonly errors: string;
  readonly durationMs: number;
}

/** Runs `holdfast` with `--json` in a folder, to its end. */
export async function runHoldfast(args: readonly string[], folder: string): Promise<Ended> {
  const started = performance.now();
  const child = spawn(program, ["--json", ...args], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  const [output, errors, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve, reject) => child.once("error", reject).once("close", resolve)),
  ]);
  return { code, answers: answersIn(output), errors, durationMs: performance.now() - started };
}

async function text(stream: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString("utf8");
}

function answersIn(output: string): readonly Answer[] {
  return output
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Answer);
}
