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
  const made = make(kind, text, bytes, secret, most);
  return made === undefined ? undefined : cut(made, most);
}

function make(kind: ValueKind, text: string, bytes: Buffer, secret: Buffer, most: number): string | undefined {
  switch (kind) {
    case "email":
      // Contact mechanisms hold numbers as well.
      if (isNumber.test(text)) return digits(text, secret);
      return `p${bytes.toString("hex").slice(0, Math.max(4, Math.min(16, most - 13)))}@example.org`;
    case "phone":
      return /\d/.test(text) ? digits(text, secret) : `0${String(bytes.readUIntBE(0, 6) % 1_000_000).padStart(6, "0")}`;
    case "code":
      return sameForm(text, bytes, secret);
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

/** Other digits in the places of the digits, the same for the same digits, whatever stands between them. */
function digits(text: string, secret: Buffer): string {
  // A number stays as long as it is: no 0 comes before it, and one that is there stays.
  const [first = ""] = /\d/.exec(text) ?? [];
  const from = first === "0" ? text.indexOf(first) + 1 : 0;
  let rest = text.slice(from);
  do rest = permuted(rest, /\d/g, secret);
  while (from === 0 && /^\D*0/.test(rest));
  const made = text.slice(0, from) + rest;
  // One that came out as it was is another one in its last digit.
  return made === text ? made.replace(/\d(?=\D*$)/, (digit) => String((Number(digit) + 1) % 10)) : made;
}

/** Letters for letters, digits for digits. */
function sameForm(text: string, bytes: Buffer, secret: Buffer): string {
  const made = permuted(text, /[a-z]|[A-Z]|\d/g, secret);
  return made === text ? name(text, bytes, 1) : made;
}

const alphabets = ["0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"];

/**
 * Signs of the same kinds in the places of those that match. Of texts of one form no two become the same: half a million telephone
 * numbers drawn by lot would not all be different, and a column may hold each but once. A Feistel network of four rounds, of halves
 * that are numbers of mixed radix (Luby and Rackoff, 1988).
 */
function permuted(text: string, signs: RegExp, secret: Buffer): string {
  const all = Array.from(text.matchAll(signs), ([sign]) => {
    const alphabet = alphabets.find((one) => one.includes(sign)) ?? sign;
    return { alphabet, digit: alphabet.indexOf(sign) };
  });
  const form = all.map(({ alphabet }) => alphabet.slice(0, 1)).join("");
  const halves = [all.slice(0, all.length >> 1), all.slice(all.length >> 1)].map((half) => ({
    alphabets: half.map(({ alphabet }) => alphabet),
    size: half.reduce((size, { alphabet }) => size * BigInt(alphabet.length), 1n),
    value: half.reduce((value, { alphabet, digit }) => value * BigInt(alphabet.length) + BigInt(digit), 0n),
  }));
  const [left, right] = halves;
  if (!left || !right) return text;
  for (let round = 0; round < 4; round++) {
    const [from, to] = round % 2 === 0 ? [right, left] : [left, right];
    const told = createHmac("sha256", secret).update(`${form}\0${round}\0${from.value}`).digest("hex");
    to.value = (to.value + BigInt(`0x${told}`)) % to.size;
  }
  const made = halves.flatMap(({ alphabets: own, value }) => {
    let rest = value;
    const found = own.toReversed().map((alphabet) => {
      const sign = alphabet.charAt(Number(rest % BigInt(alphabet.length)));
      rest /= BigInt(alphabet.length);
      return sign;
    });
    return found.reverse();
  });
  let at = 0;
  return text.replaceAll(signs, () => made[at++] ?? "");
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
