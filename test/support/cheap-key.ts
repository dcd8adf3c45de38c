import { randomBytes, scryptSync } from "node:crypto";
import { globSync } from "node:fs";
import { join } from "node:path";
import { newConfig, sealConfig } from "../../src/format/config-file.ts";
import { type MasterKey, seal } from "../../src/format/crypto.ts";
import { newMasterKey, openKeyFile } from "../../src/format/key-file.ts";
import { sha256 } from "../../src/format/unpacked.ts";
import { openRepository, type OpenOptions } from "../../src/repository/open.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { localStorage } from "../../src/storage/local.ts";
import type { Storage } from "../../src/storage/storage.ts";

/**
 * Makes a repository whose key takes no time to derive, for us and for restic: for tests of anything but making one. What
 * scrypt is for takes a quarter of a second each time.
 */
export async function createCheapRepository(
  storage: Storage,
  password: string,
  options: OpenOptions,
): Promise<Repository> {
  const { signal } = options;
  const key = newMasterKey();
  await storage.create(signal);
  await saveCheapKey(storage, key, password, signal);
  await storage.save({ kind: "config", name: "" }, sealConfig(key, newConfig()), signal);
  return openRepository(storage, password, options);
}

/**
 * Puts key files that take no time to open in place of those of this password: for tests that open a repository often
 * that a command has made.
 */
export async function cheapenKey(location: string, password: string): Promise<void> {
  await using storage = localStorage(location);
  await cheapenKeysIn(storage, password);
}

/** The same in a storage elsewhere. */
export async function cheapenKeysIn(storage: Storage, password: string): Promise<void> {
  const { signal } = new AbortController();
  for (const { name } of await Array.fromAsync(storage.list("key", signal))) {
    const key = await openKeyFile(name, await storage.load({ kind: "key", name }, undefined, signal), password);
    if (key === undefined) continue;
    await saveCheapKey(storage, key, password, signal);
    await storage.remove({ kind: "key", name }, signal);
  }
}

async function saveCheapKey(storage: Storage, key: MasterKey, password: string, signal: AbortSignal): Promise<void> {
  const salt = randomBytes(64);
  const derived = scryptSync(password, salt, 64, { N: 2, r: 8, p: 1 });
  const user = { encrypt: derived.subarray(0, 32), macK: derived.subarray(32, 48), macR: derived.subarray(48) };
  const secret = {
    mac: { k: key.macK.toString("base64"), r: key.macR.toString("base64") },
    encrypt: key.encrypt.toString("base64"),
  };
  const data = seal(user, Buffer.from(JSON.stringify(secret))).toString("base64");
  const file = { created: new Date().toISOString(), username: "test", hostname: "test" };
  const json = { ...file, kdf: "scrypt", N: 2, r: 8, p: 1, salt: salt.toString("base64"), data };
  const bytes = Buffer.from(JSON.stringify(json));
  await storage.save({ kind: "key", name: sha256(bytes) }, bytes, signal);
}

/**
 * The same for each repository on this disk right below `folder` or one deeper: for tests that run many commands, each of
 * which would derive the key anew.
 */
export async function cheapenKeysBelow(folder: string, password: string): Promise<void> {
  const keyFolders = globSync(["*/keys", "*/*/keys"], { cwd: folder });
  for (const keys of keyFolders) await cheapenKey(join(folder, keys, ".."), password);
}
