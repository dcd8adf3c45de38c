import { openRepository } from "../repository/open.ts";
import type { Repository } from "../repository/repository.ts";
import { defaultCache } from "../lib/cache-choice.ts";
import type { HoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import type { Engine, OpenStorageOptions, RepositoryAccess } from "./engine.ts";

/** Opens the repository for one use case; a scope. */
export async function openFor(
  engine: Engine,
  access: RepositoryAccess,
  run: Run,
  config: "needed" | "stand-in" = "needed",
): Promise<Repository> {
  run.report({ type: "phase", phase: "open", subject: access.location });
  // Who can do without the config looks whether all is sound: a cache would hide what is not.
  const reading = config === "stand-in" ? "past" : "through";
  const onWait = waitNote(run);
  const how: OpenStorageOptions = {
    ...(access.keeping && { keeping: access.keeping }),
    ...(access.reach && { reach: access.reach }),
    asOf: access.asOf,
    reading,
    onWait,
  };
  const storage = await engine.openStorage(access.location, { ...how, ...(access.cache && { cache: access.cache }) });
  try {
    return await openRepository(storage, access.password, {
      signal: run.signal,
      now: run.now,
      host: engine.host,
      storageForLocks: () => engine.openStorage(access.location, { ...how, cache: { ...defaultCache, use: "never" } }),
      config,
      key: engine.keys?.find(access),
      idleIndex: engine.idleIndex,
    });
  } catch (error) {
    await storage[Symbol.asyncDispose]();
    throw error;
  }
}

/** Tells that the storage cannot be reached and is tried again. */
export function waitNote(run: Run): (error: HoldfastError, pauseMs: number) => void {
  return (error, pauseMs) => {
    const reason = error.facts["reason"];
    const seconds = Math.max(1, Math.round(pauseMs / 1000));
    const facts = typeof reason === "string" ? { reason, seconds } : { seconds };
    run.report({ type: "note", code: "waiting-for-storage", facts });
  };
}
