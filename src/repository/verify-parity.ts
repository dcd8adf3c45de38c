import type { Id } from "../format/tree.ts";
import { storedPath } from "../storage/layout.ts";
import type { Storage } from "../storage/storage.ts";
import type { DefectList } from "./defects.ts";
import { loadGroups, loadPiece } from "./parity-file.ts";

export interface VerifiedParity {
  /** Groups of which all packs and all parity files are there. */
  readonly groups: number;
  /** Packs in them, and packs of the index that are in none. */
  readonly packs: number;
  readonly uncovered: number;
}

/** `undefined` where there is no parity. With `data` every parity file is read and compared with its name. */
export async function verifyParity(
  storage: Storage,
  sizes: ReadonlyMap<Id, number>,
  indexed: ReadonlySet<Id>,
  depth: "structure" | "data",
  defects: DefectList,
  signal: AbortSignal,
): Promise<VerifiedParity | undefined> {
  const { groups, damaged } = await loadGroups(storage, signal);
  if (groups.length + damaged.length === 0) return undefined;
  const bad = new Set(damaged);
  if (depth === "data") {
    for (const { files } of groups) {
      for (const name of files.values()) if ((await loadPiece(storage, name, signal)) === undefined) bad.add(name);
    }
  }
  for (const name of bad) defects.add("parity-damaged", storedPath({ kind: "parity", name }));
  const covered = new Set<Id>();
  let whole = 0;
  for (const { data, parity, files } of groups) {
    const isTrue =
      [...files.values()].filter((name) => !bad.has(name)).length === parity &&
      data.every(({ id, size }) => sizes.get(id) === size);
    if (!isTrue) continue;
    whole++;
    for (const { id } of data) if (indexed.has(id)) covered.add(id);
  }
  return { groups: whole, packs: covered.size, uncovered: indexed.size - covered.size };
}
