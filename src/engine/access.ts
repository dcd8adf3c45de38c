import { openRepository } from "../repository/open.ts";
import type { Repository } from "../repository/repository.ts";
import type { Run } from "../lib/run.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";

/** Opens the repository for one use case; a scope. */
export async function openFor(
  engine: Engine,
  access: RepositoryAccess,
  run: Run,
  config: "needed" | "stand-in" = "needed",
): Promise<Repository> {
  run.report({ type: "phase", phase: "open", subject: access.location });
  const storage = engine.openStorage(access.location);
  try {
    return await openRepository(storage, access.password, {
      signal: run.signal,
      now: run.now,
      host: engine.host,
      storageForLocks: () => engine.openStorage(access.location),
      config,
      key: engine.keys?.find(access),
    });
  } catch (error) {
    await storage[Symbol.asyncDispose]();
    throw error;
  }
}
