import { openConfig } from "../format/config-file.ts";
import type { MasterKey } from "../format/crypto.ts";
import { openKeyFile } from "../format/key-file.ts";
import type { Id } from "../format/tree.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { mapBounded } from "../lib/map-bounded.ts";
import type { Storage } from "../storage/storage.ts";
import type { LockHost } from "./held-lock.ts";
import { OpenedRepository } from "./opened-repository.ts";
import type { Repository } from "./repository.ts";

export interface OpenOptions {
  readonly signal: AbortSignal;
  readonly now: () => Date;
  /** Who is to stand in locks and key files. */
  readonly host: LockHost;
}

/** Passwords that are tried at once: each takes a core for a fifth of a second, and 32 MiB. */
const keysAtOnce = 2;

/**
 * Opens a repository; it closes the storage when it is disposed of. Fails with `repository-missing`, `password-empty`,
 * `password-wrong`, `repository-damaged` (no readable key file, or a damaged config) or `repository-unsupported`.
 */
export async function openRepository(storage: Storage, password: string, options: OpenOptions): Promise<Repository> {
  const { signal, host } = options;
  if (password === "") throw new HoldfastError("password-empty");
  // Loaded while scrypt works.
  const loadingConfig = storage.load({ kind: "config", name: "" }, undefined, signal);
  loadingConfig.catch(() => undefined);
  const findingKey = findMasterKey(storage, password, signal);
  findingKey.catch(() => undefined);
  const sealedConfig = await loadingConfig.catch((error: unknown) => {
    if (!isHoldfastError(error, "storage-not-found")) throw error;
    throw new HoldfastError("repository-missing", { location: storage.location }, error);
  });
  const masterKey = await findingKey;
  return new OpenedRepository({ storage, masterKey, config: openConfig(masterKey, sealedConfig), host });
}

/**
 * Tries the password on every key file. One that is damaged, or asks for too much, does not hide the others; only when
 * none at all could be tried is that the answer.
 */
async function findMasterKey(storage: Storage, password: string, signal: AbortSignal): Promise<MasterKey> {
  const names: Id[] = [];
  for await (const { name } of storage.list("key", signal)) names.push(name);
  if (names.length === 0) throw new HoldfastError("repository-damaged", { reason: "no key file" });
  let found: MasterKey | undefined;
  let tried = 0;
  let damage: unknown;
  await mapBounded(names, keysAtOnce, async (name) => {
    if (found !== undefined) return;
    try {
      const bytes = await storage.load({ kind: "key", name }, undefined, signal);
      found = (await openKeyFile(name, bytes, password)) ?? found;
      tried += 1;
    } catch (error) {
      if (!isHoldfastError(error, "repository-damaged") && !isHoldfastError(error, "storage-not-found")) throw error;
      damage ??= error;
    }
    signal.throwIfAborted();
  });
  if (found !== undefined) return found;
  if (tried > 0) throw new HoldfastError("password-wrong", { location: storage.location });
  throw damage;
}
