import type { MasterKey } from "../format/crypto.ts";
import { openDamagedKeyFile, openKeyFile } from "../format/key-file.ts";
import type { Id } from "../format/tree.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { mapBounded } from "../lib/map-bounded.ts";
import type { Storage } from "../storage/storage.ts";

/** Passwords that are tried at once: each takes a core for a fifth of a second, and 32 MiB. */
const keysAtOnce = 2;

export interface FoundKey {
  readonly masterKey: MasterKey;
  /** Of the key file that the password opened. */
  readonly keyId: Id;
}

export type LoadedKeyFile = { readonly name: Id } & ({ readonly bytes: Buffer } | { readonly failure: HoldfastError });

export async function findMasterKey(storage: Storage, password: string, signal: AbortSignal): Promise<FoundKey> {
  return await openMasterKey(await loadKeyFiles(storage, signal), storage.location, password, signal);
}

/** Every key file; few, and under a kilobyte each. */
export async function loadKeyFiles(storage: Storage, signal: AbortSignal): Promise<readonly LoadedKeyFile[]> {
  const names: Id[] = [];
  for await (const { name } of storage.list("key", signal)) names.push(name);
  return await mapBounded(names, storage.traits.connections, async (name) => {
    try {
      return { name, bytes: await storage.load({ kind: "key", name }, undefined, signal) };
    } catch (error) {
      if (!isKeyFailure(error)) throw error;
      return { name, failure: error };
    }
  });
}

/**
 * Tries the password on every key file; begins at once, before its promise is awaited. A file that is damaged, or asks
 * for too much, does not hide the others. When none of the sound ones opens, those whose contents do not fit their name
 * are tried too: what the password opens is good.
 */
export async function openMasterKey(
  files: readonly LoadedKeyFile[],
  location: string,
  password: string,
  signal: AbortSignal,
): Promise<FoundKey> {
  if (files.length === 0) throw new HoldfastError("repository-damaged", { reason: "no key file" });
  let found: FoundKey | undefined;
  let tried = 0;
  let damage: unknown;
  const damaged: { readonly name: Id; readonly bytes: Buffer }[] = [];
  await mapBounded(files, keysAtOnce, async (file) => {
    if (found !== undefined) return;
    if ("failure" in file) {
      damage ??= file.failure;
      return;
    }
    try {
      const masterKey = await openKeyFile(file.name, file.bytes, password);
      if (masterKey !== undefined) found = { masterKey, keyId: file.name };
      tried += 1;
    } catch (error) {
      if (!isKeyFailure(error)) throw error;
      damaged.push(file);
      damage ??= error;
    }
    signal.throwIfAborted();
  });
  if (found !== undefined) return found;
  for (const { name, bytes } of damaged) {
    const masterKey = await openDamagedKeyFile(bytes, password).catch(() => undefined);
    if (masterKey !== undefined) return { masterKey, keyId: name };
  }
  if (tried > 0) throw new HoldfastError("password-wrong", { location });
  throw damage;
}

/** What is wrong with one key file alone. */
function isKeyFailure(error: unknown): error is HoldfastError {
  const codes = ["repository-damaged", "storage-not-found", "storage-failed"] as const;
  return codes.some((code) => isHoldfastError(error, code));
}
