import type { MasterKey } from "../format/crypto.ts";
import {
  deriveKey,
  type DeriveKey,
  openDamagedKeyFile,
  openKeyFile,
  encodeSalted,
  parseSalted,
  type Salted,
} from "../format/key-file.ts";
import type { Id } from "../format/tree.ts";
import { HoldfastError } from "../lib/errors.ts";
import { mapBounded } from "../lib/map-bounded.ts";
import type { Storage } from "../storage/storage.ts";
import { isDamage } from "./damage.ts";

/** Passwords that are tried at once: each takes a core for a fifth of a second, and 32 MiB. */
const keysAtOnce = 2;

export interface FoundKey {
  readonly masterKey: MasterKey;
  /** Of the key file that the password opened. */
  readonly keyId: Id;
}

/** What a password gives with a salt, worked out before it is known whether a key file has that salt. */
export interface ForeseenKey {
  readonly salted: Salted;
  readonly userKey: Promise<MasterKey>;
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
      if (!isDamage(error)) throw error;
      return { name, failure: error };
    }
  });
}

/**
 * Tries the password on every key file, on the one that was foreseen first; begins at once, before its promise is awaited. A
 * file that is damaged, or asks for too much, does not hide the others. When none of the sound ones opens, those whose
 * contents do not fit their name are tried too: what the password opens is good.
 */
export async function openMasterKey(
  files: readonly LoadedKeyFile[],
  location: string,
  password: string,
  signal: AbortSignal,
  foreseen?: ForeseenKey,
): Promise<FoundKey> {
  if (files.length === 0) throw new HoldfastError("repository-damaged", { reason: "no key file" });
  let found: FoundKey | undefined;
  let tried = 0;
  let damage: unknown;
  const damaged: { readonly name: Id; readonly bytes: Buffer }[] = [];
  const derive: DeriveKey = (which, salted) =>
    foreseen && isSame(salted, foreseen.salted) ? foreseen.userKey : deriveKey(which, salted);
  const open = async (file: LoadedKeyFile): Promise<void> => {
    if (found !== undefined) return;
    if ("failure" in file) {
      damage ??= file.failure;
      return;
    }
    try {
      const masterKey = await openKeyFile(file.name, file.bytes, password, derive);
      if (masterKey !== undefined) found = { masterKey, keyId: file.name };
      tried += 1;
    } catch (error) {
      if (!isDamage(error)) throw error;
      damaged.push(file);
      damage ??= error;
    }
    signal.throwIfAborted();
  };
  // By itself: the others would each take a core in vain.
  const expected = foreseen && files.find((file) => isOf(file, foreseen.salted));
  if (expected !== undefined) await open(expected);
  const others = files.filter((file) => file !== expected);
  await mapBounded(others, keysAtOnce, open);
  if (found !== undefined) return found;
  for (const { name, bytes } of damaged) {
    const masterKey = await openDamagedKeyFile(bytes, password).catch(() => undefined);
    if (masterKey !== undefined) return { masterKey, keyId: name };
  }
  if (tried > 0) throw new HoldfastError("password-wrong", { location });
  throw damage;
}

/** Whether this is the salt of that file. */
export function isOf(file: LoadedKeyFile, salted: Salted): boolean {
  const its = saltedIn(file);
  return its !== undefined && isSame(its, salted);
}

/** `undefined` of a file that cannot be read as one. */
export function saltedIn(file: LoadedKeyFile): Salted | undefined {
  try {
    return "bytes" in file ? parseSalted(file.bytes) : undefined;
  } catch {
    return undefined;
  }
}

function isSame(one: Salted, other: Salted): boolean {
  return encodeSalted(one).equals(encodeSalted(other));
}
