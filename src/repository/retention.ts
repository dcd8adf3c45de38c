import { parseTime } from "../format/time.ts";
import { countRules, spanText, type KeepCount, type RetentionPolicy, type Span } from "../lib/retention-policy.ts";

/** What is known of a snapshot to decide on it. */
export interface DatedSnapshot {
  readonly id: string;
  /** RFC 3339. */
  readonly time: string;
  readonly tags: readonly string[];
}

/** Why a snapshot is kept. `detail` is the span of a rule that has one, or the tags. */
export interface KeepRule {
  readonly rule: RuleName;
  readonly detail?: string;
  /** Kept only as the oldest of all, since the rule had some left to keep. */
  readonly oldest?: true;
}

export type RuleName = (typeof ruleNames)[number];
export const ruleNames = [
  "last",
  "hourly",
  "daily",
  "weekly",
  "monthly",
  "yearly",
  "within",
  "within-hourly",
  "within-daily",
  "within-weekly",
  "within-monthly",
  "within-yearly",
  "tags",
] as const;

export interface RetentionDecision<T> {
  readonly snapshot: T;
  /** Empty: no rule keeps it. */
  readonly rules: readonly KeepRule[];
}

/**
 * restic's decisions on a list of snapshots: newest first, with every rule that keeps each.
 *
 * Hours, days and so on are those of the clock in `zone`, where restic takes the offset that stands in each snapshot's
 * time; when these are the zone's own, both decide alike, also across a change of the clock. A span counts back from the
 * newest snapshot that is not in the future, by the calendar, with the offset of that moment.
 *
 * As restic does since 0.16, a rule that has some left to keep keeps the oldest of all too: `oldest` tells it apart.
 */
export function applyRetention<T extends DatedSnapshot>(
  snapshots: readonly T[],
  policy: RetentionPolicy,
  zone: string,
  now: Date,
): readonly RetentionDecision<T>[] {
  const dated = snapshots
    .map((snapshot) => ({ snapshot, ns: parseTime(snapshot.time) ?? 0n }))
    .toSorted((a, b) => (a.ns === b.ns ? (a.snapshot.id < b.snapshot.id ? -1 : 1) : a.ns > b.ns ? -1 : 1));
  const present = BigInt(now.getTime()) * 1_000_000n;
  const newest = dated.find(({ ns }) => ns < present)?.ns;
  const counted = countedRules(policy);
  const spanned = spannedRules(policy, newest, zone);
  return dated.map(({ snapshot, ns }, position) => {
    const rules: KeepRule[] = [];
    for (const list of policy.tags ?? []) {
      if (list.every((tag) => snapshot.tags.includes(tag))) rules.push({ rule: "tags", detail: list.join(",") });
    }
    const clock = clockOf(ns, zone);
    for (const rule of counted) {
      if (rule.left <= 0) continue;
      const key = keyOf[rule.unit](clock, position);
      const isOldest = position === dated.length - 1;
      if (key === rule.kept && !isOldest) continue;
      rules.push({ rule: rule.unit, ...(key === rule.kept && { oldest: true as const }) });
      rule.kept = key;
      rule.left--;
    }
    for (const rule of spanned) {
      if (ns <= rule.after) continue;
      const key = keyOf[rule.unit](clock, position);
      if (key === rule.kept) continue;
      rules.push({ rule: rule.name, detail: rule.span });
      rule.kept = key;
    }
    return { snapshot, rules };
  });
}

type Unit = "last" | "hourly" | "daily" | "weekly" | "monthly" | "yearly";

interface Clock {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly yearOfWeek: number;
  readonly weekOfYear: number;
}

/** Equal for two snapshots of the same hour, day and so on. */
const keyOf: Readonly<Record<Unit, (clock: Clock, position: number) => number>> = {
  last: (_, position) => position,
  hourly: ({ year, month, day, hour }) => ((year * 100 + month) * 100 + day) * 100 + hour,
  daily: ({ year, month, day }) => (year * 100 + month) * 100 + day,
  weekly: ({ yearOfWeek, weekOfYear }) => yearOfWeek * 100 + weekOfYear,
  monthly: ({ year, month }) => year * 100 + month,
  yearly: ({ year }) => year,
};

interface CountedRule {
  readonly unit: Unit;
  left: number;
  kept: number;
}

function countedRules(policy: RetentionPolicy): readonly CountedRule[] {
  const leftOf = (count: KeepCount | undefined): number => (count === "all" ? Infinity : (count ?? 0));
  return countRules.map((unit) => ({ unit, left: leftOf(policy[unit]), kept: -1 }));
}

interface SpannedRule {
  readonly name: RuleName;
  readonly unit: Unit;
  readonly span: string;
  /** Nanoseconds since 1970: what is later is within the span. */
  readonly after: bigint;
  kept: number;
}

function spannedRules(policy: RetentionPolicy, newest: bigint | undefined, zone: string): readonly SpannedRule[] {
  const all: readonly (readonly [RuleName, Unit, Span | undefined])[] = [
    ["within", "last", policy.within],
    ["within-hourly", "hourly", policy.withinHourly],
    ["within-daily", "daily", policy.withinDaily],
    ["within-weekly", "weekly", policy.withinWeekly],
    ["within-monthly", "monthly", policy.withinMonthly],
    ["within-yearly", "yearly", policy.withinYearly],
  ];
  return all.flatMap(([name, unit, span]) => {
    if (span === undefined) return [];
    // All lie in the future: nobody can say what is old.
    const after = newest === undefined ? ever : before(newest, span, zone);
    return [{ name, unit, span: spanText(span), after, kept: -1 }];
  });
}

/** Earlier than any snapshot. */
const ever = -(2n ** 80n);

/**
 * As Go counts: years, months and days are taken from the date, and a day that there is not runs over into the next
 * month; then hours.
 */
function before(ns: bigint, { years, months, days, hours }: Span, zone: string): bigint {
  const offset = BigInt(zonedAt(ns, zone).offsetNanoseconds);
  const local = ns + offset;
  const dayNs = 86_400_000_000_000n;
  const timeOfDay = ((local % dayNs) + dayNs) % dayNs;
  const date = new Date(Number((local - timeOfDay) / 1_000_000n));
  date.setUTCFullYear(date.getUTCFullYear() - years, date.getUTCMonth() - months, date.getUTCDate() - days);
  // Before what a `Date` can say, as `300000y` is: everything lies within.
  if (Number.isNaN(date.getTime())) return ever;
  return BigInt(date.getTime()) * 1_000_000n + timeOfDay - offset - BigInt(hours) * 3_600_000_000_000n;
}

function clockOf(ns: bigint, zone: string): Clock {
  const { year, month, day, hour, yearOfWeek = 0, weekOfYear = 0 } = zonedAt(ns, zone);
  return { year, month, day, hour, yearOfWeek, weekOfYear };
}

function zonedAt(ns: bigint, zone: string): Temporal.ZonedDateTime {
  return new Temporal.ZonedDateTime(ns, zone);
}
