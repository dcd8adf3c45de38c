import { constants } from "node:os";

/** Signals that would end this process at once let it exit: what listens for `exit` ends what was started. */
export function exitOnSignals(): void {
  for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => process.exit(128 + constants.signals[signal]));
  }
}
