import { newConfig, openConfig, type RepositoryConfig } from "../format/config-file.ts";
import type { MasterKey } from "../format/crypto.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { Storage } from "../storage/storage.ts";
import type { LockHost } from "./held-lock.ts";
import type { IdleIndex } from "./idle-index.ts";
import { findMasterKey, type FoundKey } from "./master-key.ts";
import { OpenedRepository } from "./opened-repository.ts";
import type { Repository } from "./repository.ts";
import { findStrayKey } from "./strays.ts";

export interface OpenOptions {
  readonly signal: AbortSignal;
  readonly now: () => Date;
  /** Who is to stand in locks and key files. */
  readonly host: LockHost;
  /** Another way to the same storage, so that a lock's renewal does not wait behind uploads. Absent: the same way. */
  readonly storageForLocks?: () => Storage | Promise<Storage>;
  /** `stand-in`: go on where `config` is damaged or missing, as verifying and repairing do. Absent: `needed`. */
  readonly config?: "needed" | "stand-in";
  /** What `findMasterKey` will give, where it was begun before. */
  readonly key?: Promise<FoundKey> | undefined;
  /** Where the index comes from if it was read a moment ago, and goes to. */
  readonly idleIndex?: IdleIndex | undefined;
}

/**
 * Opens a repository; it closes the storage when it is disposed of. Fails with `repository-missing`, `password-empty`,
 * `password-wrong`, `repository-incomplete` (a key, but no config), `repository-damaged` (no readable key file, or a
 * damaged config) or `repository-unsupported`.
 */
export async function openRepository(storage: Storage, password: string, options: OpenOptions): Promise<Repository> {
  const { signal, host, storageForLocks } = options;
  if (password === "") throw new HoldfastError("password-empty");
  // Loaded while scrypt works.
  const loadingConfig = storage.load({ kind: "config", name: "" }, undefined, signal);
  loadingConfig.catch(() => undefined);
  const findingKey = options.key ?? findMasterKey(storage, password, signal);
  findingKey.catch(() => undefined);
  const sealedConfig = await loadingConfig.catch((error: unknown) => {
    if (!isHoldfastError(error, "storage-not-found")) throw error;
    return undefined;
  });
  if (sealedConfig === undefined && !(await hasKeys(storage, signal))) {
    const empty = await storage.traits.emptyFolder?.();
    throw new HoldfastError("repository-missing", {
      location: storage.location,
      ...(empty !== undefined && { empty }),
    });
  }
  const { masterKey, keyId } = await findingKey.catch(async (error: unknown) => {
    const stray = options.config === "stand-in" && (await findStrayKey(storage, password, signal));
    if (!stray) throw error;
    return stray;
  });
  const opened = configOf(masterKey, sealedConfig, storage.location, options.config ?? "needed");
  const { idleIndex } = options;
  const rest = { ...(storageForLocks && { storageForLocks }), ...(idleIndex && { idleIndex }) };
  return new OpenedRepository({ storage, masterKey, keyId, host, ...opened, ...rest });
}

interface OpenedConfig {
  readonly config: RepositoryConfig;
  /** Why what is in its place cannot be used; absent: nothing is wrong with it. */
  readonly configProblem?: string;
}

function configOf(
  key: MasterKey,
  sealed: Buffer | undefined,
  location: string,
  need: "needed" | "stand-in",
): OpenedConfig {
  try {
    if (sealed === undefined) throw new HoldfastError("repository-incomplete", { location });
    return { config: openConfig(key, sealed) };
  } catch (error) {
    const problem = isHoldfastError(error, "repository-incomplete") ? "missing" : "damaged";
    if (problem === "damaged" && !isHoldfastError(error, "repository-damaged")) throw error;
    if (need === "stand-in") return { config: newConfig(), configProblem: problem };
    if (problem === "missing") throw error;
    throw new HoldfastError("repository-damaged", { subject: "config" }, error);
  }
}

async function hasKeys(storage: Storage, signal: AbortSignal): Promise<boolean> {
  for await (const _key of storage.list("key", signal)) return true;
  return false;
}
