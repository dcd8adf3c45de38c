import { newConfig, sealConfig } from "../format/config-file.ts";
import type { MasterKey } from "../format/crypto.ts";
import { parseKeyFile } from "../format/key-file.ts";
import type { Id } from "../format/tree.ts";
import { sha256 } from "../format/unpacked.ts";
import type { Storage } from "../storage/storage.ts";
import { loadKeyFiles } from "./master-key.ts";
import type { Lock } from "./repository.ts";
import { makesSense, type Stray } from "./strays.ts";

export interface KeyRepair {
  /** `config`, `keys/…`: as `RepairSummary` has them. */
  readonly rewritten: readonly string[];
  /** Key files that are none; what else they hold is saved before. */
  readonly removed: readonly Id[];
  readonly moves: readonly KeyMove[];
  /** What `config` is to be; absent: it is whole. */
  readonly config?: "new" | { readonly bytes: Buffer };
}

interface KeyMove {
  /** Absent: it lies where another kind of file should. */
  readonly from?: Id;
  readonly to: Id;
  readonly bytes: Buffer;
}

interface KeyRepairParts {
  readonly storage: Storage;
  readonly key: MasterKey;
  readonly configProblem?: string;
}

/** Of the key files whose contents do not fit their names those that are none. */
export async function findNoKeys(storage: Storage, signal: AbortSignal): Promise<readonly Id[]> {
  const found: Id[] = [];
  for (const file of await loadKeyFiles(storage, signal)) {
    // What the storage does not give now is nothing to judge.
    if ("failure" in file) continue;
    const { name, bytes } = file;
    if (sha256(bytes) !== name && !makesSense(() => parseKeyFile(sha256(bytes), bytes))) found.push(name);
  }
  return found;
}

/**
 * Key files whose contents do not fit their names: restic stops at the first of them. Those that still make sense are
 * stored again under the name that fits, and open with their password if what it needs is whole; the others are of no
 * use to anybody. Keys and a config that were found in other files' places come back.
 */
export async function planKeyRepair(
  { storage, configProblem }: KeyRepairParts,
  removed: readonly Id[],
  strays: readonly Stray[],
  signal: AbortSignal,
): Promise<KeyRepair> {
  const moves: KeyMove[] = [];
  const whole = new Set<string>();
  const files = await loadKeyFiles(storage, signal);
  const taken = new Set(files.map(({ name }) => name));
  for (const file of files) {
    if ("failure" in file || removed.includes(file.name)) continue;
    const { name, bytes } = file;
    if (sha256(bytes) === name) whole.add(textOf(bytes));
    else moves.push({ from: name, ...freeName(bytes, taken) });
  }
  const held = strays.map(({ holds }) => holds);
  for (const one of held) {
    // A repair that was cut off may have brought it back already.
    if (one.type === "key" && !whole.has(textOf(one.bytes))) moves.push(freeName(one.bytes, taken));
  }
  const config = held.find(({ type }) => type === "config");
  const lost = configProblem === undefined ? undefined : config?.type === "config" ? config : "new";
  return {
    rewritten: [...(lost === undefined ? [] : ["config"]), ...moves.map(({ from, to }) => `keys/${from ?? to}`)],
    removed,
    moves,
    ...(lost !== undefined && { config: lost }),
  };
}

/** Writes what is new; what it replaces goes with `removeOldKeys`. */
export async function writeKeys(
  { storage }: KeyRepairParts,
  { moves }: KeyRepair,
  lock: Lock,
  signal: AbortSignal,
): Promise<void> {
  for (const { to, bytes } of moves) {
    await lock.check(signal);
    await storage.save({ kind: "key", name: to }, bytes, signal);
  }
}

export async function removeOldKeys(
  { storage }: KeyRepairParts,
  { moves, removed }: KeyRepair,
  lock: Lock,
  signal: AbortSignal,
): Promise<void> {
  await lock.check(signal);
  for (const name of [...moves.map(({ from }) => from), ...removed])
    if (name !== undefined) await storage.remove({ kind: "key", name }, signal);
}

/** Only its seal binds it to the key, and nothing is in it that cannot be chosen anew. */
export async function writeConfig(
  { storage, key }: KeyRepairParts,
  { config }: KeyRepair,
  lock: Lock,
  signal: AbortSignal,
): Promise<void> {
  if (config === undefined) return;
  const bytes = config === "new" ? sealConfig(key, newConfig()) : config.bytes;
  await lock.check(signal);
  await storage.remove({ kind: "config", name: "" }, signal);
  await storage.save({ kind: "config", name: "" }, bytes, signal);
}

/** As `freeName` finds it, whatever name it has. */
function textOf(bytes: Buffer): string {
  return bytes.toString("latin1").trimEnd();
}

/** Where two were swapped, each name is taken by the other: a space at the end makes another name. */
function freeName(bytes: Buffer, taken: Set<Id>): { readonly to: Id; readonly bytes: Buffer } {
  for (let found = bytes; ; found = Buffer.concat([found, Buffer.from(" ")])) {
    const to = sha256(found);
    if (taken.has(to)) continue;
    taken.add(to);
    return { to, bytes: found };
  }
}
