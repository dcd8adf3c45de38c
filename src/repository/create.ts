import { newConfig, sealConfig } from "../format/config-file.ts";
import { sameKey, type MasterKey } from "../format/crypto.ts";
import { newMasterKey, sealKeyFile } from "../format/key-file.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { Storage } from "../storage/storage.ts";
import { findMasterKey, type FoundKey } from "./master-key.ts";
import type { OpenOptions } from "./open.ts";
import { OpenedRepository } from "./opened-repository.ts";
import type { Repository, SharedKey } from "./repository.ts";

export interface CreateOptions extends OpenOptions {
  /** The key of another repository, to have in common with it. Absent: a new one. */
  readonly sharedKey?: SharedKey;
}

/**
 * Makes a repository of format version 2. Refuses with `repository-exists` where there is a config, a snapshot, an
 * index or a pack: any of them may be all that is left of somebody's backups. The config is written last, so that
 * whatever goes wrong before leaves no repository. Where an interrupted run left nothing but its key, the same password
 * goes on with that; with another, or where another master key is to be shared, it is `repository-incomplete`, since only a
 * person can say that nobody needs it.
 */
export async function createRepository(
  storage: Storage,
  password: string,
  options: CreateOptions,
): Promise<Repository> {
  const { signal, host } = options;
  if (password === "") throw new HoldfastError("password-empty");
  const { location } = storage;
  // A bucket that is not there has no listing, either: it is made before we look.
  const hasConfig = (await storage.stat({ kind: "config", name: "" }, signal)) !== undefined;
  if (!hasConfig) await storage.create(signal);
  if (hasConfig || (await holdsData(storage, signal))) throw new HoldfastError("repository-exists", { location });
  const { sharedKey } = options;
  const left = await keyLeftBehind(storage, password, options);
  if (left !== undefined && sharedKey !== undefined && !sameKey(left.masterKey, sharedKey.masterKey)) {
    throw new HoldfastError("repository-incomplete", { location, key: `keys/${left.keyId}` });
  }
  const { masterKey, keyId } = left ?? (await storeKey(storage, sharedKey?.masterKey, password, options));
  const config = newConfig(sharedKey?.chunkerPolynomial);
  try {
    await storage.save({ kind: "config", name: "" }, sealConfig(masterKey, config), signal);
  } catch (error) {
    // Somebody else made one meanwhile, or none was made: our key opens nothing. Where config is ours after all (its
    // answer got lost), the key stays.
    const isOthers = isHoldfastError(error, "storage-exists");
    const after = AbortSignal.timeout(30_000);
    const stored = await storage.stat({ kind: "config", name: "" }, after).catch(() => 0);
    if (left === undefined && (isOthers || stored === undefined)) {
      await storage.remove({ kind: "key", name: keyId }, after).catch(() => undefined);
    }
    if (!isOthers) throw error;
    throw new HoldfastError("repository-exists", { location }, error);
  }
  return new OpenedRepository({ storage, masterKey, keyId, config, host });
}

async function holdsData(storage: Storage, signal: AbortSignal): Promise<boolean> {
  for (const kind of ["snapshot", "index", "data"] as const) {
    for await (const _found of storage.list(kind, signal)) return true;
  }
  return false;
}

/** The key of a run that was cut off before it wrote the config. */
async function keyLeftBehind(
  storage: Storage,
  password: string,
  { signal }: OpenOptions,
): Promise<FoundKey | undefined> {
  for await (const { name } of storage.list("key", signal)) {
    try {
      return await findMasterKey(storage, password, signal);
    } catch (error) {
      const opensNothing = isHoldfastError(error, "password-wrong") || isHoldfastError(error, "repository-damaged");
      if (!opensNothing) throw error;
      throw new HoldfastError("repository-incomplete", { location: storage.location, key: `keys/${name}` }, error);
    }
  }
  return undefined;
}

async function storeKey(
  storage: Storage,
  masterKey: MasterKey = newMasterKey(),
  password: string,
  { signal, now, host }: OpenOptions,
): Promise<FoundKey> {
  const { name, bytes } = await sealKeyFile(masterKey, password, { now, host });
  await storage.save({ kind: "key", name }, bytes, signal);
  return { masterKey, keyId: name };
}
