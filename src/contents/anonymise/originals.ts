import type { AnonymiseKind } from "../../lib/anonymise-kinds.ts";
import { Signs } from "./signs.ts";
import { wordsIn, type Word } from "./words-in.ts";

/** Where in a text somebody is named, and by what. */
interface Mention {
  readonly from: number;
  readonly to: number;
  readonly kind: "name" | "email" | "phone" | "address";
}

/** `telling`: what tells somebody by itself. `every`: single words that are somebody's name, and mail addresses of whomever too. */
type Depth = "telling" | "every";

const longestPhrase = 8;
const longestHan = 12;
const longText = 24;

/**
 * Values that were to go. What tells somebody by itself, wherever it stands: mail addresses,
 * numbers of seven digits and more, names of two words or three Chinese characters, addresses. What does so only as the
 * whole of a value: a longer word that is written as a name is, and a long text. An everyday word is neither, though it be
 * somebody's name.
 */
export class Originals {
  /** In small letters, words joined by a space. */
  readonly #telling = new Signs();
  /** The words that these begin with, and the first two characters of Chinese ones. */
  readonly #beginnings = new Signs();
  /** Names of one word, as they are written. */
  readonly #words = new Signs();
  readonly #whole = new Signs();
  readonly #made = new Signs();

  add(kind: AnonymiseKind, text: string): void {
    for (const [email] of emailsIn(text)) this.#telling.add(email.toLowerCase());
    if (kind === "phone" || (kind === "email" && !text.includes("@")))
      for (const [number] of numbersIn(text)) this.#telling.add(digitsOf(number));
    if (kind === "text" && text.length >= longText) this.#whole.add(plain(text));
    if (kind !== "name" && kind !== "address") return;
    const words = wordsIn(text);
    const [first] = words;
    if (first === undefined || text.length > 200) return;
    const phrase = phraseOf(words);
    if (words.length > 1) {
      const isLong = phrase.length >= 8 && /\p{L}{3}/u.test(phrase);
      const tells = kind === "name" ? isLong || /\p{L}{2}.* .*\p{L}{2}/u.test(phrase) : isLong && /\d/.test(phrase);
      if (tells && words.length <= longestPhrase) this.#addPhrase(phrase, first.text.toLowerCase());
      else if (text.length >= 8) this.#whole.add(plain(text));
    } else if (kind === "name") this.#addWord(first.text);
  }

  addMade(text: string): void {
    this.#made.add(text);
  }

  /** Whether a value of a column that is anonymised is what was put there. */
  isMade(text: string): boolean {
    return text.trim() === "" || this.#made.has(text) || this.#made.has(text.trimEnd());
  }

  /** Whether a text has any of what was to go. */
  isIn(text: string): boolean {
    if (text.length < 3) return false;
    if (this.#whole.has(plain(text)) || this.#whole.has(text.trim())) return true;
    return this.#mentions(expanded(text), "telling").length > 0;
  }

  /** Whether a text names anybody still, after `replaced`. */
  isNamedIn(text: string): boolean {
    const found = expanded(text);
    return this.#mentions(found, "telling").some(({ from, to }) => !this.#made.has(found.slice(from, to)));
  }

  /** A text with something else in place of whoever is named in it. */
  replaced(text: string, make: (kind: Mention["kind"], part: string) => string): string {
    const found = expanded(text);
    const mentions = this.#mentions(found, "every");
    if (mentions.length === 0) return text;
    let [made, at] = ["", 0];
    for (const { from, to, kind } of mentions) {
      const part = make(kind, found.slice(from, to));
      this.addMade(part);
      made += found.slice(at, from) + part;
      at = to;
    }
    return made + found.slice(at);
  }

  #addPhrase(phrase: string, first: string): void {
    this.#telling.add(phrase);
    this.#beginnings.add(isHan.test(first) ? first.slice(0, 2) : first);
  }

