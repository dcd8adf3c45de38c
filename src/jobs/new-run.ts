import type { JobRun } from "./store.ts";

/** A run that waits to begin, due and ready now. */
export function newRun(
  what: Pick<JobRun, "id" | "item" | "job" | "subject"> & Partial<Pick<JobRun, "schedule" | "input">>,
  nowMs: number,
): JobRun {
  return {
    input: {},
    ...what,
    dueMs: nowMs,
    times: 1,
    readyMs: nowMs,
    state: "queued",
    attempts: 0,
    cancelling: false,
    reported: false,
  };
}
