import { availableParallelism } from "node:os";
import type { Limits } from "../lib/limits.ts";

/** One worker a processor, no limit of bytes, and the CRM goes first. */
export function defaultLimits(): Limits {
  return { workers: availableParallelism(), priority: "low" };
}
