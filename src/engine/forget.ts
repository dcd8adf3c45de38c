import type { Id } from "../format/tree.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { Warning } from "../lib/events.ts";
import { isEmptyPolicy, type RetentionPolicy } from "../lib/retention-policy.ts";
import type { Run } from "../lib/run.ts";
import type { Lock, Repository, StoredSnapshot } from "../repository/repository.ts";
import { openFor } from "./access.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";
import { planForget, rowOf, type ForgetRow } from "./forget-plan.ts";
import { holdOf } from "./holds.ts";
import { lockOptions } from "./lock-options.ts";
import { backupsOf, chooseCrm, choosePoint, crmOf, isBackup, outcomeOf } from "./points.ts";
import { isErasure } from "./erasures.ts";
import { oldImages } from "./records-undo.ts";
import { supersededReports } from "./reports.ts";
import { supersededJournals } from "./superseded-journals.ts";

export interface ForgetInput {
  readonly repository: RepositoryAccess;
  readonly what: ForgetWhat;
  /** IANA name: whose days, weeks and months count. */
  readonly zone: string;
  /** `plan` only shows. */
  readonly mode: "plan" | "apply";
  /** How long to wait for somebody's lock; 0: fail at once. */
  readonly waitMs: number;
}

export type ForgetWhat =
  /** What no rule keeps. Others than these CRMs, and what restic or others made, are left alone. */
  | { readonly kind: "policy"; readonly crm?: string; readonly policies: ForgetPolicies }
  /** These, by the beginning of their ids, whoever made them. */
  | {
      readonly kind: "ids";
      readonly ids: readonly string[];
      /** Only if they are this CRM's. */
      readonly crm?: string;
    };

export interface ForgetPolicies {
  readonly byCrm: Readonly<Record<string, RetentionPolicy>>;
  /** For CRMs that are not named; absent: these are left alone. */
  readonly others?: RetentionPolicy;
}

export interface ForgetReport {
  readonly type: "forget";
  readonly mode: "plan" | "apply";
  /** By CRM, newest first. */
  readonly keep: readonly ForgetRow[];
  readonly remove: readonly ForgetRow[];
  /** CRMs for which there is no policy. */
  readonly leftAlone: readonly string[];
  /** Snapshots of reports that go because a newer one holds the same. */
  readonly supersededReports: number;
  /** Snapshots of journals that go because the newest has all that a backup needs. */
  readonly supersededJournals: number;
  /** Snapshots of what restores of records replaced, beyond the newest 20 of a CRM. */
  readonly oldImages: number;
  readonly warnings: readonly Warning[];
  /** RFC 3339: until then what is removed can still be found, and cannot be destroyed. */
  readonly lockedUntil?: string;
  readonly zone: string;
  readonly durationMs: number;
}

/** Removes recovery points. What only they needed stays in the repository until `prune`. */
export async function forget(engine: Engine, input: ForgetInput, run: Run): Promise<ForgetReport> {
  const started = run.now();
  await using repository = await openFor(engine, input.repository, run);
  if (input.mode === "plan") {
    await using _lock = await repository.lock("shared", lockOptions(input, run));
    const decision = await decide(engine, repository, input, run);
    return reportOf({ ...decision, ...(await lockedOf(repository, decision, run)) }, input, run, started);
  }
  const gone: ForgetRow[] = [];
  await using lock = await lockFor(engine, repository, input, run, gone);
  const decision = await decide(engine, repository, input, run, gone);
  run.report({ type: "phase", phase: "forget", subject: repository.location });
  // The oldest first: cut off anywhere, what is left is what a policy would rather keep.
  const ids = decision.remove.map(({ id }) => id).toReversed();
  const locked = await lockedOf(repository, decision, run);
  await repository.removeSnapshots([...ids, ...decision.superseded, ...decision.journals, ...decision.oldImages], {
    signal: run.signal,
    lock,
  });
  // The lock that it takes is held anyway.
  await repository.mergeIndexes({ signal: run.signal, lock });
  return reportOf({ ...decision, ...locked, remove: [...decision.remove, ...gone] }, input, run, started);
}

async function lockedOf(repository: Repository, { remove }: Decision, { signal }: Run) {
  const ids = remove.map(({ id }) => id);
  const until = await repository.lockedUntil(ids, signal);
  return until && { lockedUntil: until.toISOString() };
}

interface Decision {
  readonly lockedUntil?: string;
  readonly keep: readonly ForgetRow[];
  readonly remove: readonly ForgetRow[];
  readonly leftAlone: readonly string[];
  /** Records of ours that a newer one holds too. */
  readonly superseded: readonly Id[];
  readonly journals: readonly Id[];
  /** Of what restores of records replaced, those that came before the last that are kept. */
  readonly oldImages: readonly Id[];
  readonly warnings: readonly Warning[];
}

