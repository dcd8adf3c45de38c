import type { ItemStatus, StatusReport } from "./status.ts";

/** The status for Prometheus, in its text format; names and labels are a promise (`docs/service.md`). */
export function metricsText(
  status: StatusReport,
  more: { readonly version: string; readonly rssBytes: number },
): string {
  const lines: string[] = [];
  const family = (
    name: string,
    help: string,
    samples: readonly (readonly [Readonly<Record<string, string>>, number | undefined])[],
  ) => {
    const known = samples.filter(([, value]) => value !== undefined);
    if (known.length === 0) return;
    lines.push(`# HELP holdfast_${name} ${help}`, `# TYPE holdfast_${name} gauge`);
    for (const [labels, value] of known) lines.push(`holdfast_${name}${labelText(labels)} ${String(value)}`);
  };
  const perJob = (of: (job: ItemStatus) => number | undefined) =>
    status.jobs.map((job) => [labelsOf(job), of(job)] as const);
  const seconds = (time: string | undefined) => (time === undefined ? undefined : Date.parse(time) / 1000);

  family("info", "What serves this.", [[{ version: more.version }, 1]]);
  family(
    "outcome",
    "1 for the outcome that a job has now: ok, warning, failed, missed.",
    status.jobs.flatMap((job) =>
      (["ok", "warning", "failed", "missed"] as const).map(
        (outcome) => [{ ...labelsOf(job), outcome }, job.outcome === outcome ? 1 : 0] as const,
      ),
    ),
  );
  family(
    "last_success_timestamp_seconds",
    "When it last ended ok or with warnings.",
    perJob((job) => seconds(job.lastSuccess)),
  );
  family(
    "last_end_timestamp_seconds",
    "When it last ended, however.",
    perJob((job) => seconds(job.lastEnd)),
  );
  family(
    "next_due_timestamp_seconds",
    "When it is due next.",
    perJob((job) => seconds(job.nextDue)),
  );
  family(
    "last_duration_seconds",
    "How long the last one took.",
    perJob((job) => (job.lastDurationMs === undefined ? undefined : job.lastDurationMs / 1000)),
  );
  family(
    "last_stored_bytes",
    "Bytes that the repository grew by in the last one.",
    perJob((job) => job.lastStoredBytes),
  );
  family(
    "missed",
    "1 when it is overdue at 1.25 of its period.",
    perJob((job) => (job.outcome === "missed" ? 1 : 0)),
  );
  const perCrm = (of: (crm: StatusReport["crms"][number]) => number | undefined) =>
    status.crms.map((crm) => [{ crm: crm.crm }, of(crm)] as const);
  family(
    "rpo_seconds",
    "Age of the newest recovery point that ended ok: what would be lost now.",
    perCrm(({ rpoMs }) => (rpoMs === undefined ? undefined : rpoMs / 1000)),
  );
  family(
    "recovery_points",
    "Backups in the repository.",
    perCrm(({ backups }) => backups),
  );
  family(
    "backup_total_bytes",
    "Rows and files that the newest backup holds.",
    perCrm(({ lastBackup }) => lastBackup?.totalBytes),
  );
  family(
    "uncovered",
    "What the newest backup could not hold, by design.",
    perCrm(({ uncovered }) => uncovered),
  );
  family(
    "anomalies",
    "What was out of the ordinary in the newest backup.",
    perCrm(({ anomalies }) => anomalies),
  );
  family(
    "journal_gaps",
    "Gaps of continuous protection, in rows or files, that nothing has closed.",
    perCrm(({ gaps }) => gaps),
  );
  family(
    "journal_durable_timestamp_seconds",
    "Everything that was committed up to then is in the repository.",
    perJob(({ durableTo }) => seconds(durableTo)),
  );
  family(
    "journal_waiting_bytes",
    "Committed, read from the log, and not in the repository yet.",
    perJob(({ waitingBytes }) => waitingBytes),
  );
  family(
    "drill_timestamp_seconds",
    "When the last restore drill ended.",
    perCrm(({ drill }) => seconds(drill?.time)),
  );
  family(
    "drill_ok",
    "1 when the last restore drill ended ok.",
    perCrm(({ drill }) => drill && (drill.outcome === "ok" ? 1 : 0)),
  );
  family("jobs_running", "Jobs that run now.", [
    [{}, status.running.filter(({ state }) => state === "running").length],
  ]);
  family("jobs_queued", "Jobs that wait.", [[{}, status.running.filter(({ state }) => state === "queued").length]]);
  family("resident_memory_bytes", "Memory of the service.", [[{}, more.rssBytes]]);
  return `${lines.join("\n")}\n`;
}

function labelsOf({ job, subject, schedule }: ItemStatus): Readonly<Record<string, string>> {
  return { job, subject, schedule };
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const escaped = (text: string) => text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}
