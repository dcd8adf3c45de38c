import type { Run } from "../lib/run.ts";
import type { ParityReport } from "../repository/parity.ts";
import type { Repository } from "../repository/repository.ts";
import type { RepositoryAccess } from "./engine.ts";

/** After whatever wrote or removed packs; `undefined` where the configuration asks for no parity. */
export async function updateParityOf(
  repository: Repository,
  { keeping }: RepositoryAccess,
  run: Run,
): Promise<ParityReport | undefined> {
  if (keeping?.parity === undefined) return undefined;
  run.report({ type: "phase", phase: "parity", subject: repository.location });
  let doneBytes = 0;
  return await repository.updateParity(keeping.parity, {
    signal: run.signal,
    onBytes: (bytes) =>
      run.report({ type: "progress", phase: "parity", doneBytes: (doneBytes += bytes), doneItems: 0 }),
  });
}
