import type { Cost } from "./measure.ts";
import { rowFacts } from "./row-facts.ts";
import type { Bench } from "./scenarios.ts";
import type { Source, Tool } from "./tools.ts";

/** Runs one step that changes the repository, and records what it cost and what the repository grew by. */
export function storingStep(bench: Bench, tool: Tool, step: string, run: () => Cost): void {
  const before = tool.storedBytes();
  const cost = run();
  const after = tool.storedBytes();
  const grown = before !== undefined && after !== undefined && { storedBytes: after - before };
  const notes = rowFacts(cost);
  bench.record({ step, tool: tool.name, ...cost, ...grown, ...(notes && { notes }) });
}

export function backupStep(bench: Bench, tool: Tool, source: Source, step: string): void {
  storingStep(bench, tool, step, () => tool.backup(source));
}
