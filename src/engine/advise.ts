import type { RetentionPolicy } from "../lib/retention-policy.ts";
import type { Run } from "../lib/run.ts";
import { applyRetention } from "../repository/retention.ts";
import { type Band, type BackupHistory, historyOf, leastBackups, leastDays } from "./advise-history.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";
import { overview } from "./overview.ts";

export interface AdviseInput {
  readonly repository: RepositoryAccess;
  readonly crm?: string;
  readonly retention: { readonly byCrm: Readonly<Record<string, RetentionPolicy>>; readonly others?: RetentionPolicy };
  readonly price?: { readonly gbMonth: number; readonly thousandRequests: number; readonly currency: string };
  /** All that there is room for, what is taken included; absent: not known. */
  readonly capacityBytes?: number;
  /** What is left beside it, where that is what is known. */
  readonly freeBytes?: number;
  /** IANA name. */
  readonly zone: string;
}

/** How backups could be made. Times between them in hours. */
export interface Strategy {
  readonly name: StrategyName;
  readonly fullEveryHours: number;
  readonly differentialEveryHours?: number;
  readonly incrementalEveryHours?: number;
  /** A journal between them (`holdfast follow`). */
  readonly journal?: true;
}

export type StrategyName = "full-daily" | "full-incremental" | "full-differential" | "hourly" | "continuous";

const strategies: readonly Strategy[] = [
  { name: "full-daily", fullEveryHours: 24 },
  { name: "full-incremental", fullEveryHours: 168, incrementalEveryHours: 24 },
  { name: "full-differential", fullEveryHours: 168, differentialEveryHours: 24 },
  { name: "hourly", fullEveryHours: 168, differentialEveryHours: 24, incrementalEveryHours: 1 },
  { name: "continuous", fullEveryHours: 168, differentialEveryHours: 24, incrementalEveryHours: 1, journal: true },
];

export interface StrategyEstimate extends Strategy {
  /** What the repository takes after a year of it. */
  readonly storedBytes: Band;
  /** Of one backup of the kind that is made most often, and of a full one; absent: nothing like it was seen. */
  readonly usualMs?: number;
  readonly fullMs?: number;
  /** Hours of a day in which a backup runs. */
  readonly busyHoursPerDay?: number;
  readonly rpoMs: number;
  readonly rtoMs?: number;
  readonly recoveryPoints: number;
  /** For storing and writing, in the year. */
  readonly cost?: number;
}

export interface CrmAdvice {
  readonly crm: string;
  /** Absent: too few backups to say anything; `needed` says what would do. */
  readonly history?: BackupHistory;
  readonly needed?: { readonly backups: number; readonly days: number; readonly have: number };
  readonly strategies: readonly StrategyEstimate[];
  readonly recommended?: { readonly name: StrategyName; readonly reasons: readonly Reason[] };
}

/** Keys of `words.advise.reasons`. */
export type Reason = "rpo-hour" | "rpo-second" | "cheap-enough" | "short-enough" | "long-backups" | "few-runs";

export interface AdviceReport {
  readonly type: "advice";
  readonly crms: readonly CrmAdvice[];
  readonly forecast?: Forecast;
  readonly currency?: string;
}

/** How the repository grows as it is run now. */
export interface Forecast {
  readonly nowBytes: number;
  readonly bytesPerDay: Band;
  /** After so many days. */
  readonly points: readonly { readonly days: number; readonly bytes: Band }[];
  readonly capacityBytes?: number;
  /** RFC 3339 dates: when it is full at the earliest, most likely, at the latest; absent: not within ten years. */
  readonly full?: { readonly earliest: string; readonly likely?: string; readonly latest?: string };
}

const hourMs = 3_600_000;
const yearDays = 365;
/** A journal's recovery point objective, by default. */
const journalRpoMs = 1500;
/** Restic's packs, and what each backup writes besides: index, snapshot, lock, its removal. */
const packBytes = 16 << 20;
const requestsPerBackup = 6;
/** Where no drill has measured it: a restore writes about as fast as a full backup reads, and proves what it wrote. */
const restoreShare = 0.7;
/** A differential stores again what earlier ones since the same full have stored, as far as its chunks were cut anew. */
const differentialOverlap = 1.5;
/** Time that a backup takes before it reads anything. */
const overheadMs = 1500;

