import * as z from "zod";
import { parseCalendar, parseTimeOfDay, parseWeekdays } from "../lib/calendar.ts";
import { durationPattern, parseDuration } from "../lib/duration.ts";
import { dueJobNames, type JobName, jobNames } from "../lib/job-names.ts";
import type { BlackoutConfig, ScheduleConfig, ServiceConfig } from "./service-config.ts";

/** `service:` as it is written: what `holdfast serve` does when. Codes in `error` are keys of `words.configProblems`. */
const problem = (code: string) => ({ params: { problem: code } });

/** The highest there is, at the end of an address. */
export function hasPort(address: string): boolean {
  return Number(/:(\d+)$/.exec(address)?.[1] ?? 0) <= 65_535;
}

const durationSchema = z
  .string()
  .regex(new RegExp(durationPattern), { error: "duration" })
  .meta({ examples: ["90s", "15m", "2h"] });

const names = z.array(z.string().min(1)).min(1);

const timeOfDay = z
  .string()
  .refine((text) => parseTimeOfDay(text) !== undefined, problem("time-of-day"))
  .meta({ examples: ["08:00", "24:00"] });

const schedule = z.strictObject({
  job: z.enum(jobNames).meta({ description: "What is done; `follow` always, so without `at` and `after`." }),
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, { error: "schedule-name" })
    .optional()
    .meta({ description: "Absent: the kind, or the job. One of the preset's names replaces that of the preset." }),
  kind: z.enum(["full", "incremental", "differential"]).optional().meta({ description: "Of a backup." }),
  at: z
    .string()
    .refine((text) => parseCalendar(text) !== undefined, problem("calendar"))
    .optional()
    .meta({
      description: "When, in the time zone of `timezone:`: words, or the five fields of cron.",
      examples: ["hourly", "daily 02:30", "weekly sun 02:00", "monthly 1 03:00", "every 15m", "0 2 * * mon-fri"],
    }),
  after: z.enum(dueJobNames).optional().meta({ description: "In place of `at`: whenever such a job has ended well." }),
  crms: names.optional().meta({ description: "Only these CRMs; absent: all." }),
  spread: durationSchema.optional().meta({
    description: "Begins up to so much later, always the same for one machine: so that not all begin at once.",
  }),
  missed: z
    .enum(["catch-up", "skip"])
    .optional()
    .meta({ description: "What was due while nothing ran: done once when it can be (the default), or left out." }),
  read: z
    .string()
    .regex(/^(?:100|[1-9]?\d)%$/, { error: "percent" })
    .optional()
    .meta({ description: "Of `verify`: the part of the stored bytes that is read each time.", examples: ["10%"] }),
});

const blackout = z.strictObject({
  days: z
    .string()
    .refine((text) => parseWeekdays(text) !== undefined, problem("weekdays"))
    .optional()
    .meta({ examples: ["mon-fri", "sat,sun"] }),
  from: timeOfDay,
  to: timeOfDay,
  jobs: z.array(z.enum(dueJobNames)).min(1).optional().meta({ description: "Only these; absent: all." }),
});

export const serviceSchema = z.strictObject({
  preset: z
    .enum(["standard", "none"])
    .optional()
    .meta({ description: "`standard` (the default): a full weekly, a differential daily, an incremental hourly." }),
  schedules: z.array(schedule).optional().meta({ description: "Beside the preset's, or in place of some of them." }),
  blackouts: z
    .array(blackout)
    .optional()
    .meta({ description: "When no job begins; what is due then begins after it." }),
  jobsAtOnce: z.int().min(1).max(16).optional().meta({ description: "How many run at once; 2 when absent." }),
  retry: z
    .strictObject({
      times: z.int().min(0).max(100).optional(),
      first: durationSchema.optional(),
      longest: durationSchema.optional(),
    })
    .optional()
    .meta({ description: "A failed job is tried again 5 times, after 1m, 2m, 4m … and at most 1h." }),
  listen: z
    .string()
    .regex(/^(?:off|(?:[a-zA-Z0-9.-]+|\[[0-9a-fA-F:]+\]):\d{1,5})$/, { error: "listen" })
    .refine(hasPort, problem("listen"))
    .optional()
    .meta({ description: "Where health and metrics are served; 127.0.0.1:9188 when absent.", examples: ["off"] }),
});

type WrittenService = z.infer<typeof serviceSchema>;
type WrittenSchedule = z.infer<typeof schedule>;

/**
 * `standard`: each recovery point at most an hour old, and never two backups of one CRM at the same minute. Retention follows
 * each backup, and copies follow the daily ones.
 */
const presets: Readonly<Record<"standard" | "none", readonly WrittenSchedule[]>> = {
  none: [],
  standard: [
    { job: "backup", kind: "full", at: "weekly sun 02:00", spread: "10m" },
    { job: "backup", kind: "differential", at: "0 2 * * mon-sat", spread: "10m" },
    { job: "backup", kind: "incremental", at: "0 0,1,3-23 * * *", spread: "10m" },
    { job: "forget", after: "backup" },
    { job: "copy", at: "daily 03:00", spread: "10m" },
    { job: "prune", at: "daily 04:00", spread: "10m" },
    { job: "verify", at: "weekly wed 05:00", spread: "10m", read: "10%" },
  ],
};

const defaults = { jobsAtOnce: 2, retryTimes: 5, retryFirstMs: 60_000, retryLongestMs: 3_600_000 };
const defaultListen = { host: "127.0.0.1", port: 9188 };

