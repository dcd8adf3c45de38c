/**
 * A PHP configuration file as data: `$name = …;`, `$name['a']['b'] = …;`, `define('NAME', …);` and `return …;` where
 * what stands there is plain (strings, numbers, true, false, null, arrays of them). The text is never run. What is no
 * plain value (a call, a variable, text with a variable inside) is left out, so that nobody takes it for one; of an array, that
 * entry. A text may be anybody's: reading one takes no more than a few times its length, and no deep stack.
 *
 * A value is found by its path: the name of the variable or constant, or `return`, then keys of arrays.
 */
export interface PhpFile {
  /** Text of a plain value, as PHP would print it but `true` and `false`; `undefined`: none, null, or an array. */
  get(...path: readonly string[]): string | undefined;
  /** Keys of an array, of all statements that fill it. */
  keys(...path: readonly string[]): readonly string[];
}

interface Node {
  /** Where it stands in the text. */
  readonly start: number;
  readonly end: number;
  readonly value?: string;
  /** Of an array: where one more entry can be written, and whether there are any. */
  readonly items?: ReadonlyMap<string, Node>;
}

interface Statement {
  readonly path: readonly string[];
  readonly node: Node;
}

export function readPhp(text: string): PhpFile {
  const statements = statementsOf(text);
  return {
    get: (...path) => nodeAt(statements, path)?.value,
    keys: (...path) => {
      const whole = nodeAt(statements, path)?.items;
      const single = statements.filter((one) => isBelow(one.path, path)).map((one) => one.path[path.length] ?? "");
      return [...new Set([...(whole?.keys() ?? []), ...single])];
    },
  };
}

/** The same text with another value at this path; what is not there yet is added. Everything else stays as it is. */
export function setPhp(text: string, path: readonly string[], value: string | boolean | null): string {
  const written = typeof value === "string" ? quoted(value) : String(value);
  const statements = statementsOf(text);
  const node = nodeAt(statements, path);
  if (node && !node.items) return text.slice(0, node.start) + written + text.slice(node.end);
  for (let depth = path.length - 1; depth > 0; depth--) {
    const array = nodeAt(statements, path.slice(0, depth));
    if (!array?.items) continue;
    const rest = path.slice(depth);
    const entry = rest.reduceRight((inner, key, at) => {
      const pair = `${quoted(key)} => ${inner}`;
      return at === 0 ? pair : `array(${pair})`;
    }, written);
    const before = text.slice(array.start, array.end - 1).trimEnd();
    const separator = array.items.size > 0 && !before.endsWith(",") ? "," : "";
    const at = array.start + before.length;
    return `${text.slice(0, at)}${separator}\n  ${entry},\n${text.slice(array.end - 1)}`;
  }
  const [name = "", ...keys] = path;
  const isConstant = keys.length === 0 && new RegExp(String.raw`\bdefine\s*\(\s*['"]${name}['"]`).test(text);
  // The first definition of a constant counts, the last assignment of a variable.
  if (isConstant) return text.replace(/<\?php/, (open) => `${open}\ndefine(${quoted(name)}, ${written});`);
  return withLine(text, `$${name}${keys.map((key) => `[${quoted(key)}]`).join("")} = ${written};`);
}

/** The same text with a constant defined before anything else defines it. */
export function definePhp(text: string, name: string, value: string | boolean): string {
  if (readPhp(text).get(name) !== undefined) return setPhp(text, [name], value);
  const written = typeof value === "string" ? quoted(value) : String(value);
  return text.replace(/<\?php/, (open) => `${open}\ndefine(${quoted(name)}, ${written});`);
}

function withLine(text: string, line: string): string {
  const close = text.lastIndexOf("?>");
  return close < 0 ? `${text.trimEnd()}\n${line}\n` : `${text.slice(0, close)}${line}\n${text.slice(close)}`;
}

function quoted(value: string): string {
  return `'${value.replaceAll(/[\\']/g, String.raw`\$&`)}'`;
}

function isBelow(path: readonly string[], above: readonly string[]): boolean {
  return path.length > above.length && above.every((key, at) => path[at] === key);
}

/** The last statement that says something of this path decides. */
function nodeAt(statements: readonly Statement[], path: readonly string[]): Node | undefined {
  for (const { path: from, node } of statements.toReversed()) {
    if (from.length > path.length || from.some((key, at) => path[at] !== key)) continue;
    let found: Node | undefined = node;
    for (const key of path.slice(from.length)) found = found?.items?.get(key);
    if (found) return found;
  }
  return undefined;
}

/** Comments and strings that are no values are stepped over, so that nothing is found inside of them. */
const statement = new RegExp(
  [
    String.raw`\/\/[^\n]*|#(?!\[)[^\n]*|\/\*[\s\S]*?\*\/`,
    String.raw`'(?:[^'\\]|\\[\s\S])*'|"(?:[^"\\]|\\[\s\S])*"`,
    String.raw`\$(?<name>\w+)(?<keys>(?:\s*\[\s*(?:'[^'\\]*'|"[^"\\$]*"|\d+)\s*\])*)\s*=(?![=>])`,
    String.raw`\bdefine\s*\(\s*(?:'(?<single>\w+)'|"(?<double>\w+)")\s*,`,
    String.raw`\b(?<given>return)\b`,
  ].join("|"),
  "gy",
);

