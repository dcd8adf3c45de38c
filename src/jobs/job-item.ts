import type { Config } from "../config/config.ts";
import type { BlackoutConfig, ScheduleConfig } from "../config/service-config.ts";
import { lastTime, nextTime } from "../lib/calendar.ts";
import type { JobName } from "../lib/job-names.ts";

/** What one run of a job is about. */
export type JobScope = "crm" | "repository" | "copy";

/** Stands for the repository as the subject of a job. */
export const repositorySubject = "_repository";

/** One schedule for one subject: what becomes due, runs, and can be missed. */
export interface JobItem {
  /** `full/acme`: the same from one start of the service to the next. */
  readonly key: string;
  readonly schedule: ScheduleConfig;
  readonly job: JobName;
  readonly scope: JobScope;
  /** A CRM's or a copy's name, or `_repository`. */
  readonly subject: string;
}

/** Everything that the configuration schedules. */
export function itemsOf(
  config: Pick<Config, "crms" | "copies" | "service">,
  scopeOf: (job: JobName) => JobScope,
): readonly JobItem[] {
  return config.service.schedules.flatMap((schedule) =>
    subjectsOf(schedule).map((subject) => ({
      key: `${schedule.name}/${subject}`,
      schedule,
      job: schedule.job,
      scope: scopeOf(schedule.job),
      subject,
    })),
  );

  function subjectsOf({ job, crms }: ScheduleConfig): readonly string[] {
    const scope = scopeOf(job);
    if (scope === "repository") return [repositorySubject];
    if (scope === "copy") return config.copies.map(({ name }) => name);
    return crms ?? config.crms.map(({ name }) => name);
  }
}

export interface Due {
  /** When it was due by the calendar; of several that nothing did, the last. */
  readonly dueMs: number;
  /** How many times it was due since it was last looked at. */
  readonly times: number;
}

/** A clock that was set back by more than this is said so; a little is what NTP does. */
export const clockToleranceMs = 5 * 60_000;

/** Nobody needs to know it more exactly than this. */
const mostTimes = 10_000;

/** What has become due after `watermarkMs`: it is run once, however often it was due. */
export function dueSince({ schedule }: JobItem, watermarkMs: number, nowMs: number, zone: string): Due | undefined {
  if (!("at" in schedule.when)) return undefined;
  const { calendar } = schedule.when;
  const last = lastTime(calendar, nowMs, zone);
  if (last === undefined || last <= watermarkMs) return undefined;
  let times = 1;
  let at = nextTime(calendar, watermarkMs, zone);
  while (at !== undefined && at < last && times < mostTimes) {
    times++;
    at = nextTime(calendar, at, zone);
  }
  return { dueMs: last, times };
}

/** How much later than due it begins: a share of `spread` that is always the same for one item on one machine. */
export function spreadMs({ key, schedule }: JobItem, host: string): number {
  if (schedule.spreadMs === 0) return 0;
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(`${host} ${key}`, "utf8")) hash = Math.imul(hash ^ byte, 0x01000193);
  return Math.floor(((hash >>> 0) / 2 ** 32) * schedule.spreadMs);
}

/** The time itself, or the end of the blackout that it falls into. */
export function allowedAt(blackouts: readonly BlackoutConfig[], job: JobName, ms: number, zone: string): number {
  const own = blackouts.filter(({ jobs }) => jobs === undefined || jobs.includes(job));
  if (own.length === 0) return ms;
  let at = ms;
  // One may begin where another ends; more of them than there are in a week is never left.
  for (let round = 0; round <= own.length * 8; round++) {
    const local = Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(zone);
    // An end that the change of the clock puts before this moment is none.
    const end = own.map((one) => blackoutEnd(one, local) ?? at).find((one) => one > at);
    if (end === undefined) return at;
    at = end;
  }
  return at;
}

/** When the blackout ends that is in force at this moment, by the clock on the wall; `undefined`: none is. */
function blackoutEnd(blackout: BlackoutConfig, local: Temporal.ZonedDateTime): number | undefined {
  const { days, fromMinute, toMinute } = blackout;
  const minute = local.hour * 60 + local.minute;
  const overnight = toMinute <= fromMinute;
  const today = local.dayOfWeek;
  if (days.has(today) && minute >= fromMinute && (overnight || minute < toMinute)) {
    return endOf(local.toPlainDate(), overnight ? toMinute + 24 * 60 : toMinute, local.timeZoneId);
  }
  const yesterday = today === 1 ? 7 : today - 1;
  if (!overnight || !days.has(yesterday) || minute >= toMinute) return undefined;
  return endOf(local.toPlainDate(), toMinute, local.timeZoneId);
}

function endOf(date: Temporal.PlainDate, minute: number, zone: string): number {
  const day = date.add({ days: Math.floor(minute / 1440) });
  const time = { hour: Math.floor((minute % 1440) / 60), minute: minute % 60 };
  return day.toPlainDateTime(time).toZonedDateTime(zone).epochMilliseconds;
}

/** A job is missed when this part of its period has passed beyond the time it was due. */
const overdueShare = 0.25;

export interface Expectation {
  /** When it is due next after `sinceMs`. */
  readonly dueMs: number;
  /** From when on it is missed: at 1.25 of its period, and so much after the end of a blackout at that time. */
  readonly missedMs: number;
}

/** When something must have been done again that was last done at `sinceMs`; `undefined`: it follows others. */
export function expectedAfter(
  { schedule, job }: Pick<JobItem, "schedule" | "job">,
  sinceMs: number,
  blackouts: readonly BlackoutConfig[],
  zone: string,
): Expectation | undefined {
  if (!("at" in schedule.when)) return undefined;
  const { calendar } = schedule.when;
  const dueMs = nextTime(calendar, sinceMs, zone);
  if (dueMs === undefined) return undefined;
  const before = lastTime(calendar, sinceMs, zone) ?? sinceMs;
  const periodMs = dueMs - before;
  const begins = allowedAt(blackouts, job, dueMs + schedule.spreadMs, zone);
  return { dueMs, missedMs: begins + overdueShare * periodMs };
}
