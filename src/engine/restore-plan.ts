import { randomBytes } from "node:crypto";
import type { AnonymiseRule } from "../contents/anonymise/anonymise-rules.ts";
import type { Outcome } from "../contents/manifest.ts";
import type { MergeCounts } from "../contents/merge-rows.ts";
import { openSnapshot } from "../contents/open-snapshot.ts";
import type { CrmDescription } from "../crm/platform.ts";
import type { LoadOptions } from "../database/database.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Warning, WarningCode } from "../lib/events.ts";
import type { Id } from "../format/tree.ts";
import type { Run } from "../lib/run.ts";
import type { StoredSnapshot } from "../repository/repository.ts";
import { openFor } from "./access.ts";
import { addressesFor } from "./database-address.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";
import { movedPlaces } from "./moved-places.ts";
import type { PointSource } from "./open-point.ts";
import { aheadWarnings, choosePoint, crmOfPoint } from "./points.ts";
import { prepareRestore } from "./restore-prepare.ts";
import { type ColdSum, coldPacksOf } from "./restore-thaw.ts";
import { refuseHalfMade } from "./restore-record.ts";
import { listState, readState, writeState } from "./state.ts";
import { type ReachedMoment, reachPoint } from "./reach-moment.ts";
import type { ChosenRoots, RecordSelection } from "./record-selection.ts";
import type { RecordFormat } from "./records-export.ts";
import type { RecordsSummary } from "./records-prepare.ts";
import type { PointName } from "./snapshots.ts";

/** The three switches, for files and rows alike. */
export interface RestoreSwitches {
  /** Default on. */
  readonly createMissing: boolean;
  readonly updateChanged: boolean;
  readonly removeNewer: boolean;
}

export type RestoreScope =
  | { readonly kind: "system" }
  | { readonly kind: "database" }
  /** Paths as `browse` shows them: `/files/attachments/2026/contract.pdf`, a folder, or `/config/…`. */
  | { readonly kind: "files"; readonly paths: readonly string[] }
  /** Single records, with what belongs to them, back into a database that is in use. */
  | {
      readonly kind: "records";
      readonly selection: RecordSelection;
      /** As files in the folder `target`, in place of a database. */
      readonly format?: RecordFormat;
    };

export interface RestorePlanInput {
  readonly repository: RepositoryAccess;
  readonly crm?: string;
  readonly point: PointName;
  readonly scope: RestoreScope;
  /** Absolute folder; without it and `targetDatabase`: in place, where the snapshot was taken from. */
  readonly target?: string;
  /**
   * URL, without a password, of a database that is not there yet: for a snapshot whose database is on a server. Single
   * records go into one that is there.
   */
  readonly targetDatabase?: string;
  /** Whether owners and rights inside a server's database come back too; absent: they do. */
  readonly grants?: LoadOptions["grants"];
  /** What the CRMs' configuration here knows: for passwords of databases. */
  readonly crms?: readonly CrmDescription[];
  /** Needed with `target` or `targetDatabase` for `system` and `database`. */
  readonly purpose?: "clone" | "replacement";
  readonly switches: RestoreSwitches;
  /** Of a clone, or of records to files: nobody is to be known by what comes. */
  readonly anonymise?: Pick<Anonymised, "files">;
  /** Of records: which rows, where that is known already. Absent: the selection is looked up. */
  readonly roots?: ChosenRoots;
}

export type PlannedAction = "create" | "update" | "remove" | "skip" | "replace" | "conflict";

export interface PlannedItem {
  readonly action: PlannedAction;
  /** Absolute path at the target, as a person reads it. */
  readonly path: string;
  readonly bytes: number;
  /** For `skip` and `conflict`: key of `words` under `planReason`. */
  readonly reason?: string;
}

