import type { IndexedPack } from "../../format/index-file.ts";
import type { Id } from "../../format/tree.ts";
import { isHoldfastError } from "../../lib/errors.ts";
import type { IndexedRepository } from "../../repository/repository.ts";
import { type JournalDatabase, withSegment } from "./journal-file.ts";
import { type SegmentHeader, readSegmentHeader } from "./segment.ts";
import { besidePlaces } from "./signpost.ts";

/** A flush makes packs of fewer blobs: see `JournalWriter.store`. */
const mostBlobs = 64;

export interface LooseSegment {
  readonly id: Id;
  /** Of all its blobs. */
  readonly bytes: number;
  readonly header: SegmentHeader;
}

export interface LooseSegments {
  /** With these segments. */
  readonly databases: readonly JournalDatabase[];
  /** In the order of each database's chain. */
  readonly segments: readonly LooseSegment[];
  /** Those of their packs that no index names. */
  readonly packs: readonly IndexedPack[];
}

/**
 * Segments that are stored and that no snapshot names yet: those of the last minute, or of a run that was cut off. Each is found by
 * the one that it follows, in a pack that no index names, or that one names by now; see `signpost.ts`.
 */
export async function looseSegments(
  indexed: IndexedRepository,
  crm: string,
  databases: readonly JournalDatabase[],
  signal: AbortSignal,
): Promise<LooseSegments> {
  // Its blobs are known to the index from here on.
  const unnamed = await indexed.loosePacks(mostBlobs, signal);
  const behind = async (previous: Id | undefined): Promise<readonly LooseSegment[]> => {
    const found: LooseSegment[] = [];
    for (const id of besidePlaces(indexed, crm, previous)) {
      const bytes = await load(indexed, id, signal);
      const header = bytes && readSegmentHeader(bytes);
      if (!bytes || header?.crm !== crm || header.previous !== previous) continue;
      const rest = (header.rest ?? []).map((piece) => indexed.size("data", piece) ?? Number.NaN);
      const length = rest.reduce((sum, size) => sum + size, bytes.length);
      // A long one that is not there as a whole is none.
      if (!Number.isNaN(length)) found.push({ id, bytes: length, header });
    }
    return found;
  };
  const segments: LooseSegment[] = [];
  const firsts = await behind(undefined);
  const names = new Set([...databases, ...firsts.map(({ header }) => ({ name: header.database }))].map(nameOf));
  const extended: JournalDatabase[] = [];
  for (const name of names) {
    let database: JournalDatabase = databases.find((one) => one.name === name) ?? { name, spans: [], outside: [] };
    for (;;) {
      const { head } = database;
      const candidates = (head ? await behind(head.id) : firsts).filter(
        ({ header }) => header.database === name && header.number === (head?.number ?? 0) + 1,
      );
      const next = candidates.toSorted((a, b) => compareByReach(indexed, crm, a, b)).at(-1);
      if (!next) break;
      segments.push(next);
      database = withSegment(database, next.header, next.id);
    }
    extended.push(database);
  }
  const ids = new Set(segments.flatMap(({ id, header }) => [id, ...(header.rest ?? [])]));
  return { databases: extended, segments, packs: unnamed.filter(({ blobs }) => blobs.some(({ id }) => ids.has(id))) };
}

const nameOf = ({ name }: { readonly name: string }): string => name;

/** A try that failed may have come to more than it was known to: of two that follow the same one, it is that which was gone on from. */
function compareByReach(indexed: IndexedRepository, crm: string, a: LooseSegment, b: LooseSegment): number {
  const leadsOn = ({ id }: LooseSegment): number => Math.min(1, besidePlaces(indexed, crm, id).length);
  return leadsOn(a) - leadsOn(b) || (a.header.to.position < b.header.to.position ? -1 : 1);
}

/** `undefined`: pruned meanwhile, or damaged: what never was named is missed by its place in the chain. */
async function load(indexed: IndexedRepository, id: Id, signal: AbortSignal): Promise<Buffer | undefined> {
  try {
    return await indexed.load("data", id, signal);
  } catch (error) {
    if (isHoldfastError(error, "repository-damaged") || isHoldfastError(error, "storage-not-found")) return undefined;
    throw error;
  }
}
