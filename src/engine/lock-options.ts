import type { Run } from "../lib/run.ts";
import type { LockOptions } from "../repository/repository.ts";

/** How a use case takes restic's lock: it tells whom it waits for, and whose dead lock it removed. */
export function lockOptions({ waitMs }: { readonly waitMs: number }, run: Run): LockOptions {
  return {
    signal: run.signal,
    now: run.now,
    waitMs,
    onWait: ({ hostname, username, pid }) =>
      run.report({ type: "note", code: "waiting-for-lock", facts: { hostname, username, pid } }),
    onStaleRemoved: ({ hostname, pid, time }) =>
      run.report({
        type: "warning",
        warning: { code: "lock-stale-removed", subject: `${hostname} ${pid}`, detail: time },
      }),
  };
}
