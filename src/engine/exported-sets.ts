import type { Id } from "../format/tree.ts";
import { HoldfastError } from "../lib/errors.ts";
import { type Catalogue, parseCatalogue, type SetKind, type VolumeStart } from "../volumes/catalogue.ts";
import type { Engine } from "./engine.ts";
import { listState, readState, removeState, writeState } from "./state.ts";

/** A set of volumes as this machine remembers it: what it holds, and how far it has come. */
export interface ExportedSet {
  readonly catalogue: Catalogue;
  /** Where the next volume begins; absent: the set is complete. */
  readonly next?: VolumeStart;
}

const folderOf = (repository: Id): string => `exports/${repository}`;
const recordOf = ({ repository, set }: Catalogue): string => `${folderOf(repository)}/${set}.json`;

/** The oldest first. */
export async function exportedSets(engine: Engine, repository: Id): Promise<readonly ExportedSet[]> {
  const names = await listState(engine, folderOf(repository));
  const sets = await Promise.all(names.map((name) => readState(engine, `${folderOf(repository)}/${name}.json`)));
  return sets.filter(isExportedSet).toSorted((a, b) => (a.catalogue.created < b.catalogue.created ? -1 : 1));
}

export async function rememberSet(engine: Engine, set: ExportedSet): Promise<void> {
  await writeState(engine, recordOf(set.catalogue), set);
}

export async function forgetSet(engine: Engine, { catalogue }: ExportedSet): Promise<void> {
  await removeState(engine, recordOf(catalogue));
}

export interface SetBase {
  readonly base?: string;
  /** Paths of all that this set and those below it hold. */
  readonly known: ReadonlySet<string>;
}

/**
 * What a new set stands on: an incremental one on the newest, a differential one on the newest full one. Sets that are
 * not complete are no ground. `export-base-missing` where there is none.
 */
export function baseOf(sets: readonly ExportedSet[], kind: SetKind): SetBase {
  if (kind === "full") return { known: new Set() };
  const complete = sets.filter(({ next }) => next === undefined).map(({ catalogue }) => catalogue);
  const newest = complete.findLast((one) => kind === "incremental" || one.kind === "full");
  if (newest === undefined) throw new HoldfastError("export-base-missing", { kind });
  const known = new Set<string>();
  // Each once: media may say that two sets stand on each other.
  const left = new Map(complete.map((one) => [one.set, one]));
  for (let one: Catalogue | undefined = newest; one !== undefined;) {
    for (const { path } of one.files) known.add(path);
    left.delete(one.set);
    const { base }: Catalogue = one;
    if (base === undefined) break;
    one = left.get(base);
    if (one === undefined) throw new HoldfastError("export-base-missing", { kind, set: base });
  }
  return { base: newest.set, known };
}

/** This user's own file; its catalogue is looked at as on a volume. */
function isExportedSet(value: unknown): value is ExportedSet {
  if (typeof value !== "object" || value === null || !("catalogue" in value)) return false;
  try {
    parseCatalogue(JSON.stringify(value.catalogue));
    return true;
  } catch {
    return false;
  }
}
