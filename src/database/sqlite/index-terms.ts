/** What an index is over, as its definition says it. */
export interface IndexTerms {
  /** Columns and expressions, each with a collation if it names one, without a direction. */
  readonly terms: readonly string[];
  readonly where?: string;
}

/** A text, a name or a remark, which may hold anything; else a single character. */
const piece =
  /'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|[\s\S]/g;

/** Reads `CREATE UNIQUE INDEX name ON table (a, lower(b) COLLATE NOCASE DESC) WHERE deleted = 0`, as SQLite keeps it. */
export function indexTerms(sql: string): IndexTerms {
  const pieces = (sql.match(piece) ?? []).map((text) => (/^(?:--|\/\*)/.test(text) ? " " : text));
  const opening = pieces.indexOf("(");
  const terms: string[] = [];
  let term = "";
  let depth = 0;
  let at = opening;
  for (; at >= 0 && at < pieces.length; at++) {
    const text = pieces[at] ?? "";
    if (text === "(" && depth++ === 0) continue;
    if (text === ")" && --depth === 0) break;
    if (text === "," && depth === 1) {
      terms.push(term);
      term = "";
    } else term += text;
  }
  terms.push(term);
  const where = /^\s*WHERE\b([\s\S]*)$/i.exec(pieces.slice(at + 1).join(""))?.[1]?.trim();
  return {
    terms: terms.map((one) => one.trim().replace(/\s+(?:ASC|DESC)$/i, "")),
    ...(where !== undefined && { where }),
  };
}