  #addWord(word: string): void {
    const length = Array.from(word).length;
    if (/^\p{Script=Han}+$/u.test(word)) {
      if (length >= 3) this.#telling.add(word);
      if (length >= 2) this.#words.add(word);
      this.#beginnings.add(word.slice(0, 2));
    } else if (/^\p{Lu}|\d/u.test(word)) {
      if (length >= 4) this.#words.add(word);
      if (length >= 8) this.#whole.add(word);
    }
  }

  /** In the order of the text; none of them overlap. */
  #mentions(text: string, depth: Depth): readonly Mention[] {
    const found: Mention[] = [];
    for (const { 0: email, index } of emailsIn(text)) {
      const isKnown = depth === "every" || this.#telling.has(email.toLowerCase());
      if (isKnown) found.push({ from: index, to: index + email.length, kind: "email" });
    }
    for (const { 0: number, index } of numbersIn(text)) {
      if (this.#telling.has(digitsOf(number))) {
        found.push({ from: index, to: index + number.length, kind: "phone" });
      }
    }
    const words = wordsIn(text);
    for (let at = 0; at < words.length;) at += this.#namedAt(words, at, depth, found);
    let end = 0;
    return found
      .toSorted((a, b) => a.from - b.from || b.to - a.to)
      .filter(({ from, to }) => {
        if (from < end) return false;
        end = to;
        return true;
      });
  }

  /** Notes what begins with this word, and says how many words it took. */
  #namedAt(words: readonly Word[], at: number, depth: Depth, found: Mention[]): number {
    const [word] = words.slice(at, at + 1);
    if (word === undefined) return 1;
    const { text, from } = word;
    const small = text.toLowerCase();
    if (this.#beginnings.has(isHan.test(small) ? small.slice(0, 2) : small)) {
      for (let count = Math.min(longestPhrase, words.length - at); count > 1; count--) {
        const some = words.slice(at, at + count);
        if (!this.#telling.has(phraseOf(some))) continue;
        found.push({ from, to: some.at(-1)?.to ?? from, kind: /^\d/.test(text) ? "address" : "name" });
        return count;
      }
    }
    if (isHan.test(text)) this.#hanIn(word, depth, found);
    else if (depth === "every" && !word.isCode && this.#words.has(text)) {
      found.push({ from, to: word.to, kind: "name" });
    }
    return 1;
  }

  /** Nothing stands between the words of Chinese. */
  #hanIn({ text, from }: Word, depth: Depth, found: Mention[]): void {
    for (let at = 0; at < text.length - 1; at++) {
      if (!this.#beginnings.has(text.slice(at, at + 2))) continue;
      for (let length = Math.min(longestHan, text.length - at); length > 1; length--) {
        const part = text.slice(at, at + length);
        if (!this.#telling.has(part) && !(depth === "every" && this.#words.has(part))) continue;
        found.push({ from: from + at, to: from + at + length, kind: "name" });
        at += length - 1;
        break;
      }
    }
  }
}

const isHan = /\p{Script=Han}/u;

function phraseOf(words: readonly Word[]): string {
  return words.map(({ text }) => text.toLowerCase()).join(" ");
}

function plain(text: string): string {
  return text.trim().toLowerCase().replaceAll(/\s+/g, " ");
}

/** No space stands between an address and Chinese around it, and what comes before `@` has at most 64 characters. */
const email =
  /(?<![[\p{L}\p{N}._%+\-]--[\p{Script=Han}]])[[\p{L}\p{N}._%+\-]--[\p{Script=Han}]]{1,64}@[[\p{L}\p{N}\-]--[\p{Script=Han}]]+(?:\.[[\p{L}\p{N}\-]--[\p{Script=Han}]]+)+/gv;

function emailsIn(text: string) {
  return text.includes("@") ? text.matchAll(email) : [];
}

/** Numbers of at least seven digits, whatever stands between these. */
function numbersIn(text: string) {
  return text.matchAll(/\d(?:[ ()./-]{0,2}\d){6,}/g);
}

function digitsOf(number: string): string {
  return number.replaceAll(/\D/g, "");
}

const accents: Readonly<Record<string, string>> = {
  ...{ grave: "\u0300", acute: "\u0301", circ: "\u0302", tilde: "\u0303" },
  ...{ uml: "\u0308", ring: "\u030a", cedil: "\u0327" },
};

/**
 * Letters as they are where HTML, JSON (in JSON, in JSON) or an address of the web write them in another way, so that a name or a mail
 * address in it is found: what else they write so is left.
 */
function expanded(text: string): string {
  let found = text;
  if (found.includes("\\u")) {
    found = found.replaceAll(jsonEscape, (whole: string, high?: string, low?: string, one?: string) => {
      const code = high === undefined ? hex(one) : 0x10000 + ((hex(high) & 0x3ff) << 10) + (hex(low) & 0x3ff);
      return letterOr(whole, code);
    });
  }
  if (found.includes("%40")) found = found.replaceAll("%40", "@");
  if (!found.includes("&")) return found;
  return found
    .replaceAll(/&([A-Za-z])(grave|acute|circ|tilde|uml|ring|cedil);/g, (_, letter: string, accent: string) =>
      (letter + (accents[accent] ?? "")).normalize("NFC"),
    )
    .replaceAll(/&#(?:x([0-9a-f]{1,6})|(\d{1,7}));/gi, (whole: string, code?: string, decimal?: string) =>
      letterOr(whole, code === undefined ? Number(decimal) : hex(code)),
    )
    .replaceAll("&nbsp;", "\u00a0")
    .replaceAll("&szlig;", "ß")
    .replaceAll("&#039;", "'");
}

const jsonEscape = /\\{1,8}u(d[89ab][0-9a-f]{2})\\{1,8}u(d[c-f][0-9a-f]{2})|\\{1,8}u([0-9a-f]{4})/gi;

function hex(digits = ""): number {
  return Number.parseInt(digits, 16);
}

function letterOr(whole: string, code: number): string {
  const letter = code > 0x10ffff ? "" : String.fromCodePoint(code);
  return /^[\p{L}\p{N}\p{M}@]$/u.test(letter) ? letter : whole;
}