/** Compares ways of making backups by what this repository has seen, and recommends one. Nothing is written. */
export async function advise(engine: Engine, input: AdviseInput, run: Run): Promise<AdviceReport> {
  const found = await overview(engine, { repository: input.repository, since: run.now().toISOString() }, run);
  const all = found.crms.flatMap(({ backups }) => backups);
  const olderBytes = found.packBytes - all.reduce((sum, { storedBytes = 0 }) => sum + storedBytes, 0);
  const totals = found.crms.map(({ backups }) => backups.at(-1)?.totalBytes ?? 0);
  const total = totals.reduce((sum, one) => sum + one, 0);
  const everybody = found.crms.map(({ crm, backups }, at): CrmAdvice => {
    // Which CRM's it is that remains of what retention took away nobody knows: shared out by how much each has.
    const share = total === 0 ? 0 : (totals[at] ?? 0) / total;
    const history = historyOf(backups, Math.max(0, olderBytes) * share);
    if (history === undefined) {
      return { crm, needed: { backups: leastBackups, days: leastDays, have: backups.length }, strategies: [] };
    }
    const policy = input.retention.byCrm[crm] ?? input.retention.others;
    const estimates = strategies.map((strategy) => estimate(strategy, history, policy, input));
    return { crm, history, strategies: estimates, recommended: recommend(estimates) };
  });
  const crms = everybody.filter(({ crm }) => input.crm === undefined || input.crm === crm);
  // The repository grows by all of them, whoever is asked about.
  const histories = everybody.flatMap(({ history }) => history ?? []);
  return {
    type: "advice",
    crms,
    ...(histories.length === everybody.length &&
      crms.length > 0 && { forecast: forecast(found.packBytes, histories, input, run.now()) }),
    ...(input.price && { currency: input.price.currency }),
  };
}

function estimate(
  strategy: Strategy,
  history: BackupHistory,
  policy: RetentionPolicy | undefined,
  { price, zone }: Pick<AdviseInput, "price" | "zone">,
): StrategyEstimate {
  const { fullEveryHours, differentialEveryHours, incrementalEveryHours, journal } = strategy;
  const everyHours = incrementalEveryHours ?? differentialEveryHours ?? fullEveryHours;
  const kept = pointsAfterAYear(everyHours, policy, zone);
  const overlap = differentialEveryHours === undefined ? 1 : differentialOverlap;
  const { changeBytesPerDay: change, growthBytesPerDay: growth, totalBytes, baseBytes } = history;
  const share = totalBytes === 0 ? 1 : Math.min(1, baseBytes / totalBytes);
  const stored = (side: keyof Band) => {
    const grown = Math.max(0, growth[side]) * yearDays * share;
    // What changed between two kept points is kept once; a change that changed back between them is not.
    const changed = change[side] * Math.min(yearDays, kept.spanDays) * overlap * Math.min(1, kept.density);
    return Math.round(baseBytes + Math.max(grown, changed));
  };
  const storedBytes = { low: stored("low"), middle: stored("middle"), high: stored("high") };
  const { fullBytesPerSecond: speed, changesMs } = history;
  const fullMs = speed === undefined || speed === 0 ? undefined : overheadMs + (totalBytes / speed) * 1000;
  const usualMs = everyHours === fullEveryHours ? fullMs : changesMs;
  const runsPerDay = 24 / everyHours;
  const busy = usualMs === undefined ? undefined : (usualMs * runsPerDay) / hourMs;
  const requests = (storedBytes.middle / packBytes) * 2 + runsPerDay * yearDays * requestsPerBackup;
  const averageGb = (baseBytes + storedBytes.middle) / 2 / 1e9;
  return {
    ...strategy,
    storedBytes,
    ...(usualMs !== undefined && { usualMs: Math.round(usualMs) }),
    ...(fullMs !== undefined && { fullMs: Math.round(fullMs) }),
    ...(busy !== undefined && { busyHoursPerDay: busy }),
    rpoMs: journal ? journalRpoMs : everyHours * hourMs,
    ...(fullMs !== undefined && { rtoMs: Math.round(fullMs / restoreShare) }),
    recoveryPoints: kept.count,
    ...(price && { cost: averageGb * price.gbMonth * 12 + (requests / 1000) * price.thousandRequests }),
  };
}

