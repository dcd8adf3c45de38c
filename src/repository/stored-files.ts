import type { MasterKey } from "../format/crypto.ts";
import { scanIndex } from "../format/index-scan.ts";
import type { Id } from "../format/tree.ts";
import { openUnpacked } from "../format/unpacked.ts";
import { mapBounded } from "../lib/map-bounded.ts";
import type { FileKind, ListedFile, Storage, StoredFile } from "../storage/storage.ts";

/** A file that the repository needs, as its storage lists it. */
export interface NeededFile extends StoredFile, ListedFile {}

export interface NeededFiles {
  readonly files: readonly NeededFile[];
  /** Packs that an index names and that are not there. */
  readonly lostPacks: ReadonlySet<Id>;
}

/**
 * What makes the repository: its keys, snapshots and indexes, and the packs that an index names. Snapshots are listed
 * before indexes, and these before packs, so that all that is listed is whole, whoever writes meanwhile. Locks are left
 * out, and packs that no index names.
 */
export async function neededFiles(
  storage: Storage,
  key: MasterKey,
  signal: AbortSignal,
  parity: "with parity" | "without parity",
): Promise<NeededFiles> {
  const files: NeededFile[] = [];
  const kinds: FileKind[] = ["snapshot", "index", "config", "key"];
  if (parity === "with parity" && storage.traits.parity === "kept") kinds.push("parity");
  for (const kind of kinds) for await (const file of storage.list(kind, signal)) files.push({ kind, ...file });
  const named = await namedPacks(
    storage,
    key,
    files.filter(({ kind }) => kind === "index"),
    signal,
  );
  const lostPacks = new Set(named);
  for await (const file of storage.list("data", signal)) {
    if (!named.has(file.name)) continue;
    files.push({ kind: "data", ...file });
    lostPacks.delete(file.name);
  }
  return { files, lostPacks };
}

async function namedPacks(
  storage: Storage,
  key: MasterKey,
  indexes: readonly StoredFile[],
  signal: AbortSignal,
): Promise<ReadonlySet<Id>> {
  const named = new Set<Id>();
  await mapBounded(indexes, storage.traits.connections, async (file) => {
    scanIndex(openUnpacked(key, await storage.load(file, undefined, signal)), {
      pack(id) {
        named.add(id);
        return "skip";
      },
      blob() {},
      marked() {},
    });
  });
  return named;
}
