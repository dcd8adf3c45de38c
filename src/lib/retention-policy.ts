/**
 * Which recovery points are kept: the rules of `restic forget`, under the same names. What any rule keeps, stays. Written
 * in `holdfast.yaml` under `retention:`, or as options of `forget`.
 */
export interface RetentionPolicy {
  /** The newest so many. */
  readonly last?: KeepCount;
  /** The newest of each of so many hours, days, weeks, months, years in which there is one. */
  readonly hourly?: KeepCount;
  readonly daily?: KeepCount;
  readonly weekly?: KeepCount;
  readonly monthly?: KeepCount;
  readonly yearly?: KeepCount;
  /** All that are not older than this, counted back from the newest. */
  readonly within?: Span;
  /** The newest of each hour, day and so on within this. */
  readonly withinHourly?: Span;
  readonly withinDaily?: Span;
  readonly withinWeekly?: Span;
  readonly withinMonthly?: Span;
  readonly withinYearly?: Span;
  /** All that have every tag of one of these lists. */
  readonly tags?: readonly (readonly string[])[];
}

export type KeepCount = number | "all";

export interface Span {
  readonly years: number;
  readonly months: number;
  readonly days: number;
  readonly hours: number;
}

export const countRules = ["last", "hourly", "daily", "weekly", "monthly", "yearly"] as const;
export const spanRules = [
  "within",
  "withinHourly",
  "withinDaily",
  "withinWeekly",
  "withinMonthly",
  "withinYearly",
] as const;

/** restic's way of writing: `1y5m7d2h`, where `m` is months. */
export const spanPattern = String.raw`^(?=\d)(?:\d{1,6}y)?(?:\d{1,6}m)?(?:\d{1,6}d)?(?:\d{1,6}h)?$`;

/** `undefined` for what is no span, or one of nothing at all. */
export function parseSpan(text: string): Span | undefined {
  if (!new RegExp(spanPattern).test(text)) return undefined;
  const part = (unit: string): number => Number(new RegExp(`(\\d+)${unit}`).exec(text)?.[1] ?? 0);
  const span = { years: part("y"), months: part("m"), days: part("d"), hours: part("h") };
  return span.years + span.months + span.days + span.hours > 0 ? span : undefined;
}

export function spanText({ years, months, days, hours }: Span): string {
  const parts = [years && `${years}y`, months && `${months}m`, days && `${days}d`, hours && `${hours}h`];
  return parts.filter((part) => part !== 0).join("");
}

/** Whether a policy keeps nothing by itself: it was forgotten to say what to keep. */
export function isEmptyPolicy(policy: RetentionPolicy): boolean {
  const counts = countRules.some((rule) => policy[rule] !== undefined && policy[rule] !== 0);
  return !counts && spanRules.every((rule) => policy[rule] === undefined) && (policy.tags ?? []).length === 0;
}

/**
 * Grandfather, father, son, in three sizes; rules that are given besides take the place of the preset's.
 * `short`: a month back. `standard`: three years back. `long`: ten years back, as bookkeeping asks for in many places.
 */
export const retentionPresets = {
  short: { daily: 7, weekly: 4 },
  standard: { daily: 7, weekly: 5, monthly: 12, yearly: 3 },
  long: { daily: 14, weekly: 8, monthly: 24, yearly: 10 },
} as const satisfies Record<string, RetentionPolicy>;
export type RetentionPreset = keyof typeof retentionPresets;
