import { randomBytes } from "node:crypto";
import type { CrmDescription } from "../crm/platform.ts";
import type { Id } from "../format/tree.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { Limits } from "../lib/limits.ts";
import type { Run } from "../lib/run.ts";
import { openFor } from "./access.ts";
import { checkCopy, type DrillCheck, type SqlCheck } from "./drill-checks.ts";
import { removeLeftovers } from "./drill-leftovers.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";
import { openPoint, type OpenedPoint } from "./open-point.ts";
import { saveReports } from "./reports.ts";
import { type CopyMade, type DrillPlace, ScratchCopy } from "./scratch-copy.ts";
import type { PointName } from "./snapshots.ts";
import { writeState } from "./state.ts";

export interface DrillInput {
  readonly repository: RepositoryAccess;
  readonly crm?: string;
  readonly point: PointName;
  readonly limits: Limits;
  /** What the CRMs' configuration here knows: for passwords of databases. */
  readonly crms?: readonly CrmDescription[];
  /** Absolute folder in which the copy is made, and removed again; absent: in the state folder. */
  readonly scratch?: string;
  /**
   * URL of a database that is not there yet, or `private`: on a server that is started for the copy alone, whose data is in
   * `scratch`, else in `/var/tmp`. Absent: one of its own beside the CRM's, on the same server.
   */
  readonly targetDatabase?: string;
  /** Of that CRM, from its configuration here. */
  readonly checksOf: (crm: string) => readonly SqlCheck[];
}

export interface DrillReport {
  readonly type: "drill";
  readonly id: string;
  readonly crm: string;
  readonly platform: string;
  readonly snapshot: { readonly id: Id; readonly time: string };
  /** RFC 3339: what was restored is as of then. */
  readonly moment: string;
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly outcome: "ok" | "failed";
  /** `clone`: made harmless first, as a copy of this platform can be. */
  readonly purpose: "clone" | "replacement";
  /** Where the copy's database was; absent: the recovery point has none. */
  readonly database?: DrillPlace;
  readonly rows: number;
  readonly files: number;
  readonly bytes: number;
  /** From the start until the copy was whole, checked and, where it can be started, answered. */
  readonly rtoMs: number;
  /** Of that, planning and restoring. */
  readonly restoreMs: number;
  /** How old the restored data was when the drill began: what would have been lost at that moment. */
  readonly rpoMs: number;
  readonly checks: readonly DrillCheck[];
  /** Why there are no more checks than these: code and facts of an error. */
  readonly failure?: { readonly code: string; readonly facts: Readonly<Record<string, unknown>> };
  /** What could not be removed again. */
  readonly left: readonly string[];
}

/**
 * Restores a recovery point into a place of its own, checks it, starts it where that is possible, asks it, and removes it
 * again. What goes wrong is what a drill is for: it is in the report, whose outcome is then `failed`, and never thrown;
 * only what keeps a drill from beginning is, and being cancelled. The report is kept in the state folder and, as far as
 * that can be written to, in the repository.
 */
export async function drill(engine: Engine, input: DrillInput, run: Run): Promise<DrillReport> {
  const started = run.now();
  const id = randomBytes(4).toString("hex");
  await using repository = await openFor(engine, input.repository, run);
  const snapshots = await repository.snapshots(run.signal);
  const reader = await repository.index(run.signal);
  await using point = await openPoint({ engine, reader, snapshots, run }, input.crm, input.point);
  const { snapshot } = point;
  if (!snapshot) throw new HoldfastError("point-live", {});

  const notes: { code: string; facts: Readonly<Record<string, unknown>> }[] = [];
  const inner: Run = {
    ...run,
    report: (event) => {
      if (event.type === "note") notes.push(event);
      run.report(event);
    },
  };
  await removeLeftovers(engine, input.crms, run.signal);
  const copy = new ScratchCopy(engine, input, point, id);
  const found: Found = { checks: [], purpose: "clone" };
  try {
    await copy.make(found, inner);
    for await (const check of checkCopy(
      { engine, point, ...(await copy.parts()), ...found, notes, sql: input.checksOf(point.crm) },
      inner,
    )) {
      found.checks.push(check);
      run.report({
        type: "progress",
        phase: "drill",
        doneBytes: 0,
        doneItems: found.checks.length,
        subject: check.kind,
      });
    }
  } catch (error) {
    run.signal.throwIfAborted();
    if (!isHoldfastError(error)) throw error;
    found.failure = { code: error.code, facts: error.facts };
  } finally {
    found.doneMs = run.now().getTime() - started.getTime();
    found.database = copy.place;
    found.left = await copy.remove();
  }
  const report = reportOf(id, point, found, started, run);
  await keep(engine, input, report, run);
  return report;
}

/** What has come out so far. */
interface Found extends CopyMade {
  readonly checks: DrillCheck[];
  doneMs?: number;
  database?: DrillPlace | undefined;
  failure?: NonNullable<DrillReport["failure"]>;
  left?: readonly string[];
}

function reportOf(id: string, point: OpenedPoint, found: Found, started: Date, run: Run): DrillReport {
  const { snapshot } = point;
  if (!snapshot) throw new HoldfastError("internal", {});
  const { checks, failure, restored, purpose, database, left = [], doneMs = 0, restoreMs = doneMs } = found;
  const isOk = !failure && left.length === 0 && checks.every(({ state }) => state !== "failed");
  const moment = point.moment?.time ?? point.time;
  return {
    type: "drill",
    id,
    crm: point.crm,
    platform: snapshot.manifest.crm.platform,
    snapshot: { id: snapshot.stored.id, time: snapshot.stored.snapshot.time },
    moment,
    startedAt: started.toISOString(),
    finishedAt: run.now().toISOString(),
    outcome: isOk ? "ok" : "failed",
    purpose,
    ...(database && { database }),
    rows: restored?.rows ?? 0,
    files: restored?.files ?? 0,
    bytes: restored?.bytes ?? 0,
    rtoMs: doneMs,
    restoreMs,
    rpoMs: Math.max(0, started.getTime() - Date.parse(moment)),
    checks,
    ...(failure && { failure }),
    left,
  };
}

/** In the state folder in any case; a repository that cannot be written to just now keeps no drill from counting. */
async function keep(engine: Engine, input: DrillInput, report: DrillReport, run: Run): Promise<void> {
  await writeState(engine, `drills/${report.startedAt.replaceAll(/[:.]/g, "-")}-${report.id}.json`, report);
  const { repository, limits } = input;
  const reports = [{ id: report.id, kind: "drill", time: report.finishedAt, body: { ...report } }];
  try {
    await saveReports(engine, { repository, limits, crm: report.crm, reports, waitMs: 0 }, run);
  } catch (error) {
    run.signal.throwIfAborted();
    if (!isHoldfastError(error)) throw error;
    run.report({ type: "note", code: "report-not-stored", facts: { reason: error.code } });
  }
}
