import { randomBytes } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { CrmDescription } from "../crm/platform.ts";
import type { Id } from "../format/tree.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { Limits } from "../lib/limits.ts";
import type { Run } from "../lib/run.ts";
import { openFor } from "./access.ts";
import { addressesFor } from "./database-address.ts";
import { checkCopy, type DrillCheck, type SqlCheck } from "./drill-checks.ts";
import { databaseEngineFor, type Engine, type RepositoryAccess } from "./engine.ts";
import { openPoint, type OpenedPoint } from "./open-point.ts";
import { saveReports } from "./reports.ts";
import { applyRestore, type RestoreReport } from "./restore-apply.ts";
import { planRestore, type RestorePlan, type RestorePlanInput } from "./restore-plan.ts";
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
  /** URL of a database that is not there yet; absent: one of its own beside the CRM's, on the same server. */
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
    found.left = await copy.remove();
  }
  const report = reportOf(id, point, found, started, run);
  await keep(engine, input, report, run);
  return report;
}

/** What has come out so far. */
interface Found {
  readonly checks: DrillCheck[];
  purpose: "clone" | "replacement";
  plan?: RestorePlan;
  restored?: RestoreReport;
  restoreMs?: number;
  doneMs?: number;
  failure?: NonNullable<DrillReport["failure"]>;
  left?: readonly string[];
}

function reportOf(id: string, point: OpenedPoint, found: Found, started: Date, run: Run): DrillReport {
  const { snapshot } = point;
  if (!snapshot) throw new HoldfastError("internal", {});
  const { checks, failure, restored, purpose, left = [], doneMs = 0, restoreMs = doneMs } = found;
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

/** The copy's folder and databases, from before they are made until they are gone. */
class ScratchCopy {
  readonly #engine: Engine;
  readonly #input: DrillInput;
  readonly #point: OpenedPoint;
  readonly #folder: string;
  readonly #url: string | undefined;
  #plan: RestorePlan | undefined;

  constructor(engine: Engine, input: DrillInput, point: OpenedPoint, id: string) {
    this.#engine = engine;
    this.#input = input;
    this.#point = point;
    this.#folder = join(input.scratch ?? join(engine.stateFolder, "drills"), `copy-${id}`);
    const onServer = point.databases.find(({ engine: database }) => database.home.kind === "server");
    this.#url = onServer && (input.targetDatabase ?? drillDatabase(onServer.location, id));
  }

  async make(found: Found, run: Run): Promise<void> {
    const { limits, repository, crms } = this.#input;
    const begun = run.now();
    await mkdir(join(this.#folder, "running"), { recursive: true, mode: 0o700 });
    this.#plan = await this.#planned(found, run);
    found.plan = this.#plan;
    const { location: _, ...access } = repository;
    const apply = { ...access, plan: this.#plan.id, limits, ...(crms && { crms }) };
    found.restored = await applyRestore(this.#engine, apply, run);
    found.restoreMs = run.now().getTime() - begun.getTime();
  }

  /** A clone where the platform can make one harmless; else it is restored as it is, and never started. */
  async #planned(found: Found, run: Run): Promise<RestorePlan> {
    const { repository, crms, targetDatabase } = this.#input;
    const input: Omit<RestorePlanInput, "purpose"> = {
      repository,
      crm: this.#point.crm,
      point: this.#pointName(),
      scope: { kind: "system" },
      target: join(this.#folder, "system"),
      ...(this.#url !== undefined && { targetDatabase: this.#url }),
      ...(this.#url === undefined && targetDatabase !== undefined && { targetDatabase }),
      ...(crms && { crms }),
      grants: "skip",
      switches: { createMissing: true, updateChanged: false, removeNewer: false },
    };
    try {
      return await planRestore(this.#engine, { ...input, purpose: "clone" }, run);
    } catch (error) {
      if (!isHoldfastError(error, "clone-unsupported")) throw error;
      found.purpose = "replacement";
      return await planRestore(this.#engine, { ...input, purpose: "replacement" }, run);
    }
  }

  /** What `latest` meant when the drill began, in case a backup ends meanwhile. */
  #pointName(): PointName {
    const { snapshot, moment } = this.#point;
    return moment || !snapshot ? this.#input.point : { kind: "id", prefix: snapshot.stored.id };
  }

  async parts() {
    const parts = this.#plan?.parts ?? [];
    const addressOf = await addressesFor(this.#engine, this.#input.crms, this.#point.crm, AbortSignal.timeout(60_000));
    const of = (kind: string) => parts.filter((part) => part.kind === kind).map(({ name, path }) => ({ name, path }));
    const databases = of("database").map(({ name, path }) => {
      const database = this.#point.databases.find((one) => one.name === name);
      const home = database?.engine.home;
      return { name, ...addressOf(home?.kind === "file" ? home.urlOf(path) : path) };
    });
    return { copy: { databases, folders: of("folder"), config: of("config"), scratch: join(this.#folder, "running") } };
  }

  /** Gives what could not be removed. */
  async remove(): Promise<readonly string[]> {
    const left: string[] = [];
    const whenStuck = (what: string) => (error: unknown) => {
      if (!isHoldfastError(error)) throw error;
      left.push(what);
    };
    // Not the run's signal: a drill that was cancelled leaves nothing behind either.
    const signal = AbortSignal.timeout(60_000);
    if (this.#plan) {
      for (const { url } of (await this.parts()).copy.databases) {
        const { home } = databaseEngineFor(this.#engine, url);
        if (home.kind !== "server") continue;
        const addressOf = await addressesFor(this.#engine, this.#input.crms, this.#point.crm, signal);
        await home.drop(addressOf(url), signal).catch(whenStuck(url));
      }
    }
    await rm(this.#folder, { recursive: true, force: true }).catch(() => left.push(this.#folder));
    return left;
  }
}

/** `postgresql://crm@db/crm?sslmode=require` → `…/crm_drill_1a2b3c4d?…`. */
function drillDatabase(url: string, id: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/[^/?#]*\/[^?#]+)/i, `$1_drill_${id}`);
}
