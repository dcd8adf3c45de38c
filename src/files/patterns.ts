/**
 * Which files are meant: a subset of gitignore's patterns, on paths relative to the captured folder.
 *
 * - `*` is any run of characters without `/`, `?` one character, `[a-z]` one of a set, `[!a-z]` one not in it.
 * - A pattern without `/` (but at its end) matches a name at any depth: `*.tmp`, `node_modules`.
 * - A pattern with `/` at its start or inside starts at the captured folder: `/logs`, `data/cache`.
 * - A whole step of two stars is any number of folders: with `logs/` before it, all that `logs` holds; with `/a/b`
 *   after it, `a/b` anywhere.
 * - A `/` at the end means folders only. What matches is meant with all that it holds.
 * - `\` takes the next character as it is. There is no `!` that takes things back, and no comments.
 *
 * Names are bytes. Those that are UTF-8 are matched by character; a byte that is not counts as one character that no
 * pattern can name, but `*`, `?` and `[!…]` match it.
 */
import { isUtf8 } from "node:buffer";
import { nameFromText, type ByteName } from "../lib/byte-name.ts";

export interface PatternSet {
  readonly isEmpty: boolean;
  /** `path` is relative, without `/` at either end. */
  matches(path: ByteName, kind: "folder" | "other"): boolean;
  /** Whether something below this folder could match, which itself does not. */
  mayMatchBelow(folder: ByteName): boolean;
}

/** One character of a name that a pattern's character must accept. */
type Test = (character: number) => boolean;
type Step = { readonly literal: string } | Wildcard | "any-depth";

interface Wildcard {
  readonly tokens: readonly (Test | "star")[];
  /** ASCII that a name must begin with: most names are refused by it, without a look at their characters. */
  readonly prefix: string;
}

interface Pattern {
  readonly anchored: boolean;
  readonly foldersOnly: boolean;
  readonly steps: readonly Step[];
}

export function compilePatterns(texts: readonly string[]): PatternSet {
  const patterns = texts.map(compile).filter((pattern) => pattern !== undefined);
  const anchored = patterns.filter((pattern) => pattern.anchored);
  const anywhere = patterns.filter((pattern) => !pattern.anchored);
  const matchesAll = (pattern: Pattern, names: readonly string[], kind: "folder" | "other"): boolean =>
    (!pattern.foldersOnly || kind === "folder") && matchSteps(pattern.steps, names) === "whole";
  return {
    isEmpty: patterns.length === 0,
    matches(path, kind) {
      if (anywhere.length > 0) {
        const name = [path.slice(path.lastIndexOf("/") + 1)];
        if (anywhere.some((pattern) => matchesAll(pattern, name, kind))) return true;
      }
      if (anchored.length === 0) return false;
      const names = path.split("/");
      return anchored.some((pattern) => matchesAll(pattern, names, kind));
    },
    mayMatchBelow(folder) {
      const names = folder.split("/");
      return patterns.some((pattern) => !pattern.anchored || matchSteps(pattern.steps, names) !== "no");
    },
  };
}

function compile(text: string): Pattern | undefined {
  const foldersOnly = text.endsWith("/") && !text.endsWith("\\/");
  const body = text.replace(/^\/+/, "").replace(/\/+$/, "");
  if (body === "") return undefined;
  const steps = body.split(/\/+/).map(compileStep);
  return { anchored: text.startsWith("/") || steps.length > 1 || steps[0] === "any-depth", foldersOnly, steps };
}

