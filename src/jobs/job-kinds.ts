import type { Config, CopyConfig, RepositoryConfig } from "../config/config.ts";
import type { RepositoryAccess } from "../engine/engine.ts";
import type { BackupReport } from "../engine/backup.ts";
import { findAnomalies } from "../engine/anomalies.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { JobName } from "../lib/job-names.ts";
import type { Run } from "../lib/run.ts";
import { observedIn, observedOfFacts } from "./observed.ts";
import type { JobScope } from "./job-item.ts";
import type { Door } from "./run.ts";

/**
 * A kind of job: what it is about, what may run beside it, and how it is done, through the door like anything else. A new
 * kind is a name in `lib/job-names.ts` and a line in `jobKinds` here.
 */
export interface JobKind {
  readonly scope: JobScope;
  /**
   * `alone`: it takes the repository's exclusive lock, so that nothing else is begun beside it. `everything`: it runs as long as the
   * service does, gives way by itself to whoever needs the repository alone, and counts nowhere.
   */
  readonly beside: "others" | "alone" | "everything";
  /**
   * `again`: begun anew when the process ended in the middle of it. Else never twice by itself, but it is finished where it had begun
   * to change what it is about.
   */
  readonly afterCrash: "again" | { readonly isBegun: (input: JobInput, world: JobWorld) => Promise<boolean> };
  readonly run: (input: JobInput, world: JobWorld, run: Run) => Promise<JobResult>;
}

export interface JobInput {
  readonly subject: string;
  /** As the schedule, or whoever asked for it, has it. */
  readonly options: Readonly<Record<string, unknown>>;
  /** From 1. */
  readonly attempt: number;
}

export interface JobResult {
  readonly outcome: "ok" | "warning";
  /** For the report: small, without secrets. */
  readonly facts: Readonly<Record<string, unknown>>;
}

/** What jobs work with. */
export interface JobWorld {
  readonly door: Door;
  readonly config: Config;
  /** Reads the password anew each time: it may have changed since the last job. */
  readonly access: (of: RepositoryConfig | CopyConfig) => Promise<RepositoryAccess>;
  /** IANA name. */
  readonly zone: string;
  /** Facts of the runs of a job and subject that ended well, oldest first. */
  readonly earlier: (job: AnyJobName, subject: string) => readonly Readonly<Record<string, unknown>>[];
  /** Asks for a job as soon as may be, unless one that does as well is about to begin. */
  readonly request: (job: AnyJobName, subject: string) => void;
}

/** Scheduled or by hand. */
export type AnyJobName = JobName | "restore";

/** How long a job waits for a lock that somebody else holds before it fails and is tried again later. */
const waitMs = 10 * 60_000;
/** As `prune` has them by hand. */
const prunePolicy = { keepMarkedMs: 23 * 3_600_000, maxUnused: { share: 0.05 }, maxRepackBytes: Infinity } as const;

export const jobKinds: Readonly<Record<AnyJobName, JobKind>> = {
  backup: { scope: "crm", beside: "others", afterCrash: "again", run: runBackup },
  forget: { scope: "repository", beside: "alone", afterCrash: "again", run: runForget },
  prune: { scope: "repository", beside: "alone", afterCrash: "again", run: runPrune },
  copy: { scope: "copy", beside: "others", afterCrash: "again", run: runCopy },
  verify: { scope: "repository", beside: "others", afterCrash: "again", run: runVerify },
  drill: { scope: "crm", beside: "others", afterCrash: "again", run: runDrill },
  follow: { scope: "crm", beside: "everything", afterCrash: "again", run: runFollow },
  restore: { scope: "crm", beside: "others", afterCrash: { isBegun: isSwapBegun }, run: runRestore },
};

export function jobKindNamed(name: string): JobKind | undefined {
  return Object.hasOwn(jobKinds, name) ? jobKinds[name as AnyJobName] : undefined;
}

async function runBackup({ subject, options }: JobInput, world: JobWorld, run: Run): Promise<JobResult> {
  const { config, door } = world;
  const crm = config.crms.find(({ name }) => name === subject);
  if (crm === undefined) throw new HoldfastError("crm-unknown", { name: subject, known: namesOf(config.crms) });
  const kind = (["full", "incremental", "differential"] as const).find((one) => one === options["kind"]);
  const report = await door.backup(
    {
      crm,
      configFile: config.file,
      repository: await world.access(config.repository),
      ...(kind && { kind }),
      limits: config.limits,
      waitMs,
      inconsistencies: "warn",
    },
    run,
  );
  return backupResult(report, world.earlier("backup", subject));
}

/** What a backup was like beside the same CRM's `earlier` ones, whoever made it. */
export function backupResult(
  report: BackupReport,
  earlier: readonly Readonly<Record<string, unknown>>[],
): Omit<JobResult, "outcome"> & Pick<BackupReport, "outcome"> {
  const observed = observedIn(report);
  const anomalies = findAnomalies(observed, earlier.flatMap(observedOfFacts));
  return { outcome: report.outcome, facts: { ...backupFacts(report), ...observed, anomalies } };
}

const listedWarnings = 20;

/** What of a backup its report keeps. */
function backupFacts(report: BackupReport): Readonly<Record<string, unknown>> {
  const { snapshot, kind, parent, rows, storedBytes, warnings, known } = report;
  return {
    snapshot,
    kind,
    ...(parent !== undefined && { parent }),
    rows,
    storedBytes,
    warningCount: warnings.length,
    warnings: warnings.slice(0, listedWarnings),
    knownCount: known.length,
  };
}

