import { createHmac } from "node:crypto";
import type { AnonymiseKind } from "../../lib/anonymise-kinds.ts";

/** Of a value as a whole. */
type ValueKind = Exclude<AnonymiseKind, "mentions">;

/**
 * What is written in place of a value: always the same for the same value and secret, so that rows that were equal stay
 * equal and those that differed differ; of the same form, so that the CRM takes it; and not to be turned back without the
 * secret. `undefined`: nothing. `most`: characters that the column holds.
 */
export function pseudonym(kind: ValueKind, value: string, secret: Buffer, most = Infinity): string | undefined {
  const text = value.trim();
  if (text === "" || kind === "keep") return value;
  if (kind === "empty") return undefined;
  if (kind === "text") return cut("[anonymised]", most);
  const bytes = createHmac("sha256", secret).update(`${kind}\0${text}`).digest();
  const made = make(kind, text, bytes, most);
  return made === undefined ? undefined : cut(made, most);
}

function make(kind: ValueKind, text: string, bytes: Buffer, most: number): string | undefined {
  switch (kind) {
    case "email":
      // Contact mechanisms hold numbers as well.
      if (isNumber.test(text)) return digits(text, bytes);
      return `p${bytes.toString("hex").slice(0, Math.max(4, Math.min(16, most - 13)))}@example.org`;
    case "phone":
      return /\d/.test(text) ? digits(text, bytes) : digits("0000000", bytes);
    case "code":
      return sameForm(text, bytes);
    case "address":
      return `${1 + ((bytes[0] ?? 0) % 200)} ${name(text, bytes.subarray(1), 1)}`;
    case "place":
      return name(text, bytes, 1);
    case "url":
      return `https://example.org/${bytes.toString("hex").slice(0, 16)}`;
    case "date":
      return firstOfYear(text);
    default:
      return name(text, bytes, Math.min(3, text.split(/\s+/).length));
  }
}

const consonants = "bdfgklmnprstvzjw";
const vowels = "aeio";
const han =
  "安白百北成春大东方飞风高光广国海和红华江金景静君开兰乐立林龙明木宁平青清泉仁如山书水思天田文西小新星雪阳一永玉元月云长正之中竹子";
const isNumber = /^[+(]?\d[\d ()./-]{4,}$/;
const isHan = /\p{Script=Han}/u;

/**
 * A name that nobody has, of six syllables in all, or of as many characters as the value where it is Chinese, but at least six: with fewer,
 * some of twenty thousand people would be called like others.
 */
function name(text: string, bytes: Buffer, words: number): string {
  if (isHan.test(text)) {
    const signs = Array.from(han);
    const length = Math.min(12, Math.max(6, Array.from(text).length));
    return Array.from({ length }, (_, at) => signs[(bytes[at] ?? 0) % signs.length] ?? "").join("");
  }
  const syllables = Array.from({ length: 6 }, (_, at) => {
    const byte = bytes[at] ?? 0;
    return `${consonants[byte & 15] ?? ""}${vowels[(byte >> 4) & 3] ?? ""}`;
  });
  const each = 6 / words;
  return Array.from({ length: words }, (_, at) => syllables.slice(at * each, (at + 1) * each).join(""))
    .map((word) => `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`)
    .join(" ");
}

/** Other digits in the places of the digits. */
function digits(text: string, bytes: Buffer): string {
  let at = 0;
  const made = text.replaceAll(/\d/g, (digit) => {
    const byte = bytes[at % bytes.length] ?? 0;
    // A number stays as long as it is: no 0 comes before it, and one that is there stays.
    if (at++ === 0) return digit === "0" ? digit : String(1 + (byte % 9));
    return String(byte % 10);
  });
  // One that came out as it was is another one in its last digit.
  return made === text ? made.replace(/\d(?=\D*$)/, (digit) => String((Number(digit) + 1) % 10)) : made;
}

/** Letters for letters, digits for digits. */
function sameForm(text: string, bytes: Buffer): string {
  let at = 0;
  const next = (): number => bytes[at++ % bytes.length] ?? 0;
  const made = text.replaceAll(/[a-z]|[A-Z]|\d/g, (sign) => {
    if (/\d/.test(sign)) return String(next() % 10);
    return String.fromCharCode((/[a-z]/.test(sign) ? 97 : 65) + (next() % 26));
  });
  return made === text ? name(text, bytes, 1) : made;
}

/** A date of birth keeps its year, and what follows the date its form. */
function firstOfYear(text: string): string | undefined {
  const found = /^(\d{4})-\d\d-\d\d(.*)$/s.exec(text);
  return found ? `${found[1]}-01-01${(found[2] ?? "").replaceAll(/\d/g, "0")}` : undefined;
}

/** To as many characters as a column holds. */
export function cut(text: string, most: number): string {
  return text.length <= most ? text : Array.from(text).slice(0, most).join("");
}
