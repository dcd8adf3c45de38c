import type { ByteName } from "../lib/byte-name.ts";
import { isPlain } from "./go-json.ts";

/**
 * A node's name in a tree is what Go's `strconv.Quote` makes of its bytes, without the outer quotes: printable
 * characters stand as themselves, bytes that are not UTF-8 become `\xHH`, everything else a Go escape. The result is
 * then a JSON string value like any other.
 */
export function quoteName(name: ByteName): string {
  if (isPlain(name)) return name;
  const quoted: string[] = [];
  for (let at = 0; at < name.length;) {
    const length = sequenceLength(name, at);
    if (length === 0) {
      quoted.push(`\\x${hex(name.charCodeAt(at), 2)}`);
      at += 1;
      continue;
    }
    const character = Buffer.from(name.slice(at, at + length), "latin1").toString("utf8");
    quoted.push(quoteCharacter(character));
    at += length;
  }
  return quoted.join("");
}

/** The bytes of a quoted name; `undefined` for what no quoting gives. */
export function unquoteName(quoted: string): ByteName | undefined {
  if (isPlain(quoted)) return quoted as ByteName;
  if (/["\n]/.test(quoted.replace(/\\[^]/g, ""))) return undefined;
  const parts: string[] = [];
  let last = 0;
  for (const match of quoted.matchAll(escapes)) {
    parts.push(bytesOf(quoted.slice(last, match.index)));
    const bytes = unescape(match[0]);
    if (bytes === undefined) return undefined;
    parts.push(bytes);
    last = match.index + match[0].length;
  }
  parts.push(bytesOf(quoted.slice(last)));
  return parts.join("") as ByteName;
}

/** Go's `unicode.IsPrint`: letters, marks, numbers, punctuation, symbols and the ASCII space. */
const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;
const escapes = /\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|[^]?)/gu;
const controls: Readonly<Record<string, string>> = {
  "\x07": "a",
  "\b": "b",
  "\f": "f",
  "\n": "n",
  "\r": "r",
  "\t": "t",
  "\v": "v",
};
const controlsBack: Readonly<Record<string, string>> = {
  ...Object.fromEntries(Object.entries(controls).map(([control, letter]) => [letter, control])),
  '"': '"',
  "'": "'",
  "\\": "\\",
};

function quoteCharacter(character: string): string {
  if (character === '"' || character === "\\") return `\\${character}`;
  if (printable.test(character)) return character;
  const control = controls[character];
  if (control !== undefined) return `\\${control}`;
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20 || code === 0x7f) return `\\x${hex(code, 2)}`;
  return code < 0x1_0000 ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`;
}

function unescape(escape: string): string | undefined {
  const kind = escape[1] ?? "";
  if (escape.length === 2) return controlsBack[kind];
  if (kind === "x") return String.fromCharCode(Number.parseInt(escape.slice(2), 16));
  if (kind === "u" || kind === "U") {
    const code = Number.parseInt(escape.slice(2), 16);
    const valid = code <= 0x10_ffff && (code < 0xd800 || code > 0xdfff);
    return valid ? bytesOf(String.fromCodePoint(code)) : undefined;
  }
  if (escape.length !== 4) return undefined;
  const byte = Number.parseInt(escape.slice(1), 8);
  return byte <= 255 ? String.fromCharCode(byte) : undefined;
}

/** UTF-8 as one character a byte. */
function bytesOf(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** Bytes of the valid UTF-8 sequence that starts here, or 0: no overlong forms, no surrogates, at most U+10FFFF. */
function sequenceLength(bytes: string, at: number): number {
  const first = bytes.charCodeAt(at);
  if (first < 0x80) return 1;
  const length = first >= 0xc2 && first <= 0xdf ? 2 : first >= 0xe0 && first <= 0xef ? 3 : first <= 0xf4 ? 4 : 0;
  if (first < 0xc2 || length === 0 || at + length > bytes.length) return 0;
  const second = bytes.charCodeAt(at + 1);
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (second < low || second > high) return 0;
  for (let next = at + 2; next < at + length; next++) {
    const byte = bytes.charCodeAt(next);
    if (byte < 0x80 || byte > 0xbf) return 0;
  }
  return length;
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, "0");
}
