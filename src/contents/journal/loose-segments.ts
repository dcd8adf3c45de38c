import type { IndexedPack } from "../../format/index-file.ts";
import type { Id } from "../../format/tree.ts";
import { isHoldfastError } from "../../lib/errors.ts";
import type { IndexedRepository } from "../../repository/repository.ts";
import { type JournalDatabase, withSegment } from "./journal-file.ts";
import { type SegmentHeader, readSegmentHeader } from "./segment.ts";
import { followSignpost } from "./signpost.ts";

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
 * which one it follows, so that they are taken up in order, as far as the chain has no hole. Those that an index names already,
 * and a snapshot is about to, are found by their signpost; `others`: ids of more blobs that an index names by now.
 */
export async function looseSegments(
  indexed: IndexedRepository,
  crm: string,
  databases: readonly JournalDatabase[],
  others: readonly Id[],
  signal: AbortSignal,
): Promise<LooseSegments> {
  const byPlace = new Map<string, LooseSegment>();
  const packOf = new Map<Id, IndexedPack>();
  const look = async (id: Id, pack?: IndexedPack): Promise<void> => {
    const bytes = await load(indexed, id, signal);
    const header = bytes && readSegmentHeader(bytes);
    if (!bytes || header?.crm !== crm) return;
    byPlace.set(placeIn(header.database, header.number), { id, bytes: bytes.length, header });
    if (pack) packOf.set(id, pack);
  };
  const lookInIndex = async (ids: readonly Id[]): Promise<void> => {
    for (const id of ids) if (indexed.has("data", id)) await look(id);
  };
  // Before anything loose is taken up: a signpost stands behind what was named, not behind what came after it.
  let known: Extended = { databases, segments: [] };
  const segments: LooseSegment[] = [];
  do {
    await lookInIndex(await followSignpost(indexed, crm, known.databases, (id) => load(indexed, id, signal)));
    known = extend(known.databases, byPlace);
    segments.push(...known.segments);
  } while (known.segments.length > 0);
  for (const pack of await indexed.loosePacks(mostBlobs, signal)) {
    for (const { id } of pack.blobs) await look(id, pack);
  }
  await lookInIndex(others);
  const all = extend(known.databases, byPlace);
  segments.push(...all.segments);
  const packs = new Set(segments.flatMap(({ id }) => packOf.get(id) ?? []));
  return { databases: all.databases, segments, packs: [...packs] };
}

type Extended = Pick<LooseSegments, "databases" | "segments">;

/** The databases with every segment that follows their newest ones without a hole. */
function extend(databases: readonly JournalDatabase[], byPlace: ReadonlyMap<string, LooseSegment>): Extended {
  const segments: LooseSegment[] = [];
  const names = new Set(databases.map(({ name }) => name));
  for (const { header } of byPlace.values()) names.add(header.database);
  const extended = [...names].map((name) => {
    let database = databases.find((one) => one.name === name) ?? { name, spans: [], outside: [] };
    for (;;) {
      const next = byPlace.get(placeIn(name, (database.head?.number ?? 0) + 1));
      if (!next || next.header.previous !== database.head?.id) return database;
      segments.push(next);
      database = withSegment(database, next.header, next.id);
    }
  });
  return { databases: extended, segments };
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
