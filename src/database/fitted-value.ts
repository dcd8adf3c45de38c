import type { ColumnSchema } from "./database.ts";

/**
 * `DatabaseEngine.fitted` of a server that holds to the types of its columns: as many places as they have, a time with
 * every date. What would have to be cut or rounded does not fit; but what has 32 bits is never exact, and holds what is nearest.
 */
export function fittedValue(text: string, { type }: Pick<ColumnSchema, "type">): string | undefined {
  const { word = "", size, scale } = typePattern.exec(type)?.groups ?? {};
  if (/^(?:numeric|decimal)$/.test(word)) return size === undefined ? text : withPlaces(text, Number(scale ?? 0));
  if (word === "double") return asFloat(text, scale);
  if (word === "float") return singleOf(asFloat(text, scale, "any"), String);
  if (word === "real") return singleOf(asFloat(text, scale, "any"), asReal);
  if (/^(?:tiny|small|medium|big)?int(?:eger)?$/.test(word)) return asInteger(text);
  if (/^boolean$/.test(word)) return { "1": "t", "0": "f", true: "t", false: "f" }[text] ?? text;
  if (/^(?:datetime|timestamp)$/.test(word)) return withTime(text, type.includes("with time zone") ? "zone" : "none");
  if (word === "date") return withoutTime(text);
  const isLimited = /^(?:varchar|char|character)$/.test(word) && size !== undefined;
  return isLimited && Array.from(text).length > Number(size) ? undefined : text;
}

const typePattern = /^(?<word>[a-z]+)(?: varying| precision)?(?:\((?<size>\d+)(?:,\s*(?<scale>\d+))?\))?/i;

function withPlaces(text: string, places: number): string | undefined {
  const [, whole, part = ""] = /^(-?\d+)(?:\.(\d+))?$/.exec(text) ?? [];
  if (whole === undefined) return text;
  const rest = part.slice(places);
  if (/[^0]/.test(rest)) return undefined;
  return places === 0 ? whole : `${whole}.${part.slice(0, places).padEnd(places, "0")}`;
}

/** As short as can be, whatever places the column has: so lines hold it. */
function asFloat(text: string, scale: string | undefined, digits?: "any"): string | undefined {
  const fitted = scale === undefined ? text : withPlaces(text, Number(scale));
  if (fitted === undefined || !/^-?\d+(?:\.\d+)?$/.test(fitted)) return fitted;
  const short = fitted.includes(".") ? fitted.replace(/\.?0+$/, "") : fitted;
  const isExact =
    digits === "any" || short.replaceAll(/\D/g, "").length <= exactDigits || String(Number(short)) === short;
  return isExact ? short : undefined;
}

/**
 * What 32 bits make of a number, as lines hold it: MariaDB's FLOAT as the 64-bit number that it is. Very large and very small ones, which
 * servers write with an exponent, each in its own way, are left as they are.
 */
function singleOf(text: string | undefined, written: (single: number) => string): string | undefined {
  if (text === undefined || !/^-?\d+(?:\.\d+)?$/.test(text)) return text;
  const single = Math.fround(Number(text));
  const size = Math.abs(single);
  return size !== 0 && (size < 1e-4 || size >= 1e14) ? text : written(single);
}

/** PostgreSQL's: the shortest that makes the same 32 bits, with an exponent from a million on. */
function asReal(single: number): string {
  let digits = 1;
  while (Math.fround(Number(single.toPrecision(digits))) !== single) digits++;
  if (Math.abs(single) < 1e6) return String(Number(single.toPrecision(digits)));
  return single.toExponential(digits - 1).replace(/(?<=e\+)(?=\d$)/, "0");
}

/** So many digits every 64-bit number keeps. */
const exactDigits = 15;

function asInteger(text: string): string | undefined {
  if (/^(?:t|true)$/.test(text)) return "1";
  if (/^(?:f|false)$/.test(text)) return "0";
  const [, whole] = /^([-+]?\d+)(?:\.0*)?$/.exec(text) ?? [];
  return whole === undefined ? undefined : String(BigInt(whole));
}

const dateOnly = /^\d{4,}-\d\d-\d\d$/;

/** A date alone is midnight; in a zone of its own that says nothing, the server decides. */
function withTime(text: string, zone: "zone" | "none"): string {
  return zone === "none" && dateOnly.test(text) ? `${text} 00:00:00` : text;
}

function withoutTime(text: string): string | undefined {
  const [, date] = /^(\d{4,}-\d\d-\d\d)(?:[ T]00:00:00(?:\.0+)?)?$/.exec(text) ?? [];
  return date;
}
