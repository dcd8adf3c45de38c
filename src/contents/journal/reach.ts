import {
  type GapReason,
  type LogPosition,
  placeTimeSlackMs,
  type SnapshotPoint,
  type TableId,
} from "../../database/change-feed.ts";
import { compareTimes } from "../../format/time.ts";
import type { JournalDatabase, JournalSpan } from "./journal-file.ts";

/** How far the journal leads from a backup of a database. */
export type Reach =
  /** Not at all: nobody followed the database when it was made, and why that is, where it was followed later. */
  | { readonly state: "none"; readonly why?: ReachLimit }
  /** To every moment up to and including `until`; and why no further, where it is not for that it goes on no further. */
  | {
      readonly state: "until";
      readonly span: JournalSpan;
      readonly until: string;
      /** What was committed behind this is not, whatever its time: times of some logs are whole seconds. */
      readonly position: LogPosition;
      readonly why?: ReachLimit;
    };

export interface ReachLimit {
  readonly reason: GapReason;
  readonly tables: readonly TableId[];
}

export function reachFrom(database: JournalDatabase, backup: SnapshotPoint): Reach {
  const at = database.spans.findLastIndex((span) => beginsBefore(span, backup) && backup.position <= span.to.position);
  const span = database.spans[at];
  if (!span) {
    // It was made in a gap that no span ends at: the span before it was not noted that far.
    const later = database.spans.find(
      (one) => !beginsBefore(one, backup) && compareTimes(one.to.time, backup.time) > 0,
    );
    return { state: "none", ...(later && { why: { reason: later.anew, tables: [] } }) };
  }
  const gap = span.gaps
    .filter(({ to }) => to.position > backup.position)
    .toSorted((a, b) => compareTimes(a.from.time, b.from.time))[0];
  if (gap) {
    const { reason, tables } = gap;
    // A gap may begin before the backup that is in the midst of it.
    const until = compareTimes(gap.from.time, backup.time) < 0 ? backup.time : gap.from.time;
    const position = gap.from.position < backup.position ? backup.position : gap.from.position;
    return { state: "until", span, until, position, why: { reason, tables } };
  }
  const next = database.spans[at + 1];
  const { position, time, seen } = span.to;
  // Tables that were altered may have been since they were seen last, and not only since the log was read last.
  const until =
    next?.anew !== "schema" || seen === undefined ? time : compareTimes(seen, backup.time) < 0 ? backup.time : seen;
  return { state: "until", span, until, position, ...(next && { why: { reason: next.anew, tables: [] } }) };
}

/**
 * Whether a span began before a snapshot was made. A log that was made anew counts from the beginning again: there a position
 * from before may lie within the span as well, and only its time tells.
 */
export function beginsBefore({ history, from }: JournalSpan, snapshot: SnapshotPoint): boolean {
  const isOlder = Date.parse(snapshot.time) + placeTimeSlackMs < Date.parse(from.time);
  return history === snapshot.history && from.position <= snapshot.position && !isOlder;
}