/** That goes to the end, for PHP too. */
const neverClosed = /^(?:['"]|\/\*)/;

function statementsOf(text: string): readonly Statement[] {
  const found: Statement[] = [];
  let left = text.length * 8;
  statement.lastIndex = 0;
  for (let at = 0; at < text.length && left > 0;) {
    statement.lastIndex = at;
    const match = statement.exec(text);
    if (!match) {
      if (neverClosed.test(text.slice(at, at + 2))) break;
      at++;
      continue;
    }
    at = statement.lastIndex;
    const { name, keys = "", single, double, given } = match.groups ?? {};
    const root = name ?? single ?? double ?? given;
    if (root === undefined) continue;
    const reader = new Reader(text, at);
    const node = reader.expression();
    left -= reader.at - at;
    if (!node || !reader.endsWith((single ?? double) ? ")" : ";")) continue;
    const inner = [...keys.matchAll(/'([^'\\]*)'|"([^"\\$]*)"|(\d+)/g)].map(([, a, b, c]) => a ?? b ?? c ?? "");
    found.push({ path: [root, ...inner], node });
    at = reader.at;
  }
  return found;
}

const space = /(?:\s|\/\/[^\n]*|#[^\n]*|\/\*[\s\S]*?\*\/)*/y;
const scalar =
  /'((?:[^'\\]|\\[\s\S])*)'|"((?:[^"\\$]|\\[\s\S]|\$(?![a-zA-Z_{]))*)"|(-?\d[\d.]*)|\b(true|false|null)\b/iy;
/** What is stepped over in what is no plain value. */
const token =
  /'(?:[^'\\]|\\[\s\S])*'|"(?:[^"\\]|\\[\s\S])*"|\/\/[^\n]*|#[^\n]*|\/\*[\s\S]*?\*\/|[^'"/#()[\]{},]+|[()[\]{},]|\/(?!\*)/y;
/** Nobody's configuration is nested like this. */
const deepest = 64;
const open = /\(object\)|(?:\\?stdClass::__set_state\s*\(\s*)?(?:array\s*\(|\[)/iy;
const controls: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", v: "\v", f: "\f", e: "\u001B" };

/** Reads one plain expression from a place in the text on. */
class Reader {
  readonly #text: string;
  #depth = 0;
  at: number;

  constructor(text: string, at: number) {
    this.#text = text;
    this.at = at;
  }

  expression(): Node | undefined {
    const first = this.#operand();
    if (!first || first.items) return first;
    let node = first;
    for (;;) {
      const before = this.at;
      this.#take(space);
      if (this.#text[this.at] !== ".") {
        this.at = before;
        return node;
      }
      this.at++;
      const next = this.#operand();
      if (!next || next.items) return undefined;
      node = { start: node.start, end: next.end, value: (node.value ?? "") + (next.value ?? "") };
    }
  }

  /** Whether this comes next; steps over it. */
  endsWith(mark: string): boolean {
    this.#take(space);
    if (this.#text[this.at] !== mark) return false;
    this.at++;
    return true;
  }

  #operand(): Node | undefined {
    this.#take(space);
    const start = this.at;
    const array = this.#take(open);
    if (array) {
      if (this.#depth >= deepest) return undefined;
      this.#depth++;
      const found = array[0].toLowerCase() === "(object)" ? this.#operand() : this.#array(start, array[0]);
      this.#depth--;
      return found;
    }
    const match = this.#take(scalar);
    if (!match) return undefined;
    const [, single, double, number, word] = match;
    const span = { start, end: this.at };
    if (single !== undefined) return { ...span, value: single.replaceAll(/\\([\\'])/g, "$1") };
    if (double !== undefined) {
      const plain = double.replaceAll(/\\([\\"$nrtvfe])/g, (_, letter: string) => controls[letter] ?? letter);
      return { ...span, value: plain };
    }
    if (number !== undefined) return { ...span, value: number };
    return word?.toLowerCase() === "null" ? span : { ...span, value: word?.toLowerCase() ?? "" };
  }

  #array(start: number, opening: string): Node | undefined {
    const close = opening.endsWith("[") ? "]" : ")";
    const items = new Map<string, Node>();
    let index = 0;
    for (;;) {
      this.#take(space);
      if (this.#text[this.at] === close) break;
      const first = this.expression();
      this.#take(space);
      const isPair = first !== undefined && this.#text.startsWith("=>", this.at);
      if (isPair) this.at += 2;
      const value = isPair ? this.expression() : first;
      this.#take(space);
      const isPlain = this.#text[this.at] === "," || this.#text[this.at] === close;
      const [end, hasKey] = isPlain ? [this.#text[this.at], isPair] : this.#skip(isPair);
      if (end === undefined) return undefined;
      if (!hasKey) {
        if (isPlain && value) items.set(String(index), value);
        index++;
      } else if (isPlain && value && first?.value !== undefined) {
        items.set(first.value, value);
        if (/^\d+$/.test(first.value)) index = Math.max(index, Number(first.value) + 1);
      }
      if (end === ",") this.at++;
      else if (end !== close) return undefined;
    }
    this.at++;
    const end = this.at;
    if (/set_state/i.test(opening)) {
      this.#take(space);
      this.at++;
    }
    return { start, end, items };
  }

  /** To what ends an entry of an array that is not plain: a comma or a closing bracket; and whether it has a key. */
  #skip(hasKey: boolean): readonly [end: string | undefined, hasKey: boolean] {
    let nested = 0;
    let found = hasKey;
    for (;;) {
      const [mark] = this.#take(token) ?? [];
      if (mark === undefined) return [undefined, found];
      if (nested === 0 && (mark === "," || /^[)\]}]$/.test(mark))) {
        this.at--;
        return [mark, found];
      }
      if (/^[([{]$/.test(mark)) nested++;
      else if (/^[)\]}]$/.test(mark)) nested--;
      else if (nested === 0 && !/^['"/#]/.test(mark) && mark.includes("=>")) found = true;
    }
  }

  #take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.#text);
    if (match) this.at = pattern.lastIndex;
    return match;
  }
}
