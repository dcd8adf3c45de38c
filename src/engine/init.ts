import { statSync } from "node:fs";
import type { DetectedCrm } from "../crm/platform.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import { createRepository } from "../repository/create.ts";
import type { SharedKey } from "../repository/repository.ts";
import { waitNote } from "./access.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";

/** What the platforms see in a folder, in the order of `engine.platforms` (surest first). */
export async function detectCrm(engine: Engine, folder: string): Promise<readonly DetectedCrm[]> {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new HoldfastError("crm-not-detected", { missing: folder });
  }
  const found = await Promise.all(engine.platforms.map((platform) => platform.detect(folder)));
  return found.flat();
}

/** Makes a new repository, of a key of its own unless one is given; fails with `repository-exists` when there is one. */
export async function createRepositoryAt(
  engine: Engine,
  access: RepositoryAccess,
  run: Run,
  sharedKey?: SharedKey,
): Promise<{ readonly id: string }> {
  const { location, keeping = {}, reach = {} } = access;
  const storage = await engine.openStorage(location, { keeping, reach, reading: "through", onWait: waitNote(run) });
  // Whatever comes of it: one that is there already is not opened.
  await using _closing = storage;
  const { id } = await createRepository(storage, access.password, {
    signal: run.signal,
    now: run.now,
    host: engine.host,
    ...(sharedKey && { sharedKey }),
  });
  return { id };
}
