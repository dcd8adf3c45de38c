import type { Warning } from "../lib/events.ts";
import type { Run } from "../lib/run.ts";
import type { Id } from "../format/tree.ts";
import type { KnownLocks, ProtectReport } from "../repository/protect.ts";
import type { Repository } from "../repository/repository.ts";
import type { Engine } from "./engine.ts";
import { spareFiles } from "./spare-files.ts";
import { noteState, readState } from "./state.ts";

/** What a run that wrote to a locked repository says at its end. */
export interface Protection {
  readonly report: ProtectReport;
  readonly warnings: readonly Warning[];
}

/**
 * Locks for longer what is needed, and proves it. What is learned of files is remembered, so that the storage is asked
 * once for each; forgetting it costs these requests. `undefined`: this repository has no lock.
 */
export async function protectRepository(
  engine: Engine,
  repository: Repository,
  snapshot: Id | undefined,
  run: Run,
): Promise<Protection | undefined> {
  const record = `locked/${repository.id}.json`;
  const known = knownLocks(await readState(engine, record));
  run.report({ type: "phase", phase: "protect", subject: repository.location });
  const result = await repository.protect({
    signal: run.signal,
    now: run.now,
    spares: spareFiles(engine, repository.id),
    ...(known && { known }),
    ...(snapshot !== undefined && { snapshot }),
    onProgress: (doneItems, totalItems) =>
      run.report({ type: "progress", phase: "protect", doneBytes: 0, doneItems, totalItems }),
  });
  if (result === undefined) return undefined;
  await noteState(engine, record, { ...result.known, until: Object.fromEntries(result.known.until) });
  const { report } = result;
  const warnings: Warning[] = report.proofs
    .filter((proof) => proof.result === "destroyed")
    .map(({ path }) => ({ code: "lock-ineffective", subject: path }));
  const unproved = report.proofs.find((proof) => proof.result === "unproved");
  if (unproved !== undefined) warnings.push({ code: "lock-unproved", subject: unproved.path });
  for (const path of report.replaced) warnings.push({ code: "lock-replaced", subject: path });
  if (report.failed > 0) {
    warnings.push({ code: "lock-failed", subject: String(report.failed), detail: report.reason ?? "" });
  }
  for (const warning of warnings) run.report({ type: "warning", warning });
  return { report, warnings };
}

function knownLocks(value: unknown): KnownLocks | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { location, mode, until } = value as Readonly<Record<string, unknown>>;
  const isMode = mode === "compliance" || mode === "governance";
  if (typeof location !== "string" || !isMode || typeof until !== "object" || until === null) return undefined;
  const times = Object.entries(until).filter((entry): entry is [string, number] => typeof entry[1] === "number");
  return { location, mode, until: new Map(times) };
}
