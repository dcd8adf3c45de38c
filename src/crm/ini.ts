/**
 * Reads and edits an INI file as Python's `configparser` does with its defaults and without interpolation, which is
 * how trytond reads `trytond.conf`: `=` or `:`, whole-line comments after `#` or `;`, values continued on lines that
 * are indented deeper, empty lines inside values, `[DEFAULT]` below every section, option names in lower case.
 */
export interface Ini {
  /** The value; `undefined`: no such section or option (nor in `[DEFAULT]`). */
  get(section: string, option: string): string | undefined;
  readonly sections: readonly string[];
  /** Names of a section's own options, without those of `[DEFAULT]`. */
  options(section: string): readonly string[];
}

/** A line that Python would refuse; trytond does not start with such a file either. */
export class IniError extends Error {
  readonly line: number;

  constructor(line: number) {
    super(`line ${line}`);
    this.name = "IniError";
    this.line = line;
  }
}

interface Option {
  readonly section: string;
  readonly name: string;
  readonly values: string[];
  /** Lines from..to (exclusive), comments and empty lines after the last value left out. */
  readonly from: number;
  to: number;
}

interface Parsed {
  readonly lines: readonly string[];
  readonly options: readonly Option[];
  /** Line of each section's header. */
  readonly headers: ReadonlyMap<string, number>;
}

const defaultSection = "DEFAULT";

export function readIni(text: string): Ini {
  const { options, headers } = parse(text);
  const values = new Map(options.map((option) => [key(option.section, option.name), joined(option)]));
  return {
    sections: [...headers.keys()].filter((name) => name !== defaultSection),
    options: (section) => options.filter((option) => option.section === section).map(({ name }) => name),
    get: (section, option) =>
      headers.has(section)
        ? (values.get(key(section, option.toLowerCase())) ?? values.get(key(defaultSection, option.toLowerCase())))
        : undefined,
  };
}

/**
 * The text with one option set; everything else, comments included, stays as it is. `value` is one line. A new option
 * goes behind the section's last one with the same indentation: any other place could make it, or what follows, part
 * of another value.
 */
export function setIniOption(text: string, section: string, option: string, value: string): string {
  const { lines, options, headers } = parse(text);
  const line = value === "" ? `${option} =` : `${option} = ${value}`;
  const inSection = options.filter((one) => one.section === section);
  const old = inSection.find((one) => one.name === option.toLowerCase());
  if (old) return spliced(lines, old.from, old.to, indented(line, lines[old.from]));
  const last = inSection.at(-1);
  if (last) return spliced(lines, last.to, last.to, indented(line, lines[last.from]));
  const header = headers.get(section);
  if (header !== undefined) {
    // An empty section: as deep as what follows, which would else go on with the new value.
    const next = lines.slice(header + 1).find((one) => /^\s*[^\s#;]/.test(one));
    return spliced(lines, header + 1, header + 1, indented(line, next ?? lines[header]));
  }
  const before = text === "" || text.endsWith("\n") ? text : `${text}\n`;
  return `${before}\n[${section}]\n${line}\n`;
}

function spliced(lines: readonly string[], from: number, to: number, line: string): string {
  return [...lines.slice(0, from), line, ...lines.slice(to)].join("\n");
}

function indented(line: string, like: string | undefined): string {
  return (/^\s*/.exec(like ?? "")?.[0] ?? "") + line;
}

function parse(text: string): Parsed {
  const lines = text.split(/\r\n|\r|\n/);
  const options: Option[] = [];
  const headers = new Map<string, number>();
  const seen = new Set<string>();
  let section: string | undefined;
  let option: Option | undefined;
  let indent = 0;
  for (const [number, line] of lines.entries()) {
    const value = line.trim();
    if (value.startsWith("#") || value.startsWith(";")) continue;
    if (value === "") {
      // Python keeps an empty line inside a value only when the next line goes on with it; rstrip drops it otherwise.
      if (number < lines.length - 1) option?.values.push("");
      continue;
    }
    const depth = line.length - line.trimStart().length;
    if (option !== undefined && depth > indent) {
      option.values.push(value);
      option.to = number + 1;
      continue;
    }
    indent = depth;
    const header = /^\[(.+)\]/.exec(value)?.[1];
    if (header !== undefined) {
      if (headers.has(header) && header !== defaultSection) throw new IniError(number + 1);
      headers.set(header, number);
      section = header;
      option = undefined;
      continue;
    }
    const match = /^(.*?)\s*[=:]\s*(.*)$/.exec(value);
    const name = match?.[1]?.trimEnd().toLowerCase();
    if (section === undefined || match === null || name === undefined || name === "") throw new IniError(number + 1);
    if (seen.has(key(section, name))) throw new IniError(number + 1);
    seen.add(key(section, name));
    option = { section, name, values: [(match[2] ?? "").trim()], from: number, to: number + 1 };
    options.push(option);
  }
  return { lines, options, headers };
}

function joined(option: Option): string {
  return option.values.join("\n").trimEnd();
}

function key(section: string, option: string): string {
  return `${section}\n${option}`;
}