async function runForget(_input: JobInput, world: JobWorld, run: Run): Promise<JobResult> {
  const { config, door, zone } = world;
  const report = await door.forget(
    {
      repository: await world.access(config.repository),
      what: { kind: "policy", policies: config.retention },
      zone,
      mode: "apply",
      waitMs,
    },
    run,
  );
  const facts = { kept: report.keep.length, removed: report.remove.length };
  return { outcome: report.warnings.length > 0 ? "warning" : "ok", facts };
}

async function runPrune(_input: JobInput, { config, door, access }: JobWorld, run: Run): Promise<JobResult> {
  const repository = await access(config.repository);
  const { limits } = config;
  const report = await door.prune({ repository, limits, ...prunePolicy, mode: "apply", waitMs }, run);
  const { deletedBytes = 0, markedBytes = 0 } = report.result ?? {};
  return { outcome: "ok", facts: { deletedBytes, markedBytes, totalBytes: report.total.bytes } };
}

async function runCopy({ subject }: JobInput, { config, door, access }: JobWorld, run: Run): Promise<JobResult> {
  const copy = config.copies.find(({ name }) => name === subject);
  if (copy === undefined) throw new HoldfastError("copy-unknown", { name: subject, known: namesOf(config.copies) });
  const report = await door.copy(
    {
      from: await access(config.repository),
      to: await access(copy),
      name: copy.name,
      points: [],
      missing: "fail",
      limits: config.limits,
      waitMs,
    },
    run,
  );
  const { copied, present, damaged, storedBytes, warnings } = report;
  return {
    outcome: damaged.length + warnings.length > 0 ? "warning" : "ok",
    facts: {
      copied: copied.length,
      present,
      damaged: damaged.length,
      storedBytes,
      ...(warnings.length > 0 && { warnings: warnings.slice(0, listedWarnings) }),
    },
  };
}

async function runVerify({ options }: JobInput, { config, door, access }: JobWorld, run: Run): Promise<JobResult> {
  const percent = Number(options["readPercent"] ?? 0);
  const read = percent >= 100 ? { kind: "all" as const } : percent > 0 ? { kind: "percent" as const, percent } : none;
  const answer = await door.verify({ repository: await access(config.repository), read, limits: config.limits }, run);
  if (answer.defects.length > 0) throw new HoldfastError("verify-failed", { defects: answer.defects.length });
  const { snapshots, packs, tables } = answer;
  return { outcome: "ok", facts: { snapshots, packs, tables, readBytes: answer.read.bytes } };
}

/** Its report is in the repository already; here it only has to be loud. */
async function runDrill({ subject }: JobInput, { config, door, access }: JobWorld, run: Run): Promise<JobResult> {
  const settings = config.drills[subject];
  const report = await door.drill(
    {
      repository: await access(config.repository),
      crm: subject,
      point: { kind: "latest" },
      limits: config.limits,
      crms: config.crms,
      ...(settings?.database !== undefined && { targetDatabase: settings.database }),
      checksOf: () => settings?.checks ?? [],
    },
    run,
  );
  if (report.outcome === "failed") {
    const problems = report.checks.filter(({ state }) => state === "failed").length + report.left.length;
    throw new HoldfastError("drill-failed", { crm: subject, problems: problems + (report.failure ? 1 : 0) });
  }
  return { outcome: "ok", facts: { drill: report.id, rtoMs: report.rtoMs, rpoMs: report.rpoMs } };
}

/** Ends only when it is cancelled. The backup that a gap needs is a job like any other. */
async function runFollow({ subject }: JobInput, world: JobWorld, run: Run): Promise<JobResult> {
  const { config, door } = world;
  const crm = config.crms.find(({ name }) => name === subject);
  if (crm === undefined) throw new HoldfastError("crm-unknown", { name: subject, known: namesOf(config.crms) });
  const { transactions, rows } = await door.follow(
    {
      crm,
      repository: await world.access(config.repository),
      limits: { ...config.limits, workers: 1 },
      rpoMs: config.follow.rpoMsByCrm[subject] ?? config.follow.rpoMs,
      mostLagBytes: config.follow.logBytes,
      backup: async () => world.request("backup", subject),
    },
    run,
  );
  run.signal.throwIfAborted();
  return { outcome: "ok", facts: { transactions, rows } };
}

const none = { kind: "none" } as const;

/** Backups would be refused until somebody comes, and the CRM would stand there as nobody wants it; or nobody would know that it is done. */
async function isSwapBegun({ options }: JobInput, { door }: JobWorld): Promise<boolean> {
  const { plan } = options;
  return typeof plan === "string" && (await door.isSwapBegun(plan));
}

/** A plan is applied once: what cuts it off before the swap is told, and `restore apply` goes on by hand. */
async function runRestore(
  { options, attempt }: JobInput,
  { config, door, access }: JobWorld,
  run: Run,
): Promise<JobResult> {
  const { plan, confirm } = options;
  if (typeof plan !== "string") throw new HoldfastError("plan-unknown", { id: "" });
  const { password } = await access(config.repository);
  const report = await door.applyRestore(
    {
      plan,
      password,
      limits: config.limits,
      crms: config.crms,
      waitMs,
      ...(attempt > 1 && { swapped: "take" as const }),
      ...(typeof confirm === "string" && { confirm }),
    },
    run,
  );
  const [first] = report.failed;
  if (first) throw new HoldfastError("restore-incomplete", { failed: report.failed.length, path: first.path });
  return { outcome: report.warnings.length > 0 ? "warning" : "ok", facts: { plan, warnings: report.warnings.length } };
}

function namesOf(named: readonly { readonly name: string }[]): string {
  return named.map(({ name }) => name).join(", ");
}
