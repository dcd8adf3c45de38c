import { HoldfastError } from "../lib/errors.ts";

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const letterN = 0x6e;

/** Values of hexadecimal digits as restic writes them, lower case; 255 for any other byte. */
const hexValue = new Uint8Array(256).fill(255);
for (let digit = 0; digit < 16; digit++) hexValue[digit.toString(16).charCodeAt(0)] = digit;

/**
 * A cursor over JSON as bytes, for documents of many megabytes of which only ids and numbers are wanted: nothing is
 * made of what it passes over. Strings are taken as they stand, so it knows neither escapes nor characters. What cannot
 * be understood is `repository-damaged`, with the reason that it was given.
 */
export class JsonScan {
  readonly #bytes: Uint8Array;
  readonly #reason: string;
  #at = 0;
  /** Where the last string lies, without its quotes. */
  #start = 0;
  #end = 0;

  constructor(bytes: Uint8Array, reason: string) {
    this.#bytes = bytes;
    this.#reason = reason;
  }

  /** Where the cursor stands; to be set to where it stood before. */
  get at(): number {
    return this.#at;
  }

  set at(at: number) {
    this.#at = at;
  }

  /** Each member of an object; `member` takes the value that follows its key. */
  object(member: () => void): void {
    this.#expect(openBrace);
    if (this.#passed(closeBrace)) return;
    do {
      this.#string();
      this.#expect(colon);
      member();
    } while (this.#another(closeBrace));
  }

  /** Each item of a list; `null` counts as an empty one, as it does for Go. */
  list(item: () => void): void {
    if (this.isNull()) return;
    this.#expect(openBracket);
    if (this.#passed(closeBracket)) return;
    do item();
    while (this.#another(closeBracket));
  }

  /** Whether the last key or text was exactly this. One that is written with escapes is not: nobody writes these so. */
  was(text: Uint8Array): boolean {
    if (this.#end - this.#start !== text.length) return false;
    for (let index = 0; index < text.length; index++) {
      if (this.#bytes[this.#start + index] !== text[index]) return false;
    }
    return true;
  }

  /** Takes a text, for `was`. */
  text(): void {
    this.#string();
  }

  /** Takes an id into `target`, 32 bytes. */
  id(target: Uint8Array): void {
    this.#expect(quote);
    const bytes = this.#bytes;
    let at = this.#at;
    let wrong = 0;
    for (let index = 0; index < 32; index++, at += 2) {
      const high = hexValue[bytes[at] ?? 0] ?? 255;
      const low = hexValue[bytes[at + 1] ?? 0] ?? 255;
      wrong |= high | low;
      target[index] = (high << 4) | low;
    }
    if (wrong > 15 || bytes[at] !== quote) throw this.damaged();
    this.#at = at + 1;
  }

  /** Takes a whole number from 0 to 2^32-1. */
  uint32(): number {
    let value = 0;
    const start = this.#peek() < 0 ? 0 : this.#at;
    for (; ; this.#at++) {
      const digit = (this.#bytes[this.#at] ?? 0) - 0x30;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
      if (value > 0xffff_ffff) throw this.damaged();
    }
    const next = this.#bytes[this.#at] ?? 0;
    // A fraction or an exponent.
    if (this.#at === start || next === 0x2e || next === 0x65 || next === 0x45) throw this.damaged();
    return value;
  }

  /** Takes `null`, if it stands here. */
  isNull(): boolean {
    if (this.#peek() !== letterN) return false;
    this.skip();
    return true;
  }

  /** Any value that is of no interest here; brackets are only counted. */
  skip(): void {
    let depth = 0;
    for (;;) {
      const next = this.#peek();
      if (next === quote) this.#string();
      else if (next === openBrace || next === openBracket) {
        depth++;
        this.#at++;
      } else if (next === closeBrace || next === closeBracket) {
        depth--;
        this.#at++;
      } else if (depth > 0 && (next === comma || next === colon)) this.#at++;
      else this.#skipPlain();
      if (depth < 0) throw this.damaged();
      if (depth === 0) return;
    }
  }

  /** A number, true, false or null. */
  #skipPlain(): void {
    const bytes = this.#bytes;
    const start = this.#at;
    for (; ; this.#at++) {
      const byte = bytes[this.#at] ?? 0;
      const isDigit = byte >= 0x30 && byte <= 0x39;
      const isLetter = (byte >= 0x61 && byte <= 0x7a) || byte === 0x45;
      if (!isDigit && !isLetter && byte !== 0x2b && byte !== 0x2d && byte !== 0x2e) break;
    }
    if (this.#at === start) throw this.damaged();
  }

  /** After a member of a list or an object: whether a comma follows, or its end. */
  #another(end: number): boolean {
    const next = this.#peek();
    this.#at++;
    if (next === comma) return true;
    if (next === end) return false;
    throw this.damaged();
  }

  #string(): void {
    this.#expect(quote);
    const bytes = this.#bytes;
    let at = this.#at;
    this.#start = at;
    for (; ; at++) {
      const byte = bytes[at];
      if (byte === quote) break;
      if (byte === backslash) at++;
      else if (byte === undefined) throw this.damaged();
    }
    this.#end = at;
    this.#at = at + 1;
  }

  /** Takes the end of something that has nothing in it, if it stands here. */
  #passed(end: number): boolean {
    if (this.#peek() !== end) return false;
    this.#at++;
    return true;
  }

  #expect(byte: number): void {
    if (this.#peek() !== byte) throw this.damaged();
    this.#at++;
  }

  /** The next byte that is no white space; -1 at the end. */
  #peek(): number {
    for (; ; this.#at++) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) return -1;
      if (byte > 0x20) return byte;
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) throw this.damaged();
    }
  }

  /** Nothing but white space may follow. */
  end(): void {
    if (this.#peek() !== -1) throw this.damaged();
  }

  damaged(): HoldfastError {
    return new HoldfastError("repository-damaged", { reason: this.#reason });
  }
}
