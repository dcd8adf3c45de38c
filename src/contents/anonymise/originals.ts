import { hash } from "node:crypto";
import type { AnonymiseKind } from "../../lib/anonymise-kinds.ts";

/**
 * Values that were to go, as 48 bits of their hashes. A text is searched for those that tell somebody by themselves: mail
 * addresses, numbers of seven digits and more, names of two words or three Chinese characters, and any other value of eight
 * characters that a field holds as a whole.
 */
export class Originals {
  readonly #telling = new Set<number>();
  readonly #made = new Set<number>();

  add(kind: AnonymiseKind, text: string): void {
    for (const email of emailsIn(text)) this.#telling.add(sign(email));
    if (kind === "phone") for (const number of numbersIn(text)) this.#telling.add(sign(number));
    const value = plain(text);
    if (kind === "date" || kind === "place" || kind === "code" || value.length > 200) return;
    const isTelling = (kind === "name" && isWhole(value)) || (value.length >= 8 && kind !== "url");
    if (isTelling) this.#telling.add(sign(value));
  }

  addMade(text: string): void {
    this.#made.add(sign(text));
  }

  /** Whether a value of a column that is anonymised is what was put there. */
  isMade(text: string): boolean {
    return text.trim() === "" || this.#made.has(sign(text)) || this.#made.has(sign(text.trimEnd()));
  }

  /** Whether a text has any of what was to go. */
  isIn(text: string): boolean {
    if (text.length < 3) return false;
    const value = plain(text);
    const has = (part: string): boolean => this.#telling.has(sign(part));
    if (has(value)) return true;
    if (emailsIn(text).some(has) || numbersIn(text).some(has)) return true;
    const words = value.split(/[^\p{L}\p{N}'’-]+/u).filter((word) => word !== "");
    for (let from = 0; from < words.length; from++) {
      for (let count = 2; count <= 4 && from + count <= words.length; count++) {
        if (has(words.slice(from, from + count).join(" "))) return true;
      }
    }
    return false;
  }
}

function plain(text: string): string {
  return text.trim().toLowerCase().replaceAll(/\s+/g, " ");
}

function isWhole(value: string): boolean {
  return /\p{L}{2,} \p{L}{2,}/u.test(value) || /^\p{Script=Han}{3,}$/u.test(value);
}

function emailsIn(text: string): readonly string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}._%+-]+@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+/gu) ?? [];
}

/** Numbers of at least seven digits, whatever stands between these. */
function numbersIn(text: string): readonly string[] {
  const found = text.match(/\d(?:[ ()./-]{0,2}\d){6,}/g) ?? [];
  return found.map((number) => number.replaceAll(/\D/g, ""));
}

function sign(text: string): number {
  return hash("sha1", text, "buffer").readUIntBE(0, 6);
}
