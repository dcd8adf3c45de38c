import type { Language, Words } from "./words.ts";

export type Fact = string | number | bigint | undefined;
export type Facts = Readonly<Record<string, Fact>>;
export type Unit = keyof Words["units"];

/** Numbers, sizes, times and sentences as one language and one time zone write them. */
export interface Format {
  readonly language: Language;
  /** IANA name. */
  readonly zone: string;
  /** `1,240` */
  number(value: number | bigint): string;
  /** Powers of 1000, three digits: `1.24 MB`. */
  bytes(value: number | bigint): string;
  /** `3 files`, `1 file` */
  count(value: number, unit: Unit): string;
  /** Milliseconds: `0.4 s`, `3 min 20 s`, `2 h 5 min`. */
  duration(ms: number): string;
  /** To the second and always with its offset: `2026-03-12 14:00:05 +08:00`. */
  time(value: string | Date): string;
  /** A sentence of `words` with its facts; see `en.ts` for the placeholders. What is unknown becomes `?`. */
  fill(template: string, facts: Facts): string;
}

export function createFormat(words: Words, language: Language, zone: string): Format {
  // Made when first used: it takes milliseconds of a start, and help does not need it.
  let pluralRules: Intl.PluralRules | undefined;
  const plural = () => (pluralRules ??= new Intl.PluralRules(language));
  const format: Format = {
    language,
    zone,
    number: formatNumber,
    bytes: (value) => formatBytes(Number(value)),
    count: (value, unit) => {
      const forms = words.units[unit];
      return (plural().select(value) === "one" ? forms.one : forms.other).replace("{n}", formatNumber(value));
    },
    duration: formatDuration,
    time: (value) => formatTime(value, zone),
    fill: (template, facts) => fill(template, facts, words, format),
  };
  return format;
}

const byteUnits = ["B", "kB", "MB", "GB", "TB", "PB"];

/** English and Chinese write numbers alike. `Intl.NumberFormat` would take 30 ms of every start, a tenth of a small command. */
function formatNumber(value: number | bigint): string {
  return grouped(typeof value === "bigint" ? String(value) : value.toFixed(0));
}

/** A comma after each three digits of the whole part. */
function grouped(text: string): string {
  const [whole = "", ...fraction] = text.split(".");
  return [whole.replaceAll(/\B(?=(?:\d{3})+$)/g, ","), ...fraction].join(".");
}

function formatBytes(value: number): string {
  let size = value;
  let unit = 0;
  while (Math.abs(size) >= 999.5 && unit < byteUnits.length - 1) {
    size /= 1000;
    unit++;
  }
  const digits = unit === 0 || size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  return `${grouped(size.toFixed(digits))} ${byteUnits[unit]}`;
}

/** Unit signs, not words: the same in every language. */
function formatDuration(ms: number): string {
  if (ms < 9950) return `${(Math.max(0, ms) / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min${seconds % 60 ? ` ${seconds % 60} s` : ""}`;
  return `${Math.floor(minutes / 60)} h${minutes % 60 ? ` ${minutes % 60} min` : ""}`;
}

function formatTime(value: string | Date, zone: string): string {
  const instant = typeof value === "string" ? Date.parse(value) : value.getTime();
  if (Number.isNaN(instant)) return printable(String(value));
  const local = Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(zone);
  const two = (part: number) => String(part).padStart(2, "0");
  const date = `${String(local.year).padStart(4, "0")}-${two(local.month)}-${two(local.day)}`;
  return `${date} ${two(local.hour)}:${two(local.minute)}:${two(local.second)} ${local.offset}`;
}

const optionalPart = /\[\[(.*?)\]\]/gs;
const placeholder = /\{([A-Za-z]+)(?::([a-z]+))?\}/g;

function fill(template: string, facts: Facts, words: Words, format: Format): string {
  const known = (name: string) => facts[name] !== undefined && facts[name] !== "";
  const chosen = template.replace(optionalPart, (_all, part: string) =>
    [...part.matchAll(placeholder)].every(([, name = ""]) => known(name)) ? part : "",
  );
  return chosen.replace(placeholder, (_all, name: string, form: string | undefined) =>
    known(name) ? written(facts[name], form, words, format) : "?",
  );
}

function written(value: Fact, form: string | undefined, words: Words, format: Format): string {
  if (form === "time") return format.time(String(value));
  if (form === "bytes" && value !== undefined) return format.bytes(Number(value));
  if (form === "duration") return format.duration(Number(value));
  if (form !== undefined && Object.hasOwn(words.units, form)) return format.count(Number(value), form as Unit);
  return typeof value === "string" ? printable(value) : String(value);
}

/**
 * Text from outside (a file's name, a value of a row) as it may be shown: characters that steer a terminal or turn
 * the direction of writing become U+FFFD, so that a name cannot rewrite what stands around it.
 */
export function printable(text: string): string {
  return text.replace(steering, "\ufffd");
}

/** The same of a line of JSON, which has another way to write them: there may be a terminal behind it. */
export function printableJson(json: string): string {
  return json.replace(steering, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const steering = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Every placeholder of a template, sorted: what two languages must agree on. */
export function placeholdersOf(template: string): readonly string[] {
  return [...template.matchAll(placeholder)].map(([all]) => all).toSorted();
}
