import { HoldfastError } from "../lib/errors.ts";
import type { Warning } from "../lib/events.ts";
import type { StoredSnapshot } from "../repository/repository.ts";
import type { BackupKind, Outcome } from "../contents/manifest.ts";
import type { PointName } from "./snapshots.ts";

/**
 * Which snapshot a person means. What a listing must know of a snapshot stands in its tags, so that listing reads no
 * trees: `holdfast`, the kind, the outcome. The CRM's name is the one component of its one path.
 */
export interface PointChoice {
  readonly chosen: StoredSnapshot;
  /** Ended with warnings, newer than the one chosen, and passed over. */
  readonly passedOver: readonly StoredSnapshot[];
}

/** No CRM's name ends so. */
const recordEnding = /\.(?:journal|undo|reports|ledger)$/;

const kinds: readonly string[] = ["full", "incremental", "differential"];
const outcomes: readonly string[] = ["ok", "warning"];

export function snapshotTags(kind: BackupKind, outcome: Outcome): readonly string[] {
  return ["holdfast", kind, outcome];
}

/** Made by Holdfast as a backup of a CRM (not by restic, not one of our own journals or records). */
export function isBackup(stored: StoredSnapshot): boolean {
  return stored.snapshot.tags?.includes("holdfast") === true && crmOf(stored) !== "" && !isRecord(stored);
}

/** What Holdfast keeps beside the backups of a CRM: its journal, what restores replaced, reports, erasures. */
export function isRecord(stored: StoredSnapshot): boolean {
  return recordEnding.test(crmOf(stored));
}

export function crmOf(stored: StoredSnapshot): string {
  const [path, ...others] = stored.snapshot.paths;
  return path !== undefined && others.length === 0 && /^\/[^/]+$/.test(path) ? path.slice(1) : "";
}

export function kindOf(stored: StoredSnapshot): BackupKind | undefined {
  return stored.snapshot.tags?.find((tag): tag is BackupKind => kinds.includes(tag));
}

export function outcomeOf(stored: StoredSnapshot): Outcome | undefined {
  return stored.snapshot.tags?.find((tag): tag is Outcome => outcomes.includes(tag));
}

/** Backups of one CRM, oldest first. */
export function backupsOf(snapshots: readonly StoredSnapshot[], crm: string): readonly StoredSnapshot[] {
  return snapshots.filter((stored) => isBackup(stored) && crmOf(stored) === crm);
}

/** The CRM a command is about: the one named, else the only one there is. */
export function chooseCrm(snapshots: readonly StoredSnapshot[], named: string | undefined): string {
  const names = [...new Set(snapshots.filter(isBackup).map(crmOf))].toSorted();
  if (named !== undefined) {
    if (names.length > 0 && !names.includes(named)) {
      throw new HoldfastError("crm-unknown", { name: named, known: names.join(", ") });
    }
    return named;
  }
  const [only, ...others] = names;
  if (only === undefined) throw new HoldfastError("snapshot-none", {});
  if (others.length > 0) throw new HoldfastError("crm-ambiguous", { known: names.join(", ") });
  return only;
}

/**
 * `latest` is the newest *ok* backup of the CRM; a moment means the newest *ok* one at or before it. Newer ones that
 * ended with warnings are passed over and named; they are taken only by their id.
 */
export function choosePoint(
  snapshots: readonly StoredSnapshot[],
  crm: string | undefined,
  point: PointName,
): PointChoice {
  if (point.kind === "live") throw new HoldfastError("point-live", {});
  if (point.kind === "id") {
    const chosen = byPrefix(snapshots, point.prefix);
    if (point.of !== undefined) refuseOther(snapshots, chosen, point.of);
    return { chosen, passedOver: [] };
  }
  const name = chooseCrm(snapshots, crm);
  const all = backupsOf(snapshots, name);
  const [earliest] = all;
  if (earliest === undefined) throw new HoldfastError("snapshot-none", { crm: name });
  const until = point.kind === "moment" ? point.time.getTime() : Number.POSITIVE_INFINITY;
  const reachable = all.filter((stored) => timeOf(stored) <= until);
  const chosen = reachable.findLast((stored) => outcomeOf(stored) === "ok");
  if (chosen === undefined) {
    const earliestOk = all.find((stored) => outcomeOf(stored) === "ok");
    if (point.kind === "moment" && reachable.length === 0) {
      throw new HoldfastError("moment-too-early", { crm: name, earliest: (earliestOk ?? earliest).snapshot.time });
    }
    const newest = reachable.at(-1) ?? earliest;
    throw new HoldfastError("snapshot-none", { crm: name, withWarnings: newest.id.slice(0, 8) });
  }
  return { chosen, passedOver: reachable.slice(reachable.indexOf(chosen) + 1) };
}

/** Whose point is named: a moment may be one that only the journal leads to. */
export function crmOfPoint(snapshots: readonly StoredSnapshot[], crm: string | undefined, point: PointName): string {
  return point.kind === "moment" ? chooseCrm(snapshots, crm) : crmOf(choosePoint(snapshots, crm, point).chosen);
}

/** A clock may be a little ahead of another. */
const aheadMs = 5 * 60_000;

/** Says of a point that was made "in the future" that it is taken for the newest, whatever came since. */
export function aheadWarnings(stored: StoredSnapshot | undefined, now: Date): readonly Warning[] {
  if (stored === undefined || timeOf(stored) - now.getTime() < aheadMs) return [];
  return [{ code: "point-ahead", subject: stored.id.slice(0, 8), detail: stored.snapshot.time }];
}

/** What Holdfast keeps beside the backups of a CRM is that CRM's as well. */
function refuseOther(snapshots: readonly StoredSnapshot[], chosen: StoredSnapshot, named: string): void {
  const crm = crmOf(chosen).replace(recordEnding, "");
  if (crm === named) return;
  chooseCrm(snapshots, named);
  throw new HoldfastError("point-of-other", { id: chosen.id.slice(0, 8), name: named, crm });
}

function timeOf(stored: StoredSnapshot): number {
  return Date.parse(stored.snapshot.time);
}

function byPrefix(snapshots: readonly StoredSnapshot[], prefix: string): StoredSnapshot {
  const starts = (id: string | undefined): boolean => id?.startsWith(prefix.toLowerCase()) === true;
  const named = snapshots.filter((stored) => starts(stored.id));
  // One whose tags were changed has another id, and is still known by the one it was made with.
  const found = named.length > 0 ? named : snapshots.filter(({ snapshot }) => starts(snapshot.original));
  const [first, second] = found;
  if (first === undefined) throw new HoldfastError("snapshot-unknown", { id: prefix });
  if (second !== undefined) throw new HoldfastError("snapshot-ambiguous", { id: prefix, count: found.length });
  return first;
}
