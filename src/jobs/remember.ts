import type { Overview } from "../engine/overview.ts";
import { wholeRepository } from "../engine/reports.ts";
import type { JobItem } from "./job-item.ts";
import { reportsCrmOf, runOfReport } from "./job-reports.ts";
import type { JobStore } from "./store.ts";

/**
 * Makes the service's memory anew from what the repository knows: the runs that were reported, and for each schedule up to
 * when it was seen to. So a service on a new machine catches up what the old one did not do, and does not do again what it did.
 */
export function rememberFromRepository(
  store: JobStore,
  items: readonly JobItem[],
  overview: Overview,
  nowMs: number,
): void {
  const named = [
    ...overview.crms.flatMap(({ crm, reports }) => reports.map((report) => ({ crm, report }))),
    ...overview.reports.map((report) => ({ crm: wholeRepository, report })),
  ];
  store.together(() => {
    const seen = new Map<string, number>();
    for (const { crm, report } of named) {
      const run = runOfReport(report);
      if (run === undefined || reportsCrmOf(run, wholeRepository) !== crm) continue;
      seen.set(run.item, Math.max(seen.get(run.item) ?? 0, Math.min(run.dueMs, nowMs)));
      if (store.get(run.id) === undefined) store.add(run);
    }
    for (const item of items) {
      if (store.watermark(item.key) !== undefined) continue;
      const dueMs = seen.get(item.key) ?? lastBackupMs(item, overview);
      if (dueMs !== undefined) store.setWatermark(item.key, dueMs, dueMs);
    }
  });
}

/** Without a report of this schedule: a backup of its kind by whomever. */
function lastBackupMs({ job, subject, schedule }: JobItem, { crms }: Overview): number | undefined {
  if (job !== "backup") return undefined;
  const backups = crms.find(({ crm }) => crm === subject)?.backups ?? [];
  const last = backups.findLast(({ kind }) => kind === (schedule.kind ?? "incremental"));
  return last && Date.parse(last.time);
}