/** `exists`: whether this configuration has what the preset's job works on (copies, rules of retention). */
export function resolveService(written: WrittenService | undefined, exists: (job: JobName) => boolean): ServiceConfig {
  const own = (written?.schedules ?? []).map(resolveSchedule);
  const replaced = new Set(own.map(({ name }) => name));
  const preset = presets[written?.preset ?? "standard"]
    .map(resolveSchedule)
    .filter(({ name, job }) => !replaced.has(name) && exists(job));
  const { retry } = written ?? {};
  const duration = (text: string | undefined, otherwise: number) => (text && parseDuration(text)) || otherwise;
  const listen = listenAt(written?.listen);
  return {
    origin: written === undefined ? "default" : "written",
    schedules: [...preset, ...own],
    blackouts: (written?.blackouts ?? []).map(resolveBlackout),
    jobsAtOnce: written?.jobsAtOnce ?? defaults.jobsAtOnce,
    retry: {
      times: retry?.times ?? defaults.retryTimes,
      firstMs: duration(retry?.first, defaults.retryFirstMs),
      longestMs: duration(retry?.longest, defaults.retryLongestMs),
    },
    ...(listen && { listen }),
  };
}

export function scheduleName({ name, kind, job }: Pick<WrittenSchedule, "name" | "kind" | "job">): string {
  return name ?? kind ?? job;
}

function resolveSchedule(written: WrittenSchedule): ScheduleConfig {
  const { job, kind, at, after, crms, spread, missed, read } = written;
  const calendar = at === undefined ? undefined : parseCalendar(at);
  return {
    name: scheduleName(written),
    job,
    ...(kind !== undefined && { kind }),
    when: whenOf(job, after ?? "backup", at !== undefined && calendar ? { at, calendar } : undefined),
    ...(crms !== undefined && { crms }),
    spreadMs: spread === undefined ? 0 : (parseDuration(spread) ?? 0),
    missed: missed ?? "catch-up",
    readPercent: read === undefined ? 0 : Number(read.slice(0, -1)),
  };
}

function whenOf(
  job: JobName,
  after: JobName,
  due: Extract<ScheduleConfig["when"], { at: string }> | undefined,
): ScheduleConfig["when"] {
  if (job === "follow") return { always: true };
  return due ?? { after };
}

function resolveBlackout({ days, from, to, jobs }: z.infer<typeof blackout>): BlackoutConfig {
  return {
    days: parseWeekdays(days ?? "*") ?? new Set(),
    fromMinute: parseTimeOfDay(from) ?? 0,
    toMinute: parseTimeOfDay(to) ?? 0,
    ...(jobs !== undefined && { jobs }),
  };
}

function listenAt(text: string | undefined): ServiceConfig["listen"] {
  if (text === undefined) return defaultListen;
  if (text === "off") return undefined;
  const at = text.lastIndexOf(":");
  return { host: text.slice(0, at).replace(/^\[|\]$/g, ""), port: Number(text.slice(at + 1)) };
}

/** Whether a schedule of this job, once it has run, would be followed by itself through others. */
export function followsItself(schedules: readonly Pick<ScheduleConfig, "job" | "when">[], job: JobName): boolean {
  const reached = new Set<JobName>();
  const walk = (from: JobName): void => {
    for (const { job: next, when } of schedules) {
      if (!("after" in when) || when.after !== from || reached.has(next)) continue;
      reached.add(next);
      walk(next);
    }
  };
  walk(job);
  return reached.has(job);
}

/** The blackout, by its place in the list, with which a job would never begin: they leave no minute of the week. */
export function endlessBlackout({
  schedules,
  blackouts,
}: Pick<ServiceConfig, "schedules" | "blackouts">): { readonly index: number; readonly job: JobName } | undefined {
  for (const job of new Set(schedules.map((one) => one.job))) {
    const isBlack = new Uint8Array(7 * 1440);
    for (const [index, { days, fromMinute, toMinute, jobs }] of blackouts.entries()) {
      if (job === "follow" || jobs?.includes(job) === false) continue;
      const length = toMinute > fromMinute ? toMinute - fromMinute : toMinute + 1440 - fromMinute;
      for (const day of days) {
        for (let at = 0; at < length; at++) isBlack[((day - 1) * 1440 + fromMinute + at) % isBlack.length] = 1;
      }
      if (!isBlack.includes(0)) return { index, job };
    }
  }
  return undefined;
}

/** What zod has no word for: a code of `words.configProblems`, and the key in the schedule that it is about. */
export function scheduleProblem({
  job,
  kind,
  at,
  after,
  read,
  spread,
  missed,
}: WrittenSchedule): { readonly problem: string; readonly key: keyof WrittenSchedule } | undefined {
  if (job === "follow") {
    const [key] = Object.entries({ at, after, spread, missed }).flatMap(([name, value]) => (value ? [name] : []));
    if (key !== undefined) return { problem: "always-runs", key: key as keyof WrittenSchedule };
  } else if (at === undefined && after === undefined) return { problem: "at-or-after", key: "job" };
  if (at !== undefined && after !== undefined) return { problem: "at-and-after", key: "after" };
  if (after === job) return { problem: "after-itself", key: "after" };
  if (kind !== undefined && job !== "backup") return { problem: "only-for", key: "kind" };
  if (read !== undefined && job !== "verify") return { problem: "only-for", key: "read" };
  return undefined;
}
