import type { MasterKey } from "../format/crypto.ts";
import { parseKeyFile } from "../format/key-file.ts";
import type { Id } from "../format/tree.ts";
import { sha256 } from "../format/unpacked.ts";
import { isHoldfastError } from "../lib/errors.ts";
import type { Storage } from "../storage/storage.ts";
import type { Lock } from "./repository.ts";

export interface KeyRepair {
  /** `config`, `keys/…`: as `RepairSummary` has them. */
  readonly rewritten: readonly string[];
  readonly removed: readonly Id[];
  readonly moves: readonly KeyMove[];
}

interface KeyMove {
  readonly from: Id;
  readonly to: Id;
  readonly bytes: Buffer;
}

interface KeyRepairParts {
  readonly storage: Storage;
  readonly key: MasterKey;
  readonly configProblem?: string;
}

/**
 * Key files whose contents do not fit their names: restic stops at the first of them. Those that still make sense are
 * stored again under the name that fits, and open with their password if what it needs is whole; the others are of no
 * use to anybody.
 */
export async function planKeyRepair(
  { storage, configProblem }: KeyRepairParts,
  signal: AbortSignal,
): Promise<KeyRepair> {
  const rewritten = configProblem === undefined ? [] : ["config"];
  const removed: Id[] = [];
  const moves: KeyMove[] = [];
  const taken = new Set<Id>();
  for await (const { name } of storage.list("key", signal)) taken.add(name);
  for (const name of [...taken]) {
    const bytes = await storage.load({ kind: "key", name }, undefined, signal);
    if (sha256(bytes) === name) continue;
    if (!makesSense(bytes)) {
      removed.push(name);
      continue;
    }
    rewritten.push(`keys/${name}`);
    moves.push({ from: name, ...freeName(bytes, taken) });
  }
  return { rewritten, removed, moves };
}

export async function applyKeyRepair(
  { storage }: KeyRepairParts,
  { moves, removed }: KeyRepair,
  lock: Lock,
  signal: AbortSignal,
): Promise<void> {
  for (const { to, bytes } of moves) {
    await lock.check(signal);
    await storage.save({ kind: "key", name: to }, bytes, signal);
  }
  await lock.check(signal);
  for (const name of [...moves.map(({ from }) => from), ...removed])
    await storage.remove({ kind: "key", name }, signal);
}

function makesSense(bytes: Buffer): boolean {
  try {
    parseKeyFile(sha256(bytes), bytes);
    return true;
  } catch (error) {
    if (isHoldfastError(error, "repository-damaged")) return false;
    throw error;
  }
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
