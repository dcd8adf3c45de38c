/**
 * When something is due: five fields of cron (minute, hour, day of month, month, day of week), or words for them.
 *
 *     hourly · daily · daily 02:30 · weekly sun 02:00 · monthly 1 03:00 · every 15m · every 6h · 0 2 * * mon-fri
 *
 * Wall-clock time in a zone, with cron's usual manners where clocks change: a time that does not exist is taken as much
 * later as the clock was put forward, one that occurs twice is taken the first time, so that a run at a fixed time is due
 * once a day always. Where every hour matches (`hourly`, `every 15m`) it is real time that counts: an hour that occurs
 * twice is due twice, one that is left out is not due. Where both a day of the month and one of the week are given,
 * either will do, as in cron.
 */
export interface Calendar {
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly days: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  /** 1 Monday … 7 Sunday. */
  readonly weekdays: ReadonlySet<number>;
  /** How the two kinds of days go together. */
  readonly dayRule: "both" | "either";
}

const weekdayNames = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const monthNames = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/** `undefined` for what is no expression, or one that never is due. */
export function parseCalendar(text: string): Calendar | undefined {
  const written = text.trim().toLowerCase().split(/\s+/);
  const fields = written.length === 5 ? written : fieldsOfWords(written);
  if (fields === undefined) return undefined;
  const [minute = "", hour = "", day = "", month = "", weekday = ""] = fields;
  const minutes = parseField(minute, 0, 59);
  const hours = parseField(hour, 0, 23);
  const days = parseField(day, 1, 31);
  const months = parseField(month, 1, 12, monthNames, 1);
  const weekdays = parseField(weekday, 0, 7, weekdayNames, 1)?.map((one) => (one === 0 ? 7 : one));
  if (!minutes || !hours || !days || !months || !weekdays) return undefined;
  const dayRule = day !== "*" && weekday !== "*" ? "either" : "both";
  const calendar = { minutes, hours, days: new Set(days), months: new Set(months), weekdays: new Set(weekdays) };
  // 31 February: a leap year from here on shows whether it is ever due.
  const whole: Calendar = { ...calendar, dayRule };
  return nextTime(whole, Date.UTC(2027, 0, 1), "UTC") === undefined ? undefined : whole;
}

function fieldsOfWords([word, ...more]: readonly string[]): readonly string[] | undefined {
  const [first = "", second = ""] = more;
  if (word === "hourly" && more.length === 0) return ["0", "*", "*", "*", "*"];
  if (word === "every" && more.length === 1) {
    const [, count = "", unit] = /^(\d{1,2})(m|h)$/.exec(first) ?? [];
    const [of, number] = [unit === "m" ? 60 : 24, Number(count)];
    // Only what divides the hour or the day: else the last stretch would be shorter than the others.
    if (unit === undefined || number < 1 || of % number !== 0) return undefined;
    if (number === of) return unit === "m" ? ["0", "*", "*", "*", "*"] : ["0", "0", "*", "*", "*"];
    return unit === "m" ? [`*/${number}`, "*", "*", "*", "*"] : ["0", `*/${number}`, "*", "*", "*"];
  }
  if (word === "daily" && more.length <= 1) {
    const time = timeFields(first || "00:00");
    return time && [...time, "*", "*", "*"];
  }
  if (word === "weekly" && more.length === 2 && /^[a-z0-9]+$/.test(first)) {
    const time = timeFields(second);
    return time && [...time, "*", "*", first];
  }
  if (word === "monthly" && more.length === 2 && /^\d+$/.test(first)) {
    const time = timeFields(second);
    return time && [...time, first, "*", "*"];
  }
  return undefined;
}

/** `02:30` as minute and hour. */
function timeFields(text: string): readonly [string, string] | undefined {
  const time = parseTimeOfDay(text);
  return time === undefined ? undefined : [String(time % 60), String(Math.floor(time / 60))];
}

/** `02:30` as minutes since midnight; `24:00` is the end of the day. */
export function parseTimeOfDay(text: string): number | undefined {
  const [, hour, minute] = /^(\d{1,2}):(\d{2})$/.exec(text) ?? [];
  if (hour === undefined || minute === undefined) return undefined;
  const minutes = Number(hour) * 60 + Number(minute);
  return Number(minute) < 60 && minutes <= 24 * 60 ? minutes : undefined;
}

