import { newConfig, sealConfig } from "../format/config-file.ts";
import { newMasterKey, sealKeyFile } from "../format/key-file.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { Storage } from "../storage/storage.ts";
import type { OpenOptions } from "./open.ts";
import { OpenedRepository } from "./opened-repository.ts";
import type { Repository } from "./repository.ts";

/**
 * Makes a repository of format version 2. Refuses with `repository-exists` where there is a config, a key or a
 * snapshot: any of them may be all that is left of somebody's backups. The config is written last, so that whatever
 * goes wrong before leaves no repository; a key that an interrupted run left is removed by hand.
 */
export async function createRepository(storage: Storage, password: string, options: OpenOptions): Promise<Repository> {
  const { signal, now, host } = options;
  if (password === "") throw new HoldfastError("password-empty");
  if (await isTaken(storage, signal)) throw new HoldfastError("repository-exists", { location: storage.location });
  const masterKey = newMasterKey();
  const config = newConfig();
  const [key] = await Promise.all([sealKeyFile(masterKey, password, { now, host }), storage.create(signal)]);
  await storage.save({ kind: "key", name: key.name }, key.bytes, signal);
  try {
    await storage.save({ kind: "config", name: "" }, sealConfig(masterKey, config), signal);
  } catch (error) {
    // Somebody else made one meanwhile, or none was made: our key opens nothing. Where config is ours after all (its
    // answer got lost), the key stays.
    const isOthers = isHoldfastError(error, "storage-exists");
    const after = AbortSignal.timeout(30_000);
    const stored = await storage.stat({ kind: "config", name: "" }, after).catch(() => 0);
    if (isOthers || stored === undefined) {
      await storage.remove({ kind: "key", name: key.name }, after).catch(() => undefined);
    }
    if (!isOthers) throw error;
    throw new HoldfastError("repository-exists", { location: storage.location }, error);
  }
  return new OpenedRepository({ storage, masterKey, config, host });
}

async function isTaken(storage: Storage, signal: AbortSignal): Promise<boolean> {
  if ((await storage.stat({ kind: "config", name: "" }, signal)) !== undefined) return true;
  for (const kind of ["key", "snapshot"] as const) for await (const _found of storage.list(kind, signal)) return true;
  return false;
}
