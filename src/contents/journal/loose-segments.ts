import type { IndexedPack } from "../../format/index-file.ts";
import type { Id } from "../../format/tree.ts";
import { isHoldfastError } from "../../lib/errors.ts";
import type { IndexedRepository } from "../../repository/repository.ts";
import { type JournalDatabase, withSegment } from "./journal-file.ts";
import { type SegmentHeader, readSegmentHeader } from "./segment.ts";

/** A flush makes a pack of a blob or two. */
const mostBlobs = 64;

export interface LooseSegment {
  readonly id: Id;
  readonly bytes: number;
  readonly header: SegmentHeader;
}

export interface LooseSegments {
  /** With these segments. */
  readonly databases: readonly JournalDatabase[];
  /** In the order of each database's chain. */
  readonly segments: readonly LooseSegment[];
  readonly packs: readonly IndexedPack[];
}

/**
 * Segments that are stored and that no snapshot names yet: those of the last minute, or of a run that was cut off. Each says
 * which one it follows, so that they are taken up in order, as far as the chain has no hole. `others`: ids of blobs that an index
 * names by now.
 */
export async function looseSegments(
  indexed: IndexedRepository,
  crm: string,
  databases: readonly JournalDatabase[],
  others: readonly Id[],
  signal: AbortSignal,
): Promise<LooseSegments> {
  const byPrevious = new Map<string, LooseSegment>();
  const packOf = new Map<Id, IndexedPack>();
  const look = async (id: Id, pack?: IndexedPack): Promise<void> => {
    const bytes = await load(indexed, id, signal);
    const header = bytes && readSegmentHeader(bytes);
    if (!bytes || header?.crm !== crm) return;
    byPrevious.set(placeIn(header.database, header.number), { id, bytes: bytes.length, header });
    if (pack) packOf.set(id, pack);
  };
  for (const pack of await indexed.loosePacks(mostBlobs, signal)) {
    for (const { id } of pack.blobs) await look(id, pack);
  }
  for (const id of others) if (indexed.has("data", id)) await look(id);
  const segments: LooseSegment[] = [];
  const names = new Set([
    ...databases.map(({ name }) => name),
    ...[...byPrevious.values()].map((one) => one.header.database),
  ]);
  const extended = [...names].map((name) => {
    let database = databases.find((one) => one.name === name) ?? { name, spans: [], outside: [] };
    for (;;) {
      const next = byPrevious.get(placeIn(name, (database.head?.number ?? 0) + 1));
      if (!next || next.header.previous !== database.head?.id) return database;
      segments.push(next);
      database = withSegment(database, next.header, next.id);
    }
  });
  const packs = new Set(segments.flatMap(({ id }) => packOf.get(id) ?? []));
  return { databases: extended, segments, packs: [...packs] };
}

function placeIn(database: string, number: number): string {
  return `${number} ${database}`;
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
