import type { LogPoint } from "../../database/change-feed.ts";
import { compareTimes } from "../../format/time.ts";
import { damaged } from "../checked.ts";
import type { JournalSpan } from "./journal-file.ts";
import type { Journal, OpenedSegment } from "./open-journal.ts";
import type { SegmentHeader } from "./segment.ts";

/** How much earlier it is looked, one after the other. */
const earlierMs = [0, 1, 8, 60].map((days) => days * 86_400_000);

type Segments = Pick<Journal, "databases" | "segments">;

/**
 * Segments of a span in order, some before a place in it and all behind that place. Where they stand in the journal is known by the time at
 * which they were stored, and the place has its time by the server's clock, which may be hours ahead: so the first one has to begin before it.
 */
export async function* segmentsBehind(
  journal: Segments,
  database: string,
  span: JournalSpan,
  behind: LogPoint,
  signal: AbortSignal,
): AsyncGenerator<OpenedSegment, void> {
  const isBefore = ({ number, from }: SegmentHeader) => number === span.first || from.position <= behind.position;
  let isFirst = true;
  for await (const segment of fromBefore(
    journal,
    { database, first: span.first, time: behind.time, isBefore },
    signal,
  )) {
    const { number, anew } = segment.header;
    if (isFirst && !isBefore(segment.header)) throw damaged(`journal/${database}`, "segment");
    isFirst = false;
    // Of a later stretch of the log nothing counts: it may tell what another server never knew.
    if (anew !== undefined && number > span.first) return;
    yield segment;
  }
  if (isFirst && journal.databases.some(({ name, head }) => name === database && head))
    throw damaged(`journal/${database}`, "segment");
}

/** Segments in order, some before a time by the server's clock (RFC 3339) and all behind it; all that there are, where none is before it. */
export function segmentsSince(
  journal: Segments,
  database: string,
  time: string,
  signal: AbortSignal,
): AsyncGenerator<OpenedSegment, void> {
  const isBefore = ({ from }: SegmentHeader) => compareTimes(from.time, time) <= 0;
  return fromBefore(journal, { database, first: 0, time, isBefore }, signal);
}

interface Wanted {
  readonly database: string;
  /** None before the one of this number. */
  readonly first: number;
  readonly time: string;
  readonly isBefore: (header: SegmentHeader) => boolean;
}

/** From the latest place on, of some, whose first segment is before what is wanted; else all. */
async function* fromBefore(
  journal: Segments,
  { database, first, time, isBefore }: Wanted,
  signal: AbortSignal,
): AsyncGenerator<OpenedSegment, void> {
  const since = earlierMs.map((ms) => new Date(Date.parse(time) - ms));
  for (const start of [...since, new Date(0)]) {
    let state: "none" | "begun" = "none";
    for await (const segment of journal.segments(database, start.toISOString(), first, signal)) {
      if (state === "none" && start.getTime() > 0 && !isBefore(segment.header)) break;
      state = "begun";
      yield segment;
    }
    if (state === "begun") return;
  }
}
