import type { Limits } from "../lib/limits.ts";
import type { Run } from "../lib/run.ts";
import type { VerifyReport } from "../repository/repository.ts";
import { openFor } from "./access.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";

export interface VerifyInput {
  readonly repository: RepositoryAccess;
  readonly readData: boolean;
  readonly limits: Limits;
}

export type VerifyAnswer = VerifyReport & { readonly type: "verify"; readonly durationMs: number };

/** Walks everything; defects are in the answer, not thrown. */
export async function verify(engine: Engine, input: VerifyInput, run: Run): Promise<VerifyAnswer> {
  const started = run.now().getTime();
  await using repository = await openFor(engine, input.repository, run, "stand-in");
  await using lock = await repository.lock("shared", { signal: run.signal, now: run.now, waitMs: 0 });
  run.report({ type: "phase", phase: "verify", subject: repository.location });
  const report = await repository.verify({
    signal: AbortSignal.any([run.signal, lock.lost]),
    limits: input.limits,
    depth: input.readData ? "data" : "structure",
    onProgress: (doneBytes, totalBytes) =>
      run.report({ type: "progress", phase: "verify", doneBytes, totalBytes, doneItems: 0 }),
  });
  return { type: "verify", ...report, durationMs: run.now().getTime() - started };
}
