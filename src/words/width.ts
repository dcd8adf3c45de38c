/**
 * How many columns a text takes on a terminal. Chinese, Japanese and Korean characters and emoji take two (East Asian
 * Width W and F, Unicode 16), combining marks and format characters none. Ambiguous ones count as one, as terminals
 * draw them outside East Asian locales, and as a table needs that is read under any.
 */
const wide: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4dc0, 0x4dff],
  [0x4e00, 0x9fff],
  [0xa000, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6f],
  [0xff01, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x18dff],
  [0x1aff0, 0x1b2ff],
  [0x1d300, 0x1d37f],
  [0x1f200, 0x1f2ff],
  [0x20000, 0x3fffd],
];

const plain = /^[\x20-\x7e]*$/;
const nothing = /^[\p{Mn}\p{Me}\p{Cf}\p{Cc}\u1160-\u11ff\u200b]$/u;
const emoji = /^\p{Emoji_Presentation}$/u;

export function displayWidth(text: string): number {
  if (plain.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

function characterWidth(character: string): number {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x7f) return code < 0x20 ? 0 : 1;
  if (nothing.test(character)) return 0;
  if (code < 0x1100) return 1;
  return wide.some(([first, last]) => code >= first && code <= last) || emoji.test(character) ? 2 : 1;
}

export function padEnd(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - displayWidth(text)));
}

export function padStart(text: string, width: number): string {
  return " ".repeat(Math.max(0, width - displayWidth(text))) + text;
}

/** The text, or its beginning and `…`, in at most `width` columns. */
export function truncate(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let kept = "";
  let used = 0;
  for (const character of text) {
    const next = characterWidth(character);
    if (used + next > width - 1) break;
    kept += character;
    used += next;
  }
  return `${kept}…`;
}

/** Chinese may go on in the next line between any two characters, but no line begins with a stop or ends with a bracket. */
const piece = /\s*(?:[（“]*(?:\p{Script=Han}|[^\s\p{Script=Han}（“，。；：、！？）”]+)[，。；：、！？）”]*|\S)/gu;

/** The text in lines of at most `width` columns, as far as single words let it. */
export function wrap(text: string, width: number): string {
  const lines: string[] = [];
  let line = "";
  for (const [next] of text.matchAll(piece)) {
    if (line !== "" && displayWidth(line) + displayWidth(next) > width) {
      lines.push(line);
      line = next.trimStart();
    } else {
      line += next;
    }
  }
  return [...lines, line].join("\n");
}
