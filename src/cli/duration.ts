import { HoldfastError } from "../lib/errors.ts";
import type { Invocation } from "./command.ts";

/** A week: what `--wait` without a length means. */
const longestWaitMs = 7 * 24 * 3_600_000;

const unitMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 };

/** `30s`, `10m`, `2h`, `1d`, or seconds without a unit; `undefined` when it is none of these. */
export function parseDuration(text: string): number | undefined {
  const [, amount, unit = "s"] = /^(\d{1,6})\s*(s|m|min|h|d)?$/.exec(text.trim()) ?? [];
  const scale = unitMs[unit];
  return amount === undefined || scale === undefined ? undefined : Math.min(Number(amount) * scale, longestWaitMs);
}

/** `--wait [duration]` in milliseconds; 0 without it. */
export function waitOption(invocation: Invocation): number {
  const wait = invocation.options["wait"];
  if (wait === undefined) return 0;
  if (typeof wait !== "string") return longestWaitMs;
  const ms = parseDuration(wait);
  if (ms === undefined) throw new HoldfastError("usage", { problem: "bad-duration", value: wait });
  return ms;
}
