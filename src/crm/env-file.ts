/**
 * `.env` files as Docker Compose and Symfony's Dotenv read them: `NAME=value`, comments, quotes, `export`, and values of
 * the same file by `$NAME`, `${NAME}`, `${NAME:-instead}`. Of two with one name the later one counts.
 */
interface Line {
  readonly name: string;
  readonly value: string;
  /** Where the value stands, quotes included. */
  readonly start: number;
  readonly end: number;
}

const assignment =
  /^[ \t]*(?:export[ \t]+)?(?<name>[A-Za-z_]\w*)[ \t]*=[ \t]*(?<value>'[^']*'|"(?:[^"\\]|\\[\s\S])*"|[^\n]*)/gm;

export function readEnv(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const { name, value } of linesOf(text)) {
    values.set(name, value.startsWith("'") ? value.slice(1, -1) : filled(value, values));
  }
  return values;
}

/** The same text with another value; a line is added at the end where there is none. */
export function setEnv(text: string, name: string, value: string): string {
  const written = /^[\w./:@%+,=?&-]*$/.test(value) ? value : `"${value.replaceAll(/[\\"$]/g, String.raw`\$&`)}"`;
  const found = linesOf(text).findLast((line) => line.name === name);
  if (found) return text.slice(0, found.start) + written + text.slice(found.end);
  const before = text === "" || text.endsWith("\n") ? text : `${text}\n`;
  return `${before}${name}=${written}\n`;
}

function linesOf(text: string): readonly Line[] {
  return [...text.matchAll(assignment)].map((match) => {
    const { name = "", value = "" } = match.groups ?? {};
    const isQuoted = /^['"]/.test(value);
    const plain = isQuoted ? value : value.replace(/(^|\s)#.*$/, "").trimEnd();
    const start = match.index + match[0].length - value.length;
    return { name, value: plain, start, end: start + plain.length };
  });
}

function filled(value: string, values: ReadonlyMap<string, string>): string {
  const inner = value.startsWith('"') ? value.slice(1, -1) : value;
  return inner.replaceAll(
    /\\([\\"$n])|\$\{(\w+)(?::?-([^}]*))?\}|\$(\w+)/g,
    (all, escaped?: string, braced?: string, instead?: string, bare?: string) => {
      if (escaped !== undefined) return escaped === "n" ? "\n" : escaped;
      const known = values.get(braced ?? bare ?? "");
      return known === undefined || known === "" ? (instead ?? (braced === undefined ? all : "")) : known;
    },
  );
}
