import type { BackupReport } from "../engine/backup.ts";
import { backupResult } from "./job-kinds.ts";
import { newRun } from "./new-run.ts";
import type { JobStore } from "./store.ts";

/** How far back a backup is compared with others. */
const rememberedMs = 90 * 86_400_000;

/** What is known of the runs of a job that ended well, oldest first. */
export function earlierFacts(
  store: JobStore,
  job: string,
  subject: string,
  nowMs: number,
): readonly Readonly<Record<string, unknown>>[] {
  return store.wellEnded(job, subject, nowMs - rememberedMs).map(({ facts }) => facts ?? {});
}

/**
 * Writes a backup that somebody made by hand into the books of the service, which sees to the rest as for its own: the report in the
 * repository, what is out of the ordinary, and that all is well again.
 */
export function recordBackup(
  store: JobStore,
  report: BackupReport,
  { id, startedMs, endedMs }: { readonly id: string; readonly startedMs: number; readonly endedMs: number },
): void {
  const { crm: subject } = report;
  const result = backupResult(report, earlierFacts(store, "backup", subject, endedMs));
  const run = newRun({ id, item: `backup/${subject}`, job: "backup", subject }, startedMs);
  store.add({ ...run, ...result, state: "ended", attempts: 1, startedMs, endedMs });
}