export interface RestorePlan {
  readonly type: "restore-plan";
  /** Short id to give to `restore apply`. */
  readonly id: string;
  readonly created: string;
  readonly repository: { readonly location: string; readonly id: Id };
  readonly snapshot: { readonly id: Id; readonly time: string; readonly outcome: Outcome; readonly crm: string };
  /** Between two backups: what the journal says happened after `snapshot` belongs to it, up to this moment. */
  readonly moment?: {
    readonly time: string;
    /** The last transaction that counts, where one was named; or the first that does not. */
    readonly transaction?: string;
    readonly side?: "before";
    readonly transactions: number;
    /** The last transaction that is in it. */
    readonly last?: { readonly transaction: string; readonly position: string; readonly time: string };
  };
  readonly scope: RestoreScope;
  readonly switches: RestoreSwitches;
  readonly target:
    | { readonly kind: "in-place" }
    | { readonly kind: "elsewhere"; readonly folder?: string; readonly database?: string };
  readonly purpose?: "clone" | "replacement";
  readonly grants?: LoadOptions["grants"];
  /** Name that must be typed (or given by `--confirm`) because a live instance is replaced. */
  readonly confirm?: string;
  /** Whole parts built beside and swapped in: databases, and for `system` the folders. */
  readonly parts: readonly {
    readonly kind: "database" | "folder" | "config";
    readonly name: string;
    readonly path: string;
    readonly action: PlannedAction;
    /** What the recovery point holds of it; of chosen paths, what is written. */
    readonly rows?: number;
    readonly files?: number;
    readonly bytes: number;
    /** For `skip` and `conflict`: key of `words` under `planReasons`. */
    readonly reason?: string;
    /** Of a database that is merged row by row. */
    readonly changes?: MergeCounts;
  }[];
  readonly counts: Readonly<Record<PlannedAction, number>>;
  /** The first 1,000 single files, for the preview; counts are of all. */
  readonly items: readonly PlannedItem[];
  /** Of single records: which rows, and what becomes of them. */
  readonly records?: RecordsSummary;
  /** What is put in place of values. */
  readonly anonymised?: Anonymised;
  /** Of single records that were compared: what was erased, and so does not come. */
  readonly heldBack?: HeldBack;
  readonly neededBytes: number;
  readonly freeBytes: number;
  /** How many files are made, and how many more the file system has room for; absent: as many as there are bytes for. */
  readonly neededFiles: number;
  readonly freeFiles?: number;
  /** Packs that have to be thawed before anything can be restored; absent: none. */
  readonly cold?: ColdSum;
  /** Keys of `words` under `neutralised` and `afterRestore`. */
  readonly neutralised: readonly string[];
  readonly afterRestore: readonly string[];
  /** Where something live is replaced: keys of `words` under `maintenance`. */
  readonly maintenance?: { readonly on: string; readonly off: string };
  readonly warnings: readonly Warning[];
  /** What the target looked like; `apply` refuses when it moved. */
  readonly seen: string;
}

export interface Anonymised {
  /** Whether files come: what is in them cannot be anonymised. */
  readonly files: "left-out" | "kept";
  readonly rules: readonly AnonymiseRule[];
}

export interface HeldBack {
  readonly rows: number;
  readonly files: number;
}

const aboutFiles: ReadonlySet<WarningCode> = new Set(["files-unseen", "files-behind"]);

