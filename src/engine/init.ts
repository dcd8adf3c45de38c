import { HoldfastError } from "../lib/errors.ts";
import type { DetectedCrm } from "../crm/platform.ts";
import type { Run } from "../lib/run.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";

/** What the platforms see in a folder, surest first. */
export async function detectCrm(_engine: Engine, _folder: string): Promise<readonly DetectedCrm[]> {
  throw new HoldfastError("internal");
}

/** Makes a new repository; fails with `repository-exists` when there is one. */
export async function createRepositoryAt(
  _engine: Engine,
  _access: RepositoryAccess,
  _run: Run,
): Promise<{ readonly id: string }> {
  throw new HoldfastError("internal");
}
