import { sameKey, type MasterKey } from "../format/crypto.ts";
import { openKeyFile, parseKeyFile, sealKeyFile } from "../format/key-file.ts";
import type { Id } from "../format/tree.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { Storage } from "../storage/storage.ts";
import { isDamage } from "./damage.ts";
import type { LockHost } from "./held-lock.ts";
import type { KeyOptions, RepositoryKeys, StoredKey } from "./repository.ts";

export interface KeyParts {
  readonly storage: Storage;
  readonly masterKey: MasterKey;
  /** Of the key file that the repository was opened with. */
  readonly keyId: Id;
  readonly host: LockHost;
}

export function repositoryKeys(parts: KeyParts): RepositoryKeys {
  const { storage, masterKey, host } = parts;
  let current = parts.keyId;

  async function add(password: string, { signal, now, lock }: KeyOptions): Promise<Id> {
    if (password === "") throw new HoldfastError("password-empty");
    const { name, bytes } = await sealKeyFile(masterKey, password, { now, host });
    await lock.check(signal);
    await storage.save({ kind: "key", name }, bytes, signal);
    try {
      await prove(name, password, signal);
    } catch (error) {
      // One whose contents do not fit its name shuts restic's users out: it stops there.
      const isOfNoUse = isHoldfastError(error, "repository-damaged") || isHoldfastError(error, "verify-failed");
      if (isOfNoUse) await storage.remove({ kind: "key", name }, signal).catch(() => undefined);
      throw error;
    }
    return name;
  }

  /** Opens a key file as it is stored now: with the password, or only so far as that it is whole. */
  async function prove(id: Id, password: string | undefined, signal: AbortSignal): Promise<void> {
    const stored = await storage.load({ kind: "key", name: id }, undefined, signal);
    if (password === undefined) {
      parseKeyFile(id, stored);
      return;
    }
    const opened = await openKeyFile(id, stored, password);
    if (opened === undefined || !sameKey(opened, masterKey))
      throw new HoldfastError("verify-failed", { reason: "key file" });
  }

  return {
    async list(signal) {
      const found: StoredKey[] = [];
      for await (const { name } of storage.list("key", signal)) {
        found.push({ id: name, current: name === current, ...(await describe(storage, name, signal)) });
      }
      return found.toSorted((left, right) => (left.created < right.created ? -1 : 1));
    },
    add,
    async remove(id, { signal, lock }) {
      if (id === current) throw new HoldfastError("key-current", { id });
      // What is left must open the repository, whatever becomes of this process next.
      await prove(current, undefined, signal);
      await lock.check(signal);
      await storage.remove({ kind: "key", name: id }, signal);
    },
    async replace(password, options) {
      const old = current;
      current = await add(password, options);
      await options.lock.check(options.signal);
      await storage.remove({ kind: "key", name: old }, options.signal);
      return current;
    },
  };
}

type Described = Omit<StoredKey, "id" | "current">;

async function describe(storage: Storage, name: Id, signal: AbortSignal): Promise<Described> {
  try {
    const bytes = await storage.load({ kind: "key", name }, undefined, signal);
    const { created, username, hostname } = parseKeyFile(name, bytes);
    return { created, username, hostname, damaged: false };
  } catch (error) {
    if (!isDamage(error)) throw error;
    return { created: "", username: "", hostname: "", damaged: true };
  }
}
