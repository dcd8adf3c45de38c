/** The range that four-digit years give. Times outside are moved to its ends, as restic does. */
const earliestNs = -62_167_219_200_000_000_000n;
const latestNs = 253_402_300_799_999_999_999n;

/**
 * Nanoseconds since 1970 as Go's `RFC3339Nano` in UTC: a fraction of up to nine digits without trailing zeros, then
 * `Z`. One form for one moment, since a tree's id depends on it.
 */
export function formatTime(ns: bigint): string {
  const clamped = ns < earliestNs ? earliestNs : ns > latestNs ? latestNs : ns;
  let seconds = Number(clamped / 1_000_000_000n);
  let rest = Number(clamped % 1_000_000_000n);
  if (rest < 0) {
    rest += 1_000_000_000;
    seconds -= 1;
  }
  const whole = new Date(seconds * 1000).toISOString().slice(0, 19);
  if (rest === 0) return `${whole}Z`;
  let fraction = String(rest).padStart(9, "0");
  let end = 9;
  while (fraction.charCodeAt(end - 1) === 48) end -= 1;
  if (end < 9) fraction = fraction.slice(0, end);
  return `${whole}.${fraction}Z`;
}

const form =
  /^(\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)(?:\.(\d{1,9})\d*)?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))$/;

/** Nanoseconds since 1970 of an RFC 3339 time, whose zone must be there; `undefined` for anything else. */
export function parseTime(text: string): bigint | undefined {
  const match = form.exec(text);
  if (match === null || !dayExists(text)) return undefined;
  const [, whole, fraction = "", sign, hours = "0", minutes = "0"] = match;
  const milliseconds = Date.parse(`${whole ?? ""}Z`);
  const offsetMinutes = (Number(hours) * 60 + Number(minutes)) * (sign === "-" ? -1 : 1);
  const seconds = BigInt(milliseconds / 1000 - offsetMinutes * 60);
  return seconds * 1_000_000_000n + BigInt(fraction.padEnd(9, "0"));
}

/** Whether `parseTime` would give a moment; cheaper. */
export function isTime(text: string): boolean {
  return form.test(text) && dayExists(text);
}

/** Refuses the 31st of April and the 29th of February outside leap years. */
function dayExists(text: string): boolean {
  const day = Number(text.slice(8, 10));
  if (day <= 28) return true;
  const date = new Date(0);
  date.setUTCFullYear(Number(text.slice(0, 4)), Number(text.slice(5, 7)) - 1, day);
  return date.getUTCDate() === day;
}
