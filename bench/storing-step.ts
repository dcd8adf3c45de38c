import type { Cost } from "./measure.ts";
import type { Bench } from "./scenarios.ts";
import type { Tool } from "./tools.ts";

/** Runs one step that changes the repository, and records what it cost and what the repository grew by. */
export function storingStep(bench: Bench, tool: Tool, step: string, run: () => Cost): void {
  const before = tool.storedBytes();
  const cost = run();
  const after = tool.storedBytes();
  const grown = before !== undefined && after !== undefined && { storedBytes: after - before };
  bench.record({ step, tool: tool.name, ...cost, ...grown });
}
