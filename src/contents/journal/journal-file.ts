import type { GapReason, LogPoint, LogPosition, OutsideTable } from "../../database/change-feed.ts";
import { gapReasons, outsideReasons, tableName } from "../../database/change-feed.ts";
import type { Id } from "../../format/tree.ts";
import { type Check, count, hexId, list, object, oneOf, optional, parseChecked, text, utcTime } from "../checked.ts";
import { type Gap, gap, outsideTables, point, type SegmentHeader } from "./segment.ts";

/**
 * `journal.json` at the top of a journal's snapshot: which moments of each database can be had. Segments that were stored since
 * are added by their headers.
 */
export interface JournalFile {
  readonly format: 1;
  readonly crm: string;
  readonly databases: readonly JournalDatabase[];
  /** Absent: nobody ever looked at files. */
  readonly files?: JournalFiles;
  readonly program: string;
}

/** Stretches of time in which the CRM's files were looked at again and again, oldest first. RFC 3339. */
export interface JournalFiles {
  readonly spans: readonly FilesSpan[];
}

/** Whatever changed in it, or before it and since the span before, and still stood so at a look, is in the journal. */
export interface FilesSpan {
  readonly from: string;
  readonly to: string;
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
  /** Tables that were outside of the journal for a part of it. */
  readonly left?: readonly LeftTable[];
}

/** A table that is followed by now, or whose span is over. */
interface LeftTable extends OutsideTable {
  /** Up to here it was outside. */
  readonly to: LogPoint;
}

const file: Check<JournalFile> = object({
  format: oneOf([1]),
  crm: text,
  databases: list(
    object({
      name: text,
      head: optional(object({ id: hexId, number: count })),
      spans: list(
        object({
          history: text,
          first: count,
          from: point,
          to: point,
          anew: oneOf(gapReasons),
          gaps: list(gap),
          left: optional(list(object({ schema: text, name: text, reason: oneOf(outsideReasons), to: point }))),
        }),
      ),
      outside: outsideTables,
      tables: optional(text),
    }),
  ),
  files: optional(object({ spans: list(object({ from: utcTime, to: utcTime })) })),
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
  const before = database.spans.slice(0, -1);
  const last = database.spans.at(-1);
  let spans: readonly JournalSpan[];
  if (last === undefined || anew !== undefined) {
    const closed = last && { ...last, ...leftTables(last, database.outside, last.to) };
    const begun = { history, first: header.number, from, to, anew: anew ?? "begun", gaps };
    spans = [...before, ...(closed ? [closed] : []), begun];
  } else {
    const isOutside = new Set((outside ?? database.outside).map(tableName));
    const followed = database.outside.filter((table) => !isOutside.has(tableName(table)));
    spans = [...before, { ...last, to, gaps: [...last.gaps, ...gaps], ...leftTables(last, followed, to) }];
  }
  return {
    ...database,
    head: { id, number: header.number },
    spans,
    ...(outside && { outside }),
    ...(tables !== undefined && { tables }),
  };
}

function leftTables(
  { left = [] }: JournalSpan,
  tables: readonly OutsideTable[],
  to: LogPoint,
): Pick<JournalSpan, "left"> {
  return left.length + tables.length === 0 ? {} : { left: [...left, ...tables.map((table) => ({ ...table, to }))] };
}

/** Tables whose changes behind a position of a span the journal lacks. */
export function outsideBehind(
  { spans, outside }: JournalDatabase,
  span: JournalSpan,
  position: LogPosition,
): readonly OutsideTable[] {
  const now = span === spans.at(-1) ? outside : [];
  const names = new Set(now.map(tableName));
  const left = (span.left ?? []).filter((table) => table.to.position > position && !names.has(tableName(table)));
  return [...now, ...left];
}

/** The database when it is known that nothing more happened up to this point. */
export function reachedTo(database: JournalDatabase, to: LogPoint): JournalDatabase {
  const last = database.spans.at(-1);
  if (last === undefined || to.position < last.to.position) return database;
  return { ...database, spans: [...database.spans.slice(0, -1), { ...last, to }] };
}

/** The files when they were looked at once more; a span is known by when it began. */
export function lookedTo({ spans }: JournalFiles, span: FilesSpan): JournalFiles {
  return { spans: spans.at(-1)?.from === span.from ? [...spans.slice(0, -1), span] : [...spans, span] };
}

export function filesWithoutBefore({ spans }: JournalFiles, time: string): JournalFiles {
  return { spans: spans.filter(({ to }) => to >= time) };
}

/** Without what only moments before `time` need. */
export function withoutBefore(database: JournalDatabase, time: string): JournalDatabase {
  const last = database.spans.at(-1);
  const kept = database.spans.filter((span) => span === last || span.to.time >= time);
  const spans = kept.map((span) => {
    const left = span.left?.filter(({ to }) => to.time >= time);
    return { ...span, gaps: span.gaps.filter(({ to }) => to.time >= time), ...(left && { left }) };
  });
  return { ...database, spans };
}
