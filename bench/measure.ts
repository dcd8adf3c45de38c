import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface Cost {
  readonly wallSeconds: number;
  /** User and system time of the command and all that it started. */
  readonly cpuSeconds: number;
  /** Largest resident set of one of its processes. */
  readonly peakBytes: number;
}

export interface MeasuredRun extends Cost {
  /** What it wrote to standard output and standard error. */
  readonly output: string;
}

export interface MeasureOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Exit codes that are success. */
  readonly accept?: readonly number[];
}

/** Runs one command and measures it; throws with its words when it fails. What others left to be written is out first. */
export function measure(scratch: string, command: readonly string[], options: MeasureOptions): MeasuredRun {
  spawnSync("sync");
  const result = join(scratch, "measure.json");
  const outputFile = join(scratch, "measure.out");
  const child = join(import.meta.dirname, "measure-child.ts");
  const ran = spawnSync(process.execPath, [child, result, outputFile, ...command], {
    cwd: options.cwd,
    env: options.env,
    encoding: "utf8",
  });
  if (ran.status !== 0) throw new Error(`${command.join(" ")}: ${ran.stderr}`);
  const { status, ...cost } = JSON.parse(readFileSync(result, "utf8")) as Cost & { status: number | null };
  const output = readFileSync(outputFile, "utf8");
  if (status === null || !(options.accept ?? [0]).includes(status)) {
    throw new Error(`${command.join(" ")} ended with ${status}:\n${output}`);
  }
  return { ...cost, output };
}

/** Several commands that are one step for a person: times add up, the peak is the highest. */
export function together(costs: readonly Cost[]): Cost {
  return {
    wallSeconds: costs.reduce((sum, one) => sum + one.wallSeconds, 0),
    cpuSeconds: costs.reduce((sum, one) => sum + one.cpuSeconds, 0),
    peakBytes: Math.max(...costs.map((one) => one.peakBytes)),
  };
}
