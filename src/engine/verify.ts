import { HoldfastError } from "../lib/errors.ts";
import type { Limits } from "../lib/limits.ts";
import type { Run } from "../lib/run.ts";
import type { VerifyReport } from "../repository/repository.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";

export interface VerifyInput {
  readonly repository: RepositoryAccess;
  readonly readData: boolean;
  readonly limits: Limits;
}

export type VerifyAnswer = VerifyReport & { readonly type: "verify"; readonly durationMs: number };

/** Walks everything; defects are in the answer, not thrown. */
export async function verify(_engine: Engine, _input: VerifyInput, _run: Run): Promise<VerifyAnswer> {
  throw new HoldfastError("internal");
}