function compileStep(text: string): Step {
  if (text === "**") return "any-depth";
  if (!/[*?[\\]/.test(text)) return { literal: nameFromText(text) };
  const characters = Array.from(text, (character) => character.codePointAt(0) ?? 0);
  const tokens: (Test | "star")[] = [];
  let at = 0;
  while (at < characters.length) {
    const character = characters[at] ?? 0;
    const set = character === codes.openBracket ? compileSet(characters, at) : undefined;
    if (set) {
      tokens.push(set.test);
      at = set.end;
    } else if (character === codes.star) {
      if (tokens.at(-1) !== "star") tokens.push("star");
      at += 1;
    } else if (character === codes.question) {
      tokens.push(() => true);
      at += 1;
    } else {
      const escaped = character === codes.backslash && at + 1 < characters.length;
      const wanted = escaped ? (characters[at + 1] ?? 0) : character;
      tokens.push((one) => one === wanted);
      at += escaped ? 2 : 1;
    }
  }
  return { tokens, prefix: /^[^*?[\\\u0080-\u{10ffff}]*/u.exec(text)?.[0] ?? "" };
}

const codes = {
  openBracket: 0x5b,
  closeBracket: 0x5d,
  bang: 0x21,
  caret: 0x5e,
  minus: 0x2d,
  star: 0x2a,
  question: 0x3f,
  backslash: 0x5c,
};

/** `[…]` from its bracket on; `undefined` when it is not closed: then the bracket is a character like any other. */
function compileSet(characters: readonly number[], start: number): { test: Test; end: number } | undefined {
  const negated = characters[start + 1] === codes.bang || characters[start + 1] === codes.caret;
  const first = start + (negated ? 2 : 1);
  const ranges: (readonly [number, number])[] = [];
  let at = first;
  while (at < characters.length && (characters[at] !== codes.closeBracket || at === first)) {
    const [from, afterFrom] = setCharacter(characters, at);
    if (characters[afterFrom] === codes.minus && characters[afterFrom + 1] !== codes.closeBracket) {
      const [to, afterTo] = setCharacter(characters, afterFrom + 1);
      ranges.push([from, to]);
      at = afterTo;
    } else {
      ranges.push([from, from]);
      at = afterFrom;
    }
  }
  if (at >= characters.length) return undefined;
  const test: Test = (one) => ranges.some(([from, to]) => one >= from && one <= to) !== negated;
  return { test, end: at + 1 };
}

function setCharacter(characters: readonly number[], at: number): readonly [number, number] {
  const escaped = characters[at] === codes.backslash && at + 1 < characters.length;
  return escaped ? [characters[at + 1] ?? 0, at + 2] : [characters[at] ?? 0, at + 1];
}

/**
 * `whole`: the names match all steps. `below`: they match so far, and names that follow could make it whole. A later
 * `any-depth` may take over whatever an earlier one could, so only the last one is ever tried again: the time is the
 * product of both lengths at most.
 */
function matchSteps(steps: readonly Step[], names: readonly string[]): "whole" | "below" | "no" {
  let step = 0;
  let name = 0;
  let retryStep = -1;
  let retryName = 0;
  while (name < names.length) {
    const wanted = steps[step];
    if (wanted === "any-depth") {
      // at the end of a pattern it stands for one name at least: `logs/**` is what logs holds, not logs itself
      if (step === steps.length - 1) return "whole";
      retryStep = step;
      retryName = name;
      step += 1;
    } else if (wanted !== undefined && matchStep(wanted, names[name] ?? "")) {
      step += 1;
      name += 1;
    } else if (retryStep >= 0) {
      retryName += 1;
      name = retryName;
      step = retryStep + 1;
    } else {
      return "no";
    }
  }
  return step === steps.length ? "whole" : "below";
}

function matchStep(step: Exclude<Step, "any-depth">, name: string): boolean {
  if ("literal" in step) return step.literal === name;
  const { tokens, prefix } = step;
  if (!name.startsWith(prefix)) return false;
  const characters = charactersOf(name);
  let at = 0;
  let token = 0;
  let retryToken = -1;
  let retryAt = 0;
  while (at < characters.length) {
    const wanted = tokens[token];
    if (wanted === "star") {
      retryToken = token;
      retryAt = at;
      token += 1;
    } else if (typeof wanted === "function" && wanted(characters[at] ?? 0)) {
      token += 1;
      at += 1;
    } else if (retryToken >= 0) {
      retryAt += 1;
      at = retryAt;
      token = retryToken + 1;
    } else {
      return false;
    }
  }
  while (tokens[token] === "star") token += 1;
  return token === tokens.length;
}

/** Above all code points: what stands for a byte that is no UTF-8. */
const strayByte = 0x11_0000;

function charactersOf(name: string): readonly number[] {
  const bytes = Buffer.from(name, "latin1");
  if (isUtf8(bytes)) return Array.from(bytes.toString("utf8"), (character) => character.codePointAt(0) ?? 0);
  const characters: number[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = [1, 2, 3, 4].find((count) => at + count <= bytes.length && isUtf8(bytes.subarray(at, at + count)));
    if (length === undefined) characters.push(strayByte);
    else characters.push(bytes.toString("utf8", at, at + length).codePointAt(0) ?? 0);
    at += length ?? 1;
  }
  return characters;
}
