import type { CrmOverview } from "../engine/overview.ts";
import type { Report } from "../engine/reports.ts";
import type { Event } from "../lib/events.ts";
import type { JobStore } from "./store.ts";

/**
 * A gap of continuous protection, of which somebody is told at once: from then on not every moment can be had. It is a report of
 * kind `gap` in the repository, and closed by the next backup, one of files by one that lacks nothing. That ends when all files can be
 * read again, too, which a report of kind `gap-end` says.
 */
export interface Gap {
  readonly of: GapSubject;
  /** The database, or its tables; of files, what cannot be read. */
  readonly subject: string;
  /** A `GapReason`; of files what the system says, such as `EACCES`. */
  readonly reason: string;
  /** RFC 3339 */
  readonly since: string;
}

export type GapSubject = "rows" | "files";

/** What an event of `follow` says of gaps as a report. That following begins is none. */
export function gapReportOf(event: Event, id: string, time: string): Report | undefined {
  if (event.type !== "note") return undefined;
  const { code, facts } = event;
  switch (code) {
    case "follow-gap":
      return facts["reason"] === "begun" ? undefined : { id, kind: "gap", time, body: { of: "rows", ...facts } };
    case "follow-files-gap": {
      const { path, ...rest } = facts;
      return { id, kind: "gap", time, body: { of: "files", subject: path, ...rest } };
    }
    case "follow-files-seen":
      return { id, kind: "gap-end", time, body: { of: "files", ...facts } };
    default:
      return undefined;
  }
}

/** The same back: it was in a repository, so nothing of it is believed before its shape is known. */
export function gapOfReport({ kind, body, time }: Report): Gap | undefined {
  if (kind !== "gap") return undefined;
  const { of, subject, reason, time: since } = body;
  if (typeof subject !== "string" || typeof reason !== "string") return undefined;
  const isTime = typeof since === "string" && !Number.isNaN(Date.parse(since));
  return { of: of === "files" ? "files" : "rows", subject, reason, since: isTime ? since : time };
}

/** Those that nothing has closed. `waiting`: reports that the repository has not yet. */
export function openGaps(
  { backups, reports }: Pick<CrmOverview, "backups" | "reports">,
  waiting: readonly Report[],
): readonly Gap[] {
  const all = [...new Map([...reports, ...waiting].map((report) => [report.id, report])).values()];
  const backedUp = backups.at(-1)?.time ?? "";
  const whole = backups.findLast(({ outcome }) => outcome === "ok")?.time ?? "";
  const seen = all.reduce((last, { kind, time }) => (kind === "gap-end" && time > last ? time : last), whole);
  const paths = new Set<string>();
  return all.flatMap((report) => {
    const gap = gapOfReport(report);
    if (gap?.of !== "files") return gap && report.time > backedUp ? [gap] : [];
    // Told anew with each backup, it is the same one.
    if (report.time <= seen || paths.has(gap.subject)) return [];
    paths.add(gap.subject);
    return [gap];
  });
}

/** Reports of gaps that the repository has not yet, of each CRM: on disk, since whoever has to write them may be killed. */
export interface KeptGap {
  readonly crm: string;
  readonly report: Report;
}

const keptName = "gaps";

export function keptGaps(store: JobStore): readonly KeptGap[] {
  return JSON.parse(store.fact(keptName) ?? "[]") as readonly KeptGap[];
}

export function keepGap(store: JobStore, gap: KeptGap): void {
  store.setFact(keptName, JSON.stringify([...keptGaps(store), gap]));
}

export function dropGaps(store: JobStore, ids: ReadonlySet<string>): void {
  store.setFact(keptName, JSON.stringify(keptGaps(store).filter(({ report }) => !ids.has(report.id))));
}
