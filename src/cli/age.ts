import type { Context } from "./context.ts";

const dayMs = 86_400_000;

/** How long ago: beyond two days nobody counts hours. */
export function ageText({ format }: Pick<Context, "format">, ms: number): string {
  if (ms < 2 * dayMs) return format.duration(Math.max(0, ms));
  return format.count(Math.floor(ms / dayMs), "day");
}
