import { openConfig } from "../format/config-file.ts";
import type { MasterKey } from "../format/crypto.ts";
import { openDamagedKeyFile, parseKeyFile } from "../format/key-file.ts";
import { parseSnapshot } from "../format/snapshot-json.ts";
import type { Snapshot } from "../format/snapshot.ts";
import type { Id } from "../format/tree.ts";
import { openUnpacked, sha256 } from "../format/unpacked.ts";
import type { Storage } from "../storage/storage.ts";
import { isDamage } from "./damage.ts";
import { examineBytes, type ExaminedPack } from "./examine-pack.ts";
import type { FoundKey } from "./master-key.ts";

/** A file that is none of its kind, but one of another: two were swapped, or a folder was put into another. */
export interface Stray {
  readonly kind: StrayKind;
  /** Empty for `config`. */
  readonly name: Id;
  readonly holds:
    | { readonly type: "pack"; readonly pack: ExaminedPack }
    | { readonly type: "snapshot"; readonly snapshot: Snapshot }
    | { readonly type: "key" | "config"; readonly bytes: Buffer };
}

const strayKinds = ["config", "key", "index", "snapshot", "data"] as const;
export type StrayKind = (typeof strayKinds)[number];

/** No key file is larger, restic's or ours. */
const largestKeyFile = 4096;

/** What a file that makes no sense where it is holds all the same; `undefined`: nothing that is known. */
export async function findStray(
  storage: Storage,
  key: MasterKey,
  kind: StrayKind,
  name: Id,
  signal: AbortSignal,
): Promise<Stray | undefined> {
  try {
    const bytes = await storage.load({ kind, name }, undefined, signal);
    if (kind !== "key" && makesSense(() => parseKeyFile(sha256(bytes), bytes)))
      return { kind, name, holds: { type: "key", bytes } };
    if (kind !== "config" && makesSense(() => openConfig(key, bytes)))
      return { kind, name, holds: { type: "config", bytes } };
    const snapshot = kind === "snapshot" ? undefined : snapshotIn(key, bytes);
    if (snapshot !== undefined) return { kind, name, holds: { type: "snapshot", snapshot } };
    const pack = kind === "data" ? undefined : examineBytes(key, name, bytes, []);
    return pack === undefined || pack.good.length === 0
      ? undefined
      : { kind, name, holds: { type: "pack", pack: { ...pack, state: "damaged" } } };
  } catch (error) {
    signal.throwIfAborted();
    if (isDamage(error)) return undefined;
    throw error;
  }
}

/**
 * The master key by a key file that lies where another kind of file should: for who repairs a repository of which no key
 * file opens. Reads only files that are small enough.
 */
export async function findStrayKey(
  storage: Storage,
  password: string,
  signal: AbortSignal,
): Promise<FoundKey | undefined> {
  for (const kind of strayKinds) {
    if (kind === "key") continue;
    for await (const { name, size } of storage.list(kind, signal)) {
      if (size > largestKeyFile) continue;
      const bytes = await storage.load({ kind, name }, undefined, signal);
      if (!makesSense(() => parseKeyFile(sha256(bytes), bytes))) continue;
      const masterKey = await openDamagedKeyFile(bytes, password);
      if (masterKey !== undefined) return { masterKey, keyId: sha256(bytes) };
    }
  }
  return undefined;
}

/** Whether reading it fails for what it holds; any other failure is thrown. */
export function makesSense(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (isDamage(error)) return false;
    throw error;
  }
}

function snapshotIn(key: MasterKey, bytes: Buffer): Snapshot | undefined {
  try {
    return parseSnapshot(openUnpacked(key, bytes));
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}
