import { Pace } from "../contents/pace.ts";
import type { DatabaseSource } from "../database/database.ts";
import type { Limits } from "../lib/limits.ts";
import type { Run } from "../lib/run.ts";

/** How fast rows may pass between us and a server: read from it, or written to it beside its live databases. */
export function paceOf(limits: Limits, way: "read" | "write", server: DatabaseSource | undefined, run: Run): Pace {
  const load = limits.whenBusy === "ignore" ? undefined : server?.load?.bind(server);
  return new Pace({
    bytesPerSecond: way === "read" ? limits.readBytesPerSecond : limits.writeBytesPerSecond,
    rowsPerSecond: limits.rowsPerSecond,
    load,
    onYield: () => run.report({ type: "note", code: "yielding-to-others", facts: {} }),
  });
}
