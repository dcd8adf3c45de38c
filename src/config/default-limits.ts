import { availableParallelism } from "node:os";
import type { Limits } from "../lib/limits.ts";

/** One worker a processor, no limit of bytes or rows, and the CRM goes first, on this machine and on its database's. */
export function defaultLimits(): Limits {
  return { workers: availableParallelism(), priority: "low" };
}
