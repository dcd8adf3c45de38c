import type { LogPoint } from "../../database/change-feed.ts";
import { damaged } from "../checked.ts";
import type { JournalSpan } from "./journal-file.ts";
import type { Journal, OpenedSegment } from "./open-journal.ts";

/** How much earlier it is looked, one after the other. */
const earlierMs = [0, 1, 8, 60].map((days) => days * 86_400_000);

/**
 * Segments of a span in order, some before a place in it and all behind that place. Where they stand in the journal is known by the time at
 * which they were stored, and the place has its time by the server's clock, which may be hours ahead: so the first one has to begin before it.
 */
export async function* segmentsBehind(
  journal: Pick<Journal, "databases" | "segments">,
  database: string,
  span: JournalSpan,
  behind: LogPoint,
  signal: AbortSignal,
): AsyncGenerator<OpenedSegment, void> {
  const head = journal.databases.find(({ name }) => name === database)?.head;
  const since = earlierMs.map((ms) => new Date(Date.parse(behind.time) - ms).toISOString());
  for (const time of [...since, new Date(0).toISOString()]) {
    let state: "none" | "whole" | "late" = "none";
    for await (const segment of journal.segments(database, time, span.first, signal)) {
      const { number, from, anew } = segment.header;
      if (state === "none") state = number === span.first || from.position <= behind.position ? "whole" : "late";
      if (state === "late") break;
      // Of a later stretch of the log nothing counts: it may tell what another server never knew.
      if (anew !== undefined && number > span.first) return;
      yield segment;
    }
    if (state === "whole") return;
    if (Date.parse(time) === 0 && (state === "late" || head)) throw damaged(`journal/${database}`, "segment");
  }
}