/** `gone`: what was removed already, to make room for the lock. */
async function decide(
  { program }: Engine,
  repository: Repository,
  { what, zone }: ForgetInput,
  run: Run,
  gone: readonly ForgetRow[] = [],
): Promise<Decision> {
  const all = await repository.snapshots(run.signal);
  if (what.kind === "policy") {
    const superseded = await supersededReports(repository, all, run.signal);
    const journals = await supersededJournals(repository, all, { program, signal: run.signal });
    return {
      ...byPolicy(all, what, zone, run.now()),
      superseded: superseded.map(({ id }) => id),
      journals: journals.map(({ id }) => id),
      oldImages: oldImages(all).map(({ id }) => id),
    };
  }
  const ids = what.ids.filter((prefix) => !gone.some(({ id }) => id.startsWith(prefix.toLowerCase())));
  return byIds(all, { ...what, ids }, zone, run.now());
}

function byPolicy(
  all: readonly StoredSnapshot[],
  { crm, policies }: Extract<ForgetWhat, { kind: "policy" }>,
  zone: string,
  now: Date,
): Omit<Decision, "superseded" | "journals" | "oldImages"> {
  const names = [...new Set(all.filter(isBackup).map(crmOf))].toSorted();
  const wanted = crm === undefined ? names : [chooseCrm(all, crm)];
  const rows: ForgetRow[] = [];
  const leftAlone: string[] = [];
  for (const name of wanted) {
    const policy = Object.hasOwn(policies.byCrm, name) ? policies.byCrm[name] : policies.others;
    if (policy === undefined) leftAlone.push(name);
    // A policy that keeps nothing is a mistake, not a wish to lose all.
    else if (isEmptyPolicy(policy)) throw new HoldfastError("retention-empty", { crm: name });
    else rows.push(...planForget(backupsOf(all, name), policy, zone, now));
  }
  if (rows.length === 0 && leftAlone.length > 0)
    throw new HoldfastError("retention-empty", { crm: leftAlone.join(", ") });
  const goes = ({ reasons }: ForgetRow): boolean => reasons.length === 0;
  return { keep: rows.filter((row) => !goes(row)), remove: rows.filter(goes), leftAlone, warnings: [] };
}

/** What is named goes, unless somebody holds it; what that costs is said. */
function byIds(
  all: readonly StoredSnapshot[],
  { ids, crm }: Pick<Extract<ForgetWhat, { readonly kind: "ids" }>, "ids" | "crm">,
  zone: string,
  now: Date,
): Decision {
  const chosen = new Map<Id, StoredSnapshot>();
  for (const prefix of ids) {
    const stored = choosePoint(all, undefined, { kind: "id", prefix, ...(crm !== undefined && { of: crm }) }).chosen;
    if (isErasure(stored)) throw new HoldfastError("snapshot-ledger", { id: stored.id.slice(0, 8) });
    const hold = holdOf(stored.snapshot.tags ?? [], now, zone);
    if (hold !== undefined) {
      throw new HoldfastError("snapshot-held", { id: stored.id.slice(0, 8), ...(hold.until && { until: hold.until }) });
    }
    chosen.set(stored.id, stored);
  }
  const warnings: Warning[] = [];
  for (const name of new Set([...chosen.values()].filter(isBackup).map(crmOf))) {
    const before = backupsOf(all, name);
    const after = before.filter(({ id }) => !chosen.has(id));
    const isOk = (stored: StoredSnapshot): boolean => outcomeOf(stored) === "ok";
    if (after.length === 0) warnings.push({ code: "forget-last", subject: name });
    else if (before.some(isOk) && !after.some(isOk)) warnings.push({ code: "forget-last-ok", subject: name });
  }
  return {
    keep: [],
    remove: [...chosen.values()].map((stored) => rowOf(stored, [])),
    leftAlone: [],
    superseded: [],
    journals: [],
    oldImages: [],
    warnings,
  };
}

/**
 * An exclusive lock. On a disk that is so full that not even a lock can be written, nobody else can write one either: if
 * there is none, one snapshot that is to go is removed first, which makes the room.
 */
async function lockFor(
  engine: Engine,
  repository: Repository,
  input: ForgetInput,
  run: Run,
  gone: ForgetRow[],
): Promise<Lock> {
  try {
    return await repository.lock("exclusive", lockOptions(input, run));
  } catch (error) {
    if (!isHoldfastError(error, "storage-full")) throw error;
    const { remove } = await decide(engine, repository, input, run);
    const oldest = remove.at(-1);
    if (oldest === undefined || !(await repository.makeRoom({ snapshot: oldest.id }, run.signal))) throw error;
    gone.push(oldest);
    return repository.lock("exclusive", lockOptions(input, run));
  }
}

function reportOf(decision: Decision, input: ForgetInput, run: Run, started: Date): ForgetReport {
  for (const warning of decision.warnings) run.report({ type: "warning", warning });
  const durationMs = run.now().getTime() - started.getTime();
  const { superseded, journals, oldImages: images, ...decided } = decision;
  return {
    type: "forget",
    mode: input.mode,
    ...decided,
    supersededReports: superseded.length,
    supersededJournals: journals.length,
    oldImages: images.length,
    zone: input.zone,
    durationMs,
  };
}
