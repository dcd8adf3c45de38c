import type { BackupRow } from "./overview.ts";

/** What a CRM's backups have shown, as far as they show it: medians, so that one odd day does not decide. */
export interface BackupHistory {
  readonly backups: number;
  readonly days: number;
  /** Rows and files that the newest holds. */
  readonly totalBytes: number;
  /** Stored by the first backup there is, which holds everything, or before it by those that retention took away. */
  readonly baseBytes: number;
  /** Stored a day by what changed; the middle, and the tenth and ninetieth percentile of single backups. */
  readonly changeBytesPerDay: Band;
  /** Growth of `totalBytes` a day. */
  readonly growthBytesPerDay: Band;
  /** Bytes a second that a full backup goes through; absent: there was none that took long enough. */
  readonly fullBytesPerSecond?: number;
  /** Median duration of incremental and differential ones. */
  readonly changesMs?: number;
}

/** Of a forecast: not one number. */
export interface Band {
  readonly low: number;
  readonly middle: number;
  readonly high: number;
}

export const leastBackups = 4;
export const leastDays = 3;

/** `undefined`: too little to say anything. Backups oldest first; `olderBytes`: what is kept of such as are gone. */
export function historyOf(backups: readonly BackupRow[], olderBytes = 0): BackupHistory | undefined {
  const known = backups.filter(({ totalBytes, storedBytes }) => totalBytes !== undefined && storedBytes !== undefined);
  const [first] = known;
  const last = known.at(-1);
  if (first === undefined || last === undefined || known.length < leastBackups) return undefined;
  const days = daysBetween(first, last);
  if (days < leastDays) return undefined;
  const changes = known.slice(1).map((backup, index) => ({
    bytes: backup.storedBytes ?? 0,
    days: daysBetween(known[index] ?? first, backup),
  }));
  const stored = changes.reduce((sum, { bytes }) => sum + bytes, 0);
  // Rates of single backups say how it spreads; all together say what it is.
  const rates = changes.filter(({ days: of }) => of > 1 / 48).map(({ bytes, days: of }) => bytes / of);
  const middle = stored / days;
  const fulls = known.filter(({ kind, durationMs = 0 }) => kind === "full" && durationMs >= 1000);
  const speeds = fulls.map(({ totalBytes = 0, durationMs = 1 }) => (totalBytes / durationMs) * 1000);
  const short = known.filter(({ kind }) => kind !== "full").flatMap(({ durationMs }) => durationMs ?? []);
  return {
    backups: known.length,
    days,
    totalBytes: last.totalBytes ?? 0,
    // Never more than all it holds: other things may lie in the repository as well.
    baseBytes: Math.max(first.storedBytes ?? 0, Math.min((first.storedBytes ?? 0) + olderBytes, last.totalBytes ?? 0)),
    changeBytesPerDay: {
      low: Math.min(middle, quantile(rates, 0.1) ?? middle),
      middle,
      high: Math.max(middle, quantile(rates, 0.9) ?? middle),
    },
    growthBytesPerDay: slopeOf(known.map((one) => ({ day: daysBetween(first, one), bytes: one.totalBytes ?? 0 }))),
    ...(speeds.length > 0 && { fullBytesPerSecond: quantile(speeds, 0.5) ?? 0 }),
    ...(short.length > 0 && { changesMs: quantile(short, 0.5) ?? 0 }),
  };
}

const mostPoints = 120;

/**
 * Growth by Theil and Sen: the median of the slopes between all pairs of points, with their tenth and ninetieth
 * percentile as the band. A single import or purge moves it little. Pairs that lie close together are left out.
 */
function slopeOf(points: readonly { readonly day: number; readonly bytes: number }[]): Band {
  const step = Math.ceil(points.length / mostPoints);
  const some = points.filter((_, index) => index % step === 0);
  const span = (some.at(-1)?.day ?? 0) - (some[0]?.day ?? 0);
  const slopes: number[] = [];
  for (const [index, a] of some.entries()) {
    for (const b of some.slice(index + 1)) {
      if (b.day - a.day >= span / 4 && b.day > a.day) slopes.push((b.bytes - a.bytes) / (b.day - a.day));
    }
  }
  return { low: quantile(slopes, 0.1) ?? 0, middle: quantile(slopes, 0.5) ?? 0, high: quantile(slopes, 0.9) ?? 0 };
}

/** By linear interpolation; `undefined` of nothing. */
function quantile(values: readonly number[], share: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const [below, above] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return below === undefined || above === undefined ? undefined : below + (above - below) * (at - Math.floor(at));
}

function daysBetween(a: BackupRow, b: BackupRow): number {
  return (Date.parse(b.time) - Date.parse(a.time)) / 86_400_000;
}
