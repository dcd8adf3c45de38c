/**
 * Assignments of plain values at the top of a PHP file, such as Dolibarr's `conf.php`. The file is read as text and never
 * run; what is no plain value (a call, a concatenation, a variable) is left out, so nobody takes it for one.
 */
export interface PhpAssignment {
  readonly name: string;
  readonly value: string;
  /** Where the value stands in the text, quotes included. */
  readonly start: number;
  readonly end: number;
}

const token =
  /\/\/[^\n]*|#[^\n]*|\/\*[\s\S]*?\*\/|\$(?<name>\w+)\s*=\s*(?<value>'(?:[^'\\]|\\[\s\S])*'|"(?:[^"\\$]|\\[\s\S])*"|-?[\d.]+|true|false|null)\s*;|'(?:[^'\\]|\\[\s\S])*'|"(?:[^"\\]|\\[\s\S])*"/gi;

/** In the order of the file; of two with one name the later one counts. */
export function phpAssignments(text: string): readonly PhpAssignment[] {
  const found: PhpAssignment[] = [];
  for (const match of text.matchAll(token)) {
    const { name, value } = match.groups ?? {};
    if (name === undefined || value === undefined) continue;
    const start = match.index + match[0].lastIndexOf(value);
    found.push({ name, value: plainValue(value), start, end: start + value.length });
  }
  return found;
}

function plainValue(source: string): string {
  if (source.startsWith("'")) return source.slice(1, -1).replaceAll(/\\([\\'])/g, "$1");
  if (!source.startsWith('"')) return source;
  return source.slice(1, -1).replaceAll(/\\([\\"$nrt])/g, (_, letter: string) => controls[letter] ?? letter);
}

const controls: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" };

/** The same text with another value; the assignment is added at the end where there is none. */
export function setPhpValue(text: string, name: string, value: string): string {
  const quoted = `'${value.replaceAll(/[\\']/g, String.raw`\$&`)}'`;
  const found = phpAssignments(text).findLast((one) => one.name === name);
  if (found) return text.slice(0, found.start) + quoted + text.slice(found.end);
  const line = `$${name} = ${quoted};\n`;
  const close = text.lastIndexOf("?>");
  return close < 0 ? `${text.trimEnd()}\n${line}` : text.slice(0, close) + line + text.slice(close);
}
