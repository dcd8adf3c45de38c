import type { MasterKey } from "../format/crypto.ts";
import { parseSnapshot } from "../format/snapshot-json.ts";
import type { Snapshot } from "../format/snapshot.ts";
import type { Id } from "../format/tree.ts";
import { openUnpacked } from "../format/unpacked.ts";
import type { Storage } from "../storage/storage.ts";
import { isDamage } from "./child-trees.ts";
import { examineBytes, type ExaminedPack } from "./examine-pack.ts";

/** A file that is none of its kind, but one of another: two were swapped, or a folder was put into another. */
export interface Stray {
  readonly kind: "index" | "snapshot" | "data";
  readonly name: Id;
  readonly holds: ExaminedPack | Snapshot;
}

/** What a file that makes no sense where it is holds all the same; `undefined`: nothing that is known. */
export async function findStray(
  storage: Storage,
  key: MasterKey,
  kind: Stray["kind"],
  name: Id,
  signal: AbortSignal,
): Promise<Stray | undefined> {
  try {
    const bytes = await storage.load({ kind, name }, undefined, signal);
    const snapshot = kind === "snapshot" ? undefined : snapshotIn(key, bytes);
    if (snapshot !== undefined) return { kind, name, holds: snapshot };
    const pack = kind === "data" ? undefined : examineBytes(key, name, bytes, []);
    return pack === undefined || pack.good.length === 0
      ? undefined
      : { kind, name, holds: { ...pack, state: "damaged" } };
  } catch (error) {
    signal.throwIfAborted();
    if (isDamage(error)) return undefined;
    throw error;
  }
}

export function isPack(holds: ExaminedPack | Snapshot): holds is ExaminedPack {
  return "good" in holds;
}

function snapshotIn(key: MasterKey, bytes: Buffer): Snapshot | undefined {
  try {
    return parseSnapshot(openUnpacked(key, bytes));
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}
