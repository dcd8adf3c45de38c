import type { GapReason, LogPoint, OutsideTable } from "../../database/change-feed.ts";
import { gapReasons } from "../../database/change-feed.ts";
import type { Id } from "../../format/tree.ts";
import { type Check, count, hexId, list, object, oneOf, optional, parseChecked, text } from "../checked.ts";
import { type Gap, gap, outsideTables, point, type SegmentHeader } from "./segment.ts";

/**
 * `journal.json` at the top of a journal's snapshot: which moments of each database can be had. Segments that were stored since
 * are added by their headers.
 */
export interface JournalFile {
  readonly format: 1;
  readonly crm: string;
  readonly databases: readonly JournalDatabase[];
  readonly program: string;
}

export interface JournalDatabase {
  readonly name: string;
  /** The newest segment. */
  readonly head?: { readonly id: Id; readonly number: number };
  /** Oldest first; between two of them changes are lost. */
  readonly spans: readonly JournalSpan[];
  readonly outside: readonly OutsideTable[];
  /** Stands for all tables and their columns where the last span ends. */
  readonly tables?: string;
}

/** A stretch of the log without a hole, but for some tables. */
export interface JournalSpan {
  readonly history: string;
  /** Number of its first segment. */
  readonly first: number;
  readonly from: LogPoint;
  /** Everything up to here is in the journal. */
  readonly to: LogPoint;
  /** Why it does not follow the one before. */
  readonly anew: GapReason;
  readonly gaps: readonly Gap[];
}

const file: Check<JournalFile> = object({
  format: oneOf([1]),
  crm: text,
  databases: list(
    object({
      name: text,
      head: optional(object({ id: hexId, number: count })),
      spans: list(
        object({ history: text, first: count, from: point, to: point, anew: oneOf(gapReasons), gaps: list(gap) }),
      ),
      outside: outsideTables,
      tables: optional(text),
    }),
  ),
  program: text,
});

export const journalFileName = "journal.json";

export function parseJournalFile(json: string): JournalFile {
  return parseChecked(json, file, journalFileName);
}

export function serialiseJournalFile(value: JournalFile): string {
  return `${JSON.stringify(value, undefined, 1)}\n`;
}

/** The database with one more segment. */
export function withSegment(database: JournalDatabase, header: SegmentHeader, id: Id): JournalDatabase {
  const { anew, history, from, to, gaps = [], outside, tables } = header;
  const last = database.spans.at(-1);
  const spans =
    last === undefined || anew !== undefined
      ? [...database.spans, { history, first: header.number, from, to, anew: anew ?? "begun", gaps }]
      : [...database.spans.slice(0, -1), { ...last, to, gaps: [...last.gaps, ...gaps] }];
  return {
    ...database,
    head: { id, number: header.number },
    spans,
    ...(outside && { outside }),
    ...(tables !== undefined && { tables }),
  };
}

/** The database when it is known that nothing more happened up to this point. */
export function reachedTo(database: JournalDatabase, to: LogPoint): JournalDatabase {
  const last = database.spans.at(-1);
  if (last === undefined || to.position < last.to.position) return database;
  return { ...database, spans: [...database.spans.slice(0, -1), { ...last, to }] };
}

/** Without what only moments before `time` need. */
export function withoutBefore(database: JournalDatabase, time: string): JournalDatabase {
  const last = database.spans.at(-1);
  const kept = database.spans.filter((span) => span === last || span.to.time >= time);
  const spans = kept.map((span) => ({ ...span, gaps: span.gaps.filter(({ to }) => to.time >= time) }));
  return { ...database, spans };
}
