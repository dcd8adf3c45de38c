import type { ChildProcess } from "node:child_process";

/** Ends what a test started when this process exits before the scope does: by a signal (`scripts/exit-on-signals.ts`), say. */
export function endWithUs(child: ChildProcess, signal: NodeJS.Signals = "SIGKILL"): void {
  const end = (): void => void child.kill(signal);
  process.once("exit", end);
  child.once("exit", () => process.removeListener("exit", end));
}
