import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Bench, Sample } from "./scenarios.ts";

const rowsAtScaleOne = 1_000_000;
const points = 100;

/** Looking into a large table with the repository open: see `look-steps.ts`. Nobody else has such steps. */
export function lookRound({ work, scale, record }: Bench): void {
  const folder = join(work, "look");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const rows = Math.max(1000, Math.round(rowsAtScaleOne * scale));
  const ran = spawnSync(
    process.execPath,
    [join(import.meta.dirname, "look-steps.ts"), folder, String(rows), String(points)],
    {
      encoding: "utf8",
      env: { ...process.env, NODE_NO_WARNINGS: "1" },
    },
  );
  if (ran.status !== 0) throw new Error(`look-steps.ts: ${ran.stderr}`);
  for (const line of ran.stdout.trim().split("\n")) {
    const { name, wallSeconds, cpuSeconds, peakBytes } = JSON.parse(line) as Sample & { readonly name: string };
    record({
      step: `${rows} rows, ${points} points, index loaded: ${name}`,
      tool: "holdfast",
      wallSeconds,
      cpuSeconds,
      peakBytes,
    });
  }
  rmSync(folder, { recursive: true, force: true });
}