/** How many points retention leaves of a year's, by retention's own rules, and how dense they lie in changes. */
function pointsAfterAYear(
  everyHours: number,
  policy: RetentionPolicy | undefined,
  zone: string,
): { readonly count: number; readonly spanDays: number; readonly density: number } {
  const made = Math.floor((yearDays * 24) / everyHours);
  if (policy === undefined) return { count: made, spanDays: yearDays, density: 1 };
  const end = Date.UTC(2027, 0, 1);
  const times = Array.from({ length: made }, (_, index) => end - (made - index) * everyHours * hourMs);
  const dated = times.map((ms, index) => ({ id: String(index), time: new Date(ms).toISOString(), tags: [] }));
  const kept = applyRetention(dated, policy, zone, new Date(end)).filter(({ rules }) => rules.length > 0);
  const first = kept.reduce((least, { snapshot }) => Math.min(least, Date.parse(snapshot.time)), end);
  const spanDays = (end - first) / (24 * hourMs);
  // Rows that change every day lie between two monthly points only once: a square root is between "all new" and "all the same".
  const density = made === 0 ? 1 : Math.sqrt(kept.length / Math.max(1, Math.min(made, spanDays)));
  return { count: kept.length, spanDays, density };
}

/** At most this much more than the cheapest, and so much of the day spent on backups, is worth a better RPO. */
const costFactor = 1.5;
const busyHoursAtMost = 2;

function recommend(estimates: readonly StrategyEstimate[]): NonNullable<CrmAdvice["recommended"]> {
  const cheapest = Math.min(...estimates.map(({ storedBytes }) => storedBytes.middle));
  const fits = estimates.filter(
    ({ storedBytes, busyHoursPerDay = 0 }) =>
      storedBytes.middle <= costFactor * cheapest && busyHoursPerDay <= busyHoursAtMost,
  );
  const [best] = fits.toSorted((a, b) => a.rpoMs - b.rpoMs || a.storedBytes.middle - b.storedBytes.middle);
  if (best === undefined) {
    const [least] = estimates.toSorted((a, b) => (a.busyHoursPerDay ?? 0) - (b.busyHoursPerDay ?? 0));
    return { name: least?.name ?? "full-incremental", reasons: ["long-backups", "few-runs"] };
  }
  const rpo: readonly Reason[] = best.journal ? ["rpo-second"] : best.rpoMs <= hourMs ? ["rpo-hour"] : [];
  return { name: best.name, reasons: [...rpo, "cheap-enough", "short-enough"] };
}

const forecastDays = [30, 90, 180, 365];
const dayMs = 24 * hourMs;
const tenYears = 3653;

function forecast(
  nowBytes: number,
  histories: readonly BackupHistory[],
  {
    freeBytes,
    capacityBytes = freeBytes === undefined ? undefined : nowBytes + freeBytes,
  }: Pick<AdviseInput, "capacityBytes" | "freeBytes">,
  now: Date,
): Forecast {
  const sum = (side: keyof Band) => histories.reduce((total, one) => total + one.changeBytesPerDay[side], 0);
  const bytesPerDay: Band = { low: sum("low"), middle: sum("middle"), high: sum("high") };
  const at = (days: number, side: keyof Band) => Math.round(nowBytes + bytesPerDay[side] * days);
  const points = [0, ...forecastDays].map((days) => ({
    days,
    bytes: { low: at(days, "low"), middle: at(days, "middle"), high: at(days, "high") },
  }));
  const fullOn = (side: keyof Band): string | undefined => {
    if (capacityBytes === undefined || bytesPerDay[side] <= 0) return undefined;
    const days = Math.max(0, (capacityBytes - nowBytes) / bytesPerDay[side]);
    return days > tenYears ? undefined : new Date(now.getTime() + days * dayMs).toISOString().slice(0, 10);
  };
  const [earliest, likely, latest] = [fullOn("high"), fullOn("middle"), fullOn("low")];
  return {
    nowBytes,
    bytesPerDay,
    points,
    ...(capacityBytes !== undefined && { capacityBytes }),
    ...(earliest !== undefined && { full: { earliest, ...(likely && { likely }), ...(latest && { latest }) } }),
  };
}