/** Plans a restore, saves the plan in the state folder, changes nothing else. */
export async function planRestore(engine: Engine, input: RestorePlanInput, run: Run): Promise<RestorePlan> {
  await using repository = await openFor(engine, input.repository, run);
  await using lock = await repository.lock("shared", { signal: run.signal, now: run.now, waitMs: 0 });
  const inner = { ...run, signal: AbortSignal.any([run.signal, lock.lost]) };
  const snapshots = await repository.snapshots(inner.signal);
  await refuseHalfMade(engine, crmOfPoint(snapshots, input.crm, input.point), run);
  const indexed = await repository.index(inner.signal);
  const reached = await reachPoint({ engine, reader: indexed, snapshots, run: inner }, input.crm, input.point);
  const { reader, snapshot: opened, passedOver, moment, erased } = reached;
  const { stored: chosen } = opened;
  run.report({ type: "phase", phase: "plan", subject: chosen.id.slice(0, 8) });
  const { crm } = opened.manifest;
  const addressOf = await addressesFor(engine, input.crms, crm.name, inner.signal);
  const warnings: Warning[] = [];
  for (const newer of passedOver) {
    const lacking = (await openSnapshot(reader, newer, inner.signal)).manifest.warnings;
    const [first] = lacking;
    warnings.push({
      code: "newer-with-warnings",
      subject: newer.id.slice(0, 8),
      detail: lacking
        .map(({ code, subject }) => `${code} ${subject}`)
        .slice(0, 3)
        .join(", "),
      ...(first && { about: { count: lacking.length, first } }),
    });
  }
  const scope = frozen(input.scope, snapshots, crm.name);
  const open: PointSource = { engine, reader: indexed, snapshots, crms: input.crms, run: inner };
  // What `latest` meant is what was opened.
  const point = moment ? input.point : ({ kind: "id", prefix: chosen.id } as const);
  const reading = { reader, open, point, erased };
  const prepared = await prepareRestore(engine, opened, reading, { ...input, scope }, addressOf, inner);
  const cold = await coldPacksOf(indexed, reader, prepared, inner.signal);
  const { replacesLive, ...summary } = prepared.summary;
  const moved =
    targetOf(input).kind === "in-place" ? await movedPlaces(engine, input.crms, opened.manifest, summary.parts) : [];
  const heldRows = prepared.erased.slice(1).reduce((sum, { counts }) => sum + counts.rows, 0);
  const plan: RestorePlan = {
    type: "restore-plan",
    id: randomBytes(4).toString("hex"),
    created: run.now().toISOString(),
    repository: { location: repository.location, id: repository.id },
    snapshot: { id: chosen.id, time: chosen.snapshot.time, outcome: opened.manifest.outcome, crm: crm.name },
    scope,
    switches: input.switches,
    target: targetOf(input),
    ...(input.grants && { grants: input.grants }),
    ...(input.purpose && { purpose: input.purpose }),
    ...(replacesLive === "yes" && scope.kind !== "files" && { confirm: crm.name }),
    ...summary,
    ...(cold.length > 0 && { cold: { packs: cold.length, bytes: cold.reduce((sum, { size }) => sum + size, 0) } }),
    ...(moment && input.point.kind === "moment" && { moment: momentOf(moment, input.point) }),
    ...(heldRows > 0 && { heldBack: { rows: heldRows, files: 0 } }),
    warnings: [
      ...warnings,
      ...moved,
      ...aheadWarnings(chosen, run.now()),
      // Who wants the database alone need not be troubled about files.
      ...(moment?.warnings ?? []).filter(({ code }) => scope.kind !== "database" || !aboutFiles.has(code)),
      ...summary.warnings,
    ],
  };
  await writeState(engine, planRecord(plan.id), plan);
  return plan;
}

function momentOf(
  { time, transactions, last }: ReachedMoment,
  { transaction, side }: Extract<PointName, { readonly kind: "moment" }>,
): NonNullable<RestorePlan["moment"]> {
  const named = { ...(transaction !== undefined && { transaction }), ...(side && { side }) };
  return { time, transactions, ...(last && { last }), ...named };
}

/** What `latest` means may change; the recovery point that it meant does not. */
function frozen(scope: RestoreScope, snapshots: readonly StoredSnapshot[], crm: string): RestoreScope {
  if (scope.kind !== "records" || !scope.selection.until) return scope;
  const { until, ...selection } = scope.selection;
  if (until.kind === "live") return { ...scope, selection };
  if (until.kind !== "latest") return scope;
  const { id } = choosePoint(snapshots, crm, until).chosen;
  return { ...scope, selection: { ...selection, until: { kind: "id", prefix: id } } };
}

function targetOf({ target, targetDatabase }: RestorePlanInput): RestorePlan["target"] {
  if (target === undefined && targetDatabase === undefined) return { kind: "in-place" };
  return {
    kind: "elsewhere",
    ...(target !== undefined && { folder: target }),
    ...(targetDatabase !== undefined && { database: targetDatabase }),
  };
}

/** A saved plan by its id or a unique beginning of it; fails with `plan-unknown`. Asks nothing of the repository. */
export async function readPlan(engine: Engine, id: string): Promise<RestorePlan> {
  const found = (await listState(engine, "plans")).filter((name) => id !== "" && name.startsWith(id));
  const [only, ...others] = found;
  const plan = only !== undefined && others.length === 0 ? await readState(engine, planRecord(only)) : undefined;
  if (!isPlan(plan)) throw new HoldfastError("plan-unknown", { id });
  return plan;
}

const planRecord = (id: string) => `plans/${id}.json`;

/** This user's own file, written by `planRestore`: looked at only for being one. */
function isPlan(value: unknown): value is RestorePlan {
  return typeof value === "object" && value !== null && "type" in value && value.type === "restore-plan";
}
