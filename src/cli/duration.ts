import { parseDuration } from "../lib/duration.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Invocation } from "./command.ts";

/** A week: what `--wait` without a length means. */
const longestWaitMs = 7 * 24 * 3_600_000;

/** `--wait [duration]` in milliseconds; 0 without it. */
export function waitOption(invocation: Invocation): number {
  const wait = invocation.options["wait"];
  if (wait === undefined) return 0;
  if (typeof wait !== "string") return longestWaitMs;
  const ms = parseDuration(wait);
  if (ms === undefined) throw new HoldfastError("usage", { problem: "bad-duration", value: wait });
  return Math.min(ms, longestWaitMs);
}