/** `mon-fri,sun` as numbers, 1 Monday … 7 Sunday. */
export function parseWeekdays(text: string): ReadonlySet<number> | undefined {
  const found = parseField(text.trim().toLowerCase(), 0, 7, weekdayNames, 1);
  return found && new Set(found.map((one) => (one === 0 ? 7 : one)));
}

function parseField(
  text: string,
  least: number,
  most: number,
  names: readonly string[] = [],
  firstName = 0,
): readonly number[] | undefined {
  const value = (one: string): number | undefined => {
    if (/^\d{1,2}$/.test(one)) return Number(one);
    const at = names.indexOf(one);
    return at < 0 ? undefined : at + firstName;
  };
  const found = new Set<number>();
  for (const part of text.split(",")) {
    const [, range = "", step] = /^([^/]+)(?:\/(\d{1,2}))?$/.exec(part) ?? [];
    const [from = "", to] = range === "*" ? [String(least), String(most)] : range.split("-");
    const first = value(from);
    const last = to === undefined ? (step === undefined ? first : most) : value(to);
    const by = step === undefined ? 1 : Number(step);
    if (first === undefined || last === undefined || first < least || last > most || first > last || by < 1) {
      return undefined;
    }
    for (let one = first; one <= last; one += by) found.add(one);
  }
  return found.size === 0 ? undefined : [...found].toSorted((a, b) => a - b);
}

/** Days that are looked at: 29 February comes at least every eight years. */
const horizonDays = 8 * 366 + 1;

/** The first time after `afterMs` (milliseconds since 1970) that is due. */
export function nextTime(calendar: Calendar, afterMs: number, zone: string): number | undefined {
  // Where the clock skips midnight, a time of the day before lies in this one.
  let date = dateAt(afterMs, zone).subtract({ days: 1 });
  for (let day = 0; day <= horizonDays; day++) {
    if (isDueOn(calendar, date)) {
      for (const time of timesOn(calendar, date, zone)) if (time > afterMs) return time;
    }
    date = calendar.months.has(date.month) ? date.add({ days: 1 }) : date.with({ day: 1 }).add({ months: 1 });
  }
  return undefined;
}

/** The last time at or before `untilMs` that is due. */
export function lastTime(calendar: Calendar, untilMs: number, zone: string): number | undefined {
  let date = dateAt(untilMs, zone);
  for (let day = 0; day < horizonDays; day++) {
    if (isDueOn(calendar, date)) {
      const time = timesOn(calendar, date, zone).findLast((one) => one <= untilMs);
      if (time !== undefined) return time;
    }
    date = date.subtract({ days: calendar.months.has(date.month) ? 1 : date.day });
  }
  return undefined;
}

function dateAt(ms: number, zone: string): Temporal.PlainDate {
  return Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(zone).toPlainDate();
}

function isDueOn({ days, months, weekdays, dayRule }: Calendar, date: Temporal.PlainDate): boolean {
  if (!months.has(date.month)) return false;
  const [byDay, byWeekday] = [days.has(date.day), weekdays.has(date.dayOfWeek)];
  return dayRule === "either" ? byDay || byWeekday : byDay && byWeekday;
}

/** In order, each once. */
function timesOn({ hours, minutes }: Calendar, date: Temporal.PlainDate, zone: string): readonly number[] {
  const begin = date.toZonedDateTime(zone).epochMilliseconds;
  const end = date.add({ days: 1 }).toZonedDateTime(zone).epochMilliseconds;
  if (end - begin === 24 * 3_600_000) {
    // An ordinary day, on which the clock is not changed.
    return hours.flatMap((hour) => minutes.map((minute) => begin + (hour * 60 + minute) * 60_000));
  }
  const everyHour = hours.length === 24;
  const found: number[] = [];
  for (const hour of hours) {
    for (const minute of minutes) {
      const wall = date.toPlainDateTime({ hour, minute });
      const first = wall.toZonedDateTime(zone, { disambiguation: everyHour ? "earlier" : "compatible" });
      if (!everyHour) {
        found.push(first.epochMilliseconds);
        continue;
      }
      if (!first.toPlainDateTime().equals(wall)) continue; // the hour that is left out
      const second = wall.toZonedDateTime(zone, { disambiguation: "later" });
      found.push(first.epochMilliseconds, second.epochMilliseconds);
    }
  }
  return [...new Set(found)].toSorted((a, b) => a - b);
}
