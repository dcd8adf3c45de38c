import type { PointName } from "../engine/snapshots.ts";
import { HoldfastError } from "../lib/errors.ts";

/**
 * How a person names a recovery point: `latest`, `live` (the CRM as it is now), the beginning of a snapshot's id, or a moment after `@`. A pure
 * function of the text, the present and the time zone.
 *
 * Moments: `@2026-03-12T14:00+08:00`, `@2026-03-12 14:00`, `@14:30` (today), `@2026-03-12` (the end of that day),
 * `@"yesterday 14:30"`, `@yesterday` (its end), `@"2h ago"`, `@"3 days ago"`, `@now`, and the same in Chinese
 * (`@昨天 14:30`, `@2小时前`). `@14:30:05#4711` is right after that transaction of that second, by its number or position. Without an offset the zone's clock is meant. An hour that this clock shows twice needs
 * the offset (`moment-ambiguous`); one that it skips, or that has not come yet, is refused (`moment-invalid`).
 */
export function parsePoint(text: string, now: Date, zone: string): PointName {
  const trimmed = text.trim();
  if (trimmed === "latest") return { kind: "latest" };
  if (trimmed === "live") return { kind: "live" };
  if (/^[0-9a-f]{4,64}$/i.test(trimmed)) return { kind: "id", prefix: trimmed.toLowerCase() };
  if (!trimmed.startsWith("@")) throw new HoldfastError("moment-invalid", { text: trimmed, problem: "form" });
  const present = Temporal.Instant.fromEpochMilliseconds(now.getTime());
  // The shell takes the quotes of @"2h ago" away, unless that stands in others.
  const [moment = "", transaction] = trimmed
    .slice(1)
    .replace(/^(["'])(.*)\1$/, "$2")
    .split("#");
  const instant = parseMoment(moment.trim(), present, zone);
  if (instant === undefined) throw new HoldfastError("moment-invalid", { text: trimmed, problem: "form" });
  if (Temporal.Instant.compare(instant, present) > 0) {
    throw new HoldfastError("moment-invalid", { text: trimmed, problem: "future" });
  }
  if (transaction === undefined) return { kind: "moment", time: roundedUp(instant) };
  if (!/^[\w.:-]{1,80}$/.test(transaction))
    throw new HoldfastError("moment-invalid", { text: trimmed, problem: "form" });
  return { kind: "moment", time: roundedUp(instant), transaction };
}

/** To the millisecond, upwards: the time of a snapshot, pasted with all its digits, must not miss that snapshot. */
function roundedUp(instant: Temporal.Instant): Date {
  return new Date(instant.round({ smallestUnit: "millisecond", roundingMode: "ceil" }).epochMilliseconds);
}

function parseMoment(text: string, present: Temporal.Instant, zone: string): Temporal.Instant | undefined {
  return withOffset(text) ?? onTheClock(text, present, zone) ?? ago(text, present, zone);
}

const timePattern = String.raw`(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?`;
const datePattern = String.raw`(\d{4})[-/](\d{1,2})[-/](\d{1,2})`;
const offsetForm = new RegExp(`^${datePattern}[T ]\\s*${timePattern}\\s*(Z|[+-]\\d{2}:?\\d{2})$`, "i");
const dateForm = new RegExp(`^${datePattern}(?:[T ]\\s*${timePattern})?$`, "i");
const timeForm = new RegExp(`^${timePattern}$`);
const dayForm = new RegExp(`^(today|yesterday|今天|昨天|前天)(?:\\s*(?:at\\s+)?${timePattern})?$`, "i");

function withOffset(text: string): Temporal.Instant | undefined {
  const match = offsetForm.exec(text);
  if (!match) return undefined;
  const clock = dateAndTime(text, match.slice(1, 4), match.slice(4, 8));
  const offset = (match[8] ?? "Z").toUpperCase();
  try {
    return Temporal.Instant.from(`${clock.toString()}${offset}`);
  } catch (error) {
    throw new HoldfastError("moment-invalid", { text: `@${text}`, problem: "form" }, error);
  }
}

/** A date, a time or a day by its name, as the clock of the zone shows it. */
function onTheClock(text: string, present: Temporal.Instant, zone: string): Temporal.Instant | undefined {
  const today = present.toZonedDateTimeISO(zone).toPlainDate();
  const time = timeForm.exec(text);
  if (time) return inZone(text, atTime(text, today, time.slice(1, 5)), zone);
  const date = dateForm.exec(text);
  if (date) {
    const clock = dateAndTime(text, date.slice(1, 4), date[4] === undefined ? undefined : date.slice(4, 8));
    return date[4] === undefined ? endOfDay(clock.toPlainDate(), present, zone) : inZone(text, clock, zone);
  }
  const [, word, ...parts] = dayForm.exec(text) ?? [];
  if (word === undefined) return undefined;
  const day = today.subtract({ days: daysBack[word.toLowerCase()] ?? 0 });
  return parts[0] === undefined ? endOfDay(day, present, zone) : inZone(text, atTime(text, day, parts), zone);
}

const daysBack: Readonly<Record<string, number>> = { today: 0, 今天: 0, yesterday: 1, 昨天: 1, 前天: 2 };

/** A day without a time means all of it; of today, what has passed. */
function endOfDay(day: Temporal.PlainDate, present: Temporal.Instant, zone: string): Temporal.Instant {
  const end = day.add({ days: 1 }).toZonedDateTime(zone).toInstant().subtract({ milliseconds: 1 });
  const isToday = present.toZonedDateTimeISO(zone).toPlainDate().equals(day);
  return isToday ? present : end;
}

type Parts = readonly (string | undefined)[];

function dateAndTime(text: string, date: Parts, time: Parts | undefined): Temporal.PlainDateTime {
  const [year, month, day] = date.map(Number);
  try {
    const plain = Temporal.PlainDate.from(
      { year: year ?? 0, month: month ?? 0, day: day ?? 0 },
      { overflow: "reject" },
    );
    return time ? atTime(text, plain, time) : plain.toPlainDateTime();
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    throw new HoldfastError("moment-invalid", { text: `@${text}`, problem: "form" }, error);
  }
}

function atTime(
  text: string,
  day: Temporal.PlainDate,
  [hour, minute, second, fraction]: Parts,
): Temporal.PlainDateTime {
  const nanoseconds = Number((fraction ?? "").padEnd(9, "0"));
  const parts = {
    hour: Number(hour),
    minute: Number(minute),
    second: Number(second ?? 0),
    millisecond: Math.floor(nanoseconds / 1e6),
    microsecond: Math.floor(nanoseconds / 1e3) % 1000,
    nanosecond: nanoseconds % 1000,
  };
  try {
    return day.toPlainDateTime(Temporal.PlainTime.from(parts, { overflow: "reject" }));
  } catch (error) {
    throw new HoldfastError("moment-invalid", { text: `@${text}`, problem: "form" }, error);
  }
}

function inZone(text: string, clock: Temporal.PlainDateTime, zone: string): Temporal.Instant {
  const first = clock.toZonedDateTime(zone, { disambiguation: "earlier" });
  const second = clock.toZonedDateTime(zone, { disambiguation: "later" });
  if (first.epochNanoseconds === second.epochNanoseconds) return first.toInstant();
  // Two answers: in a gap neither shows what was written, in an hour that comes twice both do.
  if (!first.toPlainDateTime().equals(clock)) {
    throw new HoldfastError("moment-invalid", { text: `@${text}`, zone, problem: "does-not-exist" });
  }
  const written = (zoned: Temporal.ZonedDateTime) => `@${clock.toString()}${zoned.offset}`;
  throw new HoldfastError("moment-ambiguous", {
    text: `@${text}`,
    zone,
    first: written(first),
    second: written(second),
  });
}

const unitWords: readonly (readonly [keyof Temporal.DurationLikeObject, RegExp])[] = [
  ["seconds", /^(?:s|secs?|seconds?|秒钟?)$/i],
  ["minutes", /^(?:m|mins?|minutes?|分钟?)$/i],
  ["hours", /^(?:h|hours?|个?小时)$/i],
  ["days", /^(?:d|days?|天)$/i],
  ["weeks", /^(?:w|weeks?|周|个?星期)$/i],
  ["months", /^(?:months?|个月)$/i],
];

/** `2h ago`: days and longer by the zone's calendar, the rest by the clock. */
function ago(text: string, present: Temporal.Instant, zone: string): Temporal.Instant | undefined {
  if (/^(?:now|现在)$/i.test(text)) return present;
  const [, amount, word] = /^(\d{1,6})\s*(\p{L}+?)\s*(?:ago|前|以前|之前)$/iu.exec(text) ?? [];
  const unit = unitWords.find(([, pattern]) => word !== undefined && pattern.test(word))?.[0];
  if (unit === undefined) return undefined;
  return present
    .toZonedDateTimeISO(zone)
    .subtract({ [unit]: Number(amount) })
    .toInstant();
}
