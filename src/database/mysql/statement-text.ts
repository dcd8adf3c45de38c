/** Texts and names in quotes, and comments of every kind, of which the server runs those that begin with `!`. */
const quotedOrComment =
  /'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`(?:[^`]|``)*`|\/\*(?:M?!\d*)?(?:(?!\*\/).)*\*\/|(?:#|--(?=\s|$))[^\n]*/gs;

/** No statement that names tables is longer; texts of rows may be, and of them only the beginning matters. */
const mostLength = 1 << 18;

/** A statement as the server reads it: it stands in the log as somebody typed it. */
export function withoutComments(sql: string): string {
  return sql
    .slice(0, mostLength)
    .replaceAll(quotedOrComment, (found) => {
      if (/^['"`]/.test(found)) return found;
      return ` ${/^\/\*M?!\d*(.*)\*\/$/s.exec(found)?.[1] ?? ""} `;
    })
    .trim();
}
