import type { GapReason } from "../database/change-feed.ts";
import type { Run } from "../lib/run.ts";
import type { Repository, StoredSnapshot } from "../repository/repository.ts";
import type { Engine } from "./engine.ts";
import { openJournalHere } from "./journal-reached.ts";

/** How far a database can be recovered to the commit, as the repository says. All times are RFC 3339. */
export interface JournalCoverage {
  readonly crm: string;
  readonly database: string;
  /** Stretches of which every moment behind a backup can be had. */
  readonly spans: readonly { readonly from: string; readonly to: string; readonly anew: GapReason }[];
  /** Of these tables, moments from `from` on can be had from a backup behind `to` only. */
  readonly gaps: readonly {
    readonly from: string;
    readonly to: string;
    readonly tables: readonly string[];
    readonly reason: GapReason;
  }[];
  /** Tables that are as of a backup at any moment. */
  readonly outside: readonly { readonly table: string; readonly reason: string }[];
}

/** Stretches of time of which the files can be had as they were at any moment. All times are RFC 3339. */
export interface FilesCoverage {
  readonly crm: string;
  readonly spans: readonly { readonly from: string; readonly to: string }[];
}

export interface Coverage {
  readonly journal: readonly JournalCoverage[];
  readonly files: readonly FilesCoverage[];
}

/** Of every CRM that was ever followed, or of one. */
export async function journalCoverage(
  engine: Engine,
  repository: Repository,
  snapshots: readonly StoredSnapshot[],
  crm: string | undefined,
  run: Run,
): Promise<Coverage> {
  const paths = snapshots.flatMap(({ snapshot }) => /^\/([^/]+)\.journal$/.exec(snapshot.paths[0] ?? "")?.[1] ?? []);
  const crms = [...new Set(paths)].filter((name) => crm === undefined || name === crm).toSorted();
  if (crms.length === 0) return { journal: [], files: [] };
  const indexed = await repository.index(run.signal);
  const found: JournalCoverage[] = [];
  const files: FilesCoverage[] = [];
  for (const name of crms) {
    const journal = await openJournalHere(engine, indexed, snapshots, name, run.signal);
    const looked = journal?.files.spans.map(({ from, to }) => ({ from, to })) ?? [];
    if (looked.length > 0) files.push({ crm: name, spans: looked });
    for (const { name: database, spans, outside } of journal?.databases ?? []) {
      found.push({
        crm: name,
        database,
        spans: spans.map(({ from, to, anew }) => ({ from: from.time, to: to.time, anew })),
        gaps: spans.flatMap(({ gaps }) =>
          gaps.map(({ from, to, tables, reason }) => ({
            from: from.time,
            to: to.time,
            tables: tables.map((table) => table.name),
            reason,
          })),
        ),
        outside: outside.map(({ name: table, reason }) => ({ table, reason })),
      });
    }
  }
  return { journal: found, files };
}
